"""Moving a stored conversation into a changed topology."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agentgraph.conversation.frozen import EMPTY, FrozenDict, freeze
from agentgraph.conversation.history import History
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.conversation.context import Context, Destination, Handed, Pending, Progress
    from agentgraph.conversation.happening import Happening
    from agentgraph.conversation.message import Message, ToolCall


def obstacle(context: Context, graph: Destination) -> str | None:
    """Why `context` cannot go on in `graph`: the agent or the pending call that went away, also inside a call. None when it can."""
    if context.agent is None:
        return None
    offered = graph.offered(context.agent)
    if offered is None:
        return f"the agent {context.agent!r}, which holds the conversation, is not in this graph"
    calls = context.progress.calls if context.progress else ()
    gone = [p.call.name for p in calls if p.stage in ("asked", "started", "extracting") and p.call.name not in offered]
    if gone:
        return f"{context.agent!r} no longer offers {', '.join(map(repr, gone))}, which is pending"
    for pending in calls:
        if pending.inside is not None:
            inside = graph.within(context.agent, pending.call.name)
            why = obstacle(pending.inside, inside) if inside is not None else f"{pending.call.name!r} is no agent any more"
            if why is not None:
                return f"inside {pending.call.name!r}: {why}"
    return None


def migrated(context: Context, graph: Destination, rename: Mapping[str, str], tools: Mapping[str, str]) -> Context:
    """`context` with its agents and tools renamed, belonging to `graph`. O(messages).

    Where monitors stand is forgotten if anything is renamed, since what they demand speaks of names; it is read back from the messages.
    """
    given: Any = graph
    if not callable(getattr(given, "offered", None)):
        raise ContextError(f"migrate was given the graph {given!r:.60}; give an AgentGraph, or what it compiles to", context)
    names = _Names(graph, _checked(rename, "rename"), _checked(tools, "tools"))
    agent = names.agent(context.agent)
    if agent is not None and graph.offered(agent) is None:
        renamed = f" (renamed from {context.agent!r})" if agent != context.agent else ""
        message = f"the agent {agent!r}{renamed} is not in this graph; give rename={{{context.agent!r}: <an agent of the graph>}}"
        raise ContextError(message, context)
    return replace(
        context,
        agent=agent,
        handed=context.handed and names.handed(context.handed),
        messages=History(map(names.message, context.messages)),
        progress=context.progress and names.progress(context.progress, agent, lambda inside, graph: migrated(inside, graph, rename, tools)),
        fingerprint=graph.fingerprint,
        watched=EMPTY if rename or tools else context.watched,
    )


def _checked(names: Mapping[str, str], option: str) -> Mapping[str, str]:
    given: Any = names
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for pair in given.items() for name in pair):
        raise ContextError(f"migrate was given {option}={given!r:.80}; give a dict from old names to new ones", given)
    return names


class _Names:
    """Old names, and what they are in the new graph."""

    def __init__(self, graph: Destination, agents: Mapping[str, str], tools: Mapping[str, str]) -> None:
        self._graph, self._agents, self._tools = graph, agents, tools
        self._derived = {graph.handoff_name(old): (graph.handoff_name(new), new) for old, new in agents.items()}

    def agent(self, name: str | None) -> str | None:
        """The present name of an agent."""
        return self._agents.get(name, name) if name is not None else None

    def tool(self, name: str, agent: str | None) -> str:
        """The present name of a tool of `agent`. One that comes from an agent's name is taken where it is offered, unless the old one still leads there."""
        if name in self._tools:
            return self._tools[name]
        if name not in self._derived or agent is None:
            return name
        derived, target = self._derived[name]
        offered = self._graph.offered(agent) or {}
        return derived if derived in offered and target not in offered.get(name, ()) else name

    def message(self, message: Message) -> Message:
        """`message`, spoken by the agent of the present name, calling tools by theirs."""
        agent = self.agent(message.agent)
        calls = self._calls(message.tool_calls, agent)
        source = message.source and self._source(message.source, message, agent)
        inside = tuple(self._happening(one, agent) for one in message.inside)
        same = agent == message.agent and calls is message.tool_calls and source == message.source and inside == message.inside
        return message if same else replace(message, agent=agent, tool_calls=calls, source=source, inside=inside)

    def _source(self, source: FrozenDict, message: Message, agent: str | None) -> FrozenDict:
        """The dictionary that `message` was imported from, with the present names in it. Whatever else is there stays."""
        present: dict[str, Any] = {
            "name": self.agent if message.role != "tool" else lambda name: self.tool(name, None),
            "handoff_to": self.agent,
            "handoff_via": lambda name: self.tool(name, agent),
        }
        renamed = {key: present[key](value) if key in present and isinstance(value, str) else value for key, value in source.items()}
        if isinstance(calls := source.get("tool_calls"), list):
            renamed["tool_calls"] = [self._source_call(call, agent) for call in calls]
        return freeze(renamed, "message")  # type: ignore[no-any-return]

    def _source_call(self, call: Any, agent: str | None) -> Any:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return call
        return {**call, "function": {**function, "name": self.tool(function["name"], agent)}}

    def _calls(self, calls: tuple[ToolCall, ...], agent: str | None) -> tuple[ToolCall, ...]:
        named = tuple(self._call(call, agent) for call in calls)
        return calls if all(map(is_, named, calls)) else named

    def _call(self, call: ToolCall, agent: str | None) -> ToolCall:
        name = self.tool(call.name, agent)
        return call if name == call.name else replace(call, name=name)

    def _pending(self, pending: Pending, agent: str | None, within: Callable[[Context, Destination], Context]) -> Pending:
        call = self._call(pending.call, agent)
        if pending.inside is None:
            return replace(pending, call=call)
        graph = self._graph.within(agent or "", call.name)
        inside = pending.inside if graph is None else within(pending.inside, graph)
        return replace(pending, call=call, inside=inside, told=tuple(self._happening(one, agent) for one in pending.told))

    def _happening(self, happening: Happening, agent: str | None) -> Happening:
        """What happened inside a call, by the present names."""
        named = self.agent(happening.name) if happening.kind == "enter" else self.tool(happening.name, happening.agent or agent)
        return replace(happening, name=named or "", agent=self.agent(happening.agent) or "")

    def handed(self, handed: Handed) -> Handed:
        """The handoff by which the present agent came to hold the conversation."""
        source, target = self._agents.get(handed.source, handed.source), self._agents.get(handed.target, handed.target)
        return replace(handed, source=source, target=target, tool=self.tool(handed.tool, source))

    def progress(self, progress: Progress, agent: str | None, within: Callable[[Context, Destination], Context]) -> Progress:
        """The run under way: pending calls by their present names, and visits to agents that became one added up; what goes on inside one
        is moved `within` it, but for a call that is gone, or of no agent any more.
        """
        visits: dict[str, int] = {}
        for name, count in progress.visits.items():
            visits[self._agents.get(name, name)] = visits.get(self._agents.get(name, name), 0) + count
        calls = tuple(self._pending(pending, agent, within) for pending in progress.calls)
        return replace(progress, calls=calls, visits=FrozenDict(visits))
