"""agentgraph, through its public door alone."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

from agentgraph import Agent, AgentGraph, AgentRunner, Machine, ModelRequest, Reply, RunConfig, ToolCall, tool
from agentgraph.models import Model
from benchmarks.scene import Asked, Scene, acheck_balance, check_balance

TOOLS = {True: tool(name="check_balance")(acheck_balance), False: tool(check_balance)}
_CONFIG = RunConfig(max_turns=50)


class AwaitedModel:
    """Gives prepared answers over and over, without any latency."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = cycle(list(replies))

    async def reply(self, _: ModelRequest, /) -> Reply:
        return next(self._replies)


class InstantModel:
    """The same for who cannot await."""

    instant = True

    def __init__(self, replies: Iterable[Reply]) -> None:
        self._replies = cycle(list(replies))

    def reply(self, _: ModelRequest, /) -> Reply:
        return next(self._replies)


class TextModel:
    """Gives answers whose arguments arrive as JSON text every time, as a provider's client does."""

    def __init__(self, lines: Iterable[str | Asked]) -> None:
        self._lines = cycle(list(lines))

    async def reply(self, _: ModelRequest, /) -> Reply:
        return reply_of(next(self._lines))


def reply_of(line: str | Asked) -> Reply:
    """A line of a script as a reply."""
    return Reply(line) if isinstance(line, str) else Reply(None, (ToolCall(*line),))


def graph_of(scene: Scene, *, awaited: bool) -> AgentGraph:
    """The agents and handoffs of `scene`."""
    graph = AgentGraph("bench")
    tools = (TOOLS[awaited],)
    for role in scene.roles:
        graph.add_agent(Agent(role.name, role.instructions, tools=tools if role.has_tool else ()))
    for role in scene.roles:
        for target in role.handoffs:
            graph.add_handoff(role.name, target)
    return graph


def runner_of(machine: Machine, model: Model) -> AgentRunner:
    """A runner whose every agent is answered for by `model`."""
    return AgentRunner(machine, _CONFIG.replace(model=model))
