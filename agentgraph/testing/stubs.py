"""Stubs: a graph whose tools touch nothing. Each tells what it saw, and everything it does is decided by the call it answers.

So a run with them is a value: the same script gives the same run, from any snapshot in the middle of it, too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentgraph.agent_graph import AgentGraph
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.text import as_json
from agentgraph.definition.group import AgentGroup
from agentgraph.testing.fitting import fitting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.handoff import Handoff
    from agentgraph.definition.model import Model, ModelRequest
    from agentgraph.definition.shape import Shape
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.topology import Topology

FAILS, DENIED, OBJECTED = "-fails", "-denied", "-objected"
"""How the id of a call ends whose tool is to fail, or that nobody approves, without and with a reason."""
REASON = "it is too much"
ANSWER = "answered"
_CONTEXT = "context of the stub"  # no function has a parameter of this name


def stubbed(graph: Topology, values: Mapping[str, Any] | None = None, model: Model | None = None, *, tools: bool = True) -> AgentGraph:
    """`graph` with stubs for its tools, its conditions (`when=`) and its handlers. It has the same fingerprint.

    A tool gives what `values` says under its name; without that {"facts": those it saw, "tool": name}. One that is called
    with an id that ends with "-fails" fails. A condition holds or not as the length of the conversation will have it.
    Agents are answered for by `model`; those used as tools answer at once. With `tools=False` functions stay as they are.
    """
    canned = values or {}
    stub = AgentGraph(graph.name, home=graph.home, human=graph.human)
    for agent in graph.agents.values():
        kept = tuple(_stub_tool(tool, canned) if tools or tool.agent is not None else tool for tool in agent.tools)
        stub.add_agent(agent.replace(tools=kept, handoffs=(), on_tool_output=None, instructions="", model=model))
    for edge in graph.edges:
        stub.add_handoff(edge.source, _stub_handoff(edge.handoff).replace(target=edge.target, tool_name=edge.tool))
    stub.regroup(graph.groups.values())
    stub.entry = graph.entries
    return stub


def tossed(context: Context) -> bool:
    """A condition that nobody foresees, and everybody can look up: whether the number of messages has an odd number of ones."""
    return lands(len(context.messages))


def lands(messages: int) -> bool:
    """What `tossed` says when there are so many messages."""
    return messages.bit_count() % 2 == 1


def approved(call: ToolCall) -> bool | str:
    """Approve every call but those whose id says otherwise."""
    return REASON if call.id.endswith(OBJECTED) else not call.id.endswith(DENIED)


def saw(tool: str, facts: frozenset[str]) -> Any:
    """What a stub gives that saw `facts`."""
    return as_json({"facts": sorted(facts), "tool": tool})


def answer_of(agent: Agent) -> str | None:
    """A text that `agent` can end a turn with; None where a turn may not end there, or nothing was found that fits its output type."""
    if not agent.may_finish:
        return None
    try:
        return _answer(agent.output)
    except LookupError:
        return None


def _answer(output: Shape | None) -> str:
    return ANSWER if output is None else json.dumps(fitting(output))


class _Inner:
    """Answers at once for the agents that are used as tools."""

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        """Any answer that fits."""
        try:
            return Reply(_answer(request.output))
        except LookupError:
            return Reply(ANSWER)


def _stub_tool(tool: Tool, canned: Mapping[str, Any]) -> Tool:
    if tool.agent is not None:
        return tool.replace(agent=_stub_member(tool.agent, canned), output_extractor=None)

    def stub(**given: Any) -> Any:
        context = given[_CONTEXT]
        if context.call_id.endswith(FAILS):
            raise RuntimeError(f"{tool.name} fails")
        return canned[tool.name] if tool.name in canned else saw(tool.name, context.facts)

    return tool.replace(function=stub, is_async=False, context_parameter=_CONTEXT, timeout=None, retries=0)


def _stub_member(who: Agent | AgentGroup, canned: Mapping[str, Any]) -> Agent | AgentGroup:
    """An agent or group behind a tool."""
    if isinstance(who, AgentGroup):
        members = tuple(_stub_member(member, canned) for member in who.members)
        handoffs = tuple((source, _stub_handoff(handoff)) for source, handoff in who.handoffs)
        root = next(member for member in members if member.name == who.root.name)
        return who.replace(root=root, members=members, handoffs=handoffs)
    tools = tuple(_stub_tool(tool, canned) for tool in who.tools)
    leaving = tuple(map(_stub_handoff, who.handoffs))
    return who.replace(tools=tools, handoffs=leaving, on_tool_output=None, instructions="", model=_Inner())


def _stub_handoff(handoff: Handoff) -> Handoff:
    return handoff.replace(target=handoff.target_name, when=tossed if handoff.when is not None else None)
