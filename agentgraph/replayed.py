"""The path of a verdict, executed: the same graph in the real runner, and a model that does what the path says.

What the proof left open is answered here: conditions hold, approvals are given, limits are far. Guards, facts, final tools, groups and
agents inside tools are as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from agentgraph.checks.sample import sample
from agentgraph.conversation.frozen import freeze
from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.definition.agent import Agent
from agentgraph.definition.decision import Final, Forward
from agentgraph.definition.group import AgentGroup
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import Topology
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.config import RunConfig

if TYPE_CHECKING:
    from agentgraph.checks.verdict import Verdict
    from agentgraph.definition.decision import ToolOutput
    from agentgraph.definition.handoff import Handoff
    from agentgraph.definition.model import ModelRequest
    from agentgraph.definition.tool import Tool
    from agentgraph.possible.model import Step
    from agentgraph.runtime.result import RunResult

_END = "end_the_turn"
"""A tool that nobody has: the handler that is told so ends the turn."""


def replayed(verdict: Verdict, *, stub: bool = True) -> RunResult:
    """The run that goes the path of `verdict`: the last turn's result, with the trace of all of them.

    Raises:
        DefinitionError: when the real functions, or a check of arguments that no schema tells, stop it short.
    """
    script = _Script(verdict.steps)
    far = len(script.lines) + 10
    topology = _Opened(script, far, stub=stub).topology(verdict.topology)
    topology.entry = verdict.path[0].name
    runner = AgentRunner(topology, RunConfig(model=script, max_turns=far))
    result = runner.run("go on")
    trace = result.trace
    while script.lines and result.succeeded:
        result = runner.run("go on", result.context)
        trace += result.trace
    if script.lines:
        raise DefinitionError(f"the replay of {verdict.spec} stopped {len(script.lines)} replies short: {result.error or result.output}")
    return replace(result, trace=trace)


class _Script:
    """The model of a replay. Things happen one at a time, so there is one script for all who are asked."""

    instant = True

    def __init__(self, steps: Iterable[Step]) -> None:
        several = tuple(steps)
        self.lines = [line for step in several for line in _lines(step)]
        self.unread = [back.by == "unread" or back.lost for step in several for back in step.returns if back.by != "cut off"]
        """Of each answer that an agent inside a tool is to give, whether it cannot be read."""
        self.failing = False
        """Whether the call in hand is to fail."""

    def reply(self, request: ModelRequest) -> Reply:
        """What the path says next; when it is at its end, that it is."""
        if not self.lines:
            return Reply("The path ends here.")
        line = self.lines.pop(0)
        self.failing = line.fails
        if line.cuts:
            raise ConnectionError("cut off")
        return Reply("done") if line.calls is None else Reply(None, (_call(line.calls, request),))


class _Line(NamedTuple):
    """One reply: a call, words, or none at all."""

    calls: str | None = None
    fails: bool = False
    cuts: bool = False


_ENDS: Mapping[str, tuple[_Line, ...]] = {
    "answer": (_Line(),),
    "handler": (_Line(_END),),
    "final tool": (),  # the call before has brought it about
    "cut off": (_Line(cuts=True),),
    "unread": (),
}


def _lines(step: Step) -> Iterator[_Line]:
    for back in step.returns:
        yield from _ENDS[back.by]
    if step.happening.kind == "final":
        yield from _ENDS[step.by]
    elif step.by:
        yield _Line(step.by, fails=step.fails or step.lost)  # a lost output is, to the runner, a failure


def _call(name: str, request: ModelRequest) -> ToolCall:
    """A call with the least that its schema asks for."""
    schema: Mapping[str, Any] = next((t["function"]["parameters"] for t in request.tools if t["function"]["name"] == name), {})
    return ToolCall("", name, freeze(sample(schema) if schema else {}))


def _handler(value: Any, output: ToolOutput) -> tuple[Any, Forward | Final]:
    return value, Final("done") if output.name == _END else Forward()


class _Opened:
    """Copies of definitions in which everything that the proof left open says yes. With `stub` the functions of tools do nothing."""

    def __init__(self, script: _Script, far: int, *, stub: bool) -> None:
        self.script, self.stubbing, self.far = script, stub, far

    def topology(self, topology: Topology) -> Topology:
        opened = Topology(topology.name)
        for agent in topology.agents.values():
            opened.add_agent(self.agent(agent))
        for edge in topology.edges:
            opened.add_handoff(edge.source, _opened_handoff(edge.handoff).replace(target=edge.target, tool_name=edge.tool))
        opened.regroup(topology.groups.values())
        return opened

    def agent(self, agent: Agent) -> Agent:
        return Agent(
            agent.name,
            tools=tuple(map(self.tool, agent.tools)),
            may_finish=agent.may_finish,
            on_tool_output=None if agent.on_tool_output is None else (_nothing, _handler),
        )

    def member(self, who: Agent | AgentGroup) -> Agent | AgentGroup:
        if isinstance(who, Agent):
            handoffs = tuple(map(_opened_handoff, who.handoffs))
            return self.agent(who).replace(handoffs=handoffs)
        handoffs_of_group = tuple((source, _opened_handoff(handoff)) for source, handoff in who.handoffs)
        return AgentGroup(who.name, self.member(who.root), tuple(map(self.member, who.members)), handoffs_of_group)

    def tool(self, tool: Tool) -> Tool:
        opened = tool.replace(needs_approval=False, retries=0, timeout=None, max_turns=self.far)
        if tool.agent is not None:
            return opened.replace(agent=self.member(tool.agent), output_extractor=self.read)
        if not self.stubbing and tool.function is not None:
            return opened
        return opened.replace(function=self.stub, is_async=False, context_parameter=None)

    def read(self, result: RunResult) -> Any:
        if self.script.unread and self.script.unread.pop(0):
            raise RuntimeError("this answer cannot be read in the path")
        return result.output

    def stub(self, **_: Any) -> str:
        if self.script.failing:
            raise RuntimeError("this call fails in the path")
        return "done"


def _opened_handoff(handoff: Handoff) -> Handoff:
    return handoff.replace(target=handoff.target_name, when=None, history=None)


def _nothing() -> None:
    """What a handler of a replay accumulates."""
