"""The reference model: what must come of a reply, written down a second time, and as plainly as that goes.

It shares no line with the engine. It knows nothing of phases, effects, snapshots or threads: a state is who holds the
conversation, which facts are there, how many messages; and a reply with calls is walked through from left to right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.text import as_text
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.shape import Mismatch
from agentgraph.machine.happening import BROKEN, is_shown
from agentgraph.testing.stubs import DENIED, FAILS, answer_of, lands, saw

if TYPE_CHECKING:
    from agentgraph.conversation.message import ToolCall
    from agentgraph.conversation.reply import Reply
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology
    from agentgraph.machine.happening import Monitor


class Deviation(AssertionError):
    """The runner, or a conversation with it, was not what it must be."""


Fate = Literal["ran", "failed", "misfit", "unknown", "unmet", "denied", "refused", "handed", "dropped"]
"""What comes of a call: the last is that of one behind a handoff, or behind the end."""


class State(NamedTuple):
    """Where a conversation stands."""

    agent: str
    facts: frozenset[str] = frozenset()
    messages: int = 0
    watched: tuple[int, ...] = ()
    """The states of the monitors."""


class Answered(NamedTuple):
    """What comes of one call, and what its answer must hold: all of it where it ran, pieces where not."""

    call: ToolCall
    fate: Fate
    text: str | None = None
    pieces: tuple[str, ...] = ()
    target: str | None = None


class Turned(NamedTuple):
    """What must come of one reply."""

    before: State
    after: State
    reply: Reply
    answers: tuple[Answered, ...] = ()
    happened: tuple[Happening, ...] = ()
    end: Literal["", "completed", "final", "error"] = ""
    unusable: bool = False


class Reference:
    """What every conversation with `graph` must be, when its tools are stubs."""

    def __init__(
        self,
        graph: Topology,
        specs: Sequence[Monitor] = (),
        values: Mapping[str, Any] | None = None,
        monitors: Sequence[Monitor] = (),
    ) -> None:
        self.graph, self.values = graph, values or {}
        self.monitors = (*monitors, *specs)
        self.enforced = tuple(monitors)
        """Those that refuse what would break them; the others only watch."""
        self.tools: dict[str, dict[str, Tool]] = {name: {t.name: t for t in agent.tools} for name, agent in graph.agents.items()}
        self.edges: dict[str, dict[str, Edge]] = {name: {} for name in graph.agents}
        for edge in graph.edges:
            self.edges[edge.source][edge.tool] = edge

    # -- the states a conversation goes through --------------------------------------------------------------------

    def start(self) -> State:
        """Before anything was said."""
        return self.watching(State(self.graph.entry, watched=tuple(m.start for m in self.monitors)), self.entering(self.graph.entry))

    def entering(self, agent: str) -> Happening:
        """That `agent` is entered."""
        return Happening("enter", agent, groups=self.graph.groups_of(agent))

    def watching(self, state: State, happening: Happening) -> State:
        """`state`, after what watches has seen `happening`."""
        return state._replace(
            watched=tuple(
                m.after(at, happening) if is_shown(m, happening) else at for m, at in zip(self.monitors, state.watched, strict=True)
            )
        )

    def broken(self, state: State) -> str | None:
        """The monitor that has seen what must not be."""
        return next((str(m) for m, at in zip(self.monitors, state.watched, strict=True) if at == BROKEN), None)

    def breaks(self, state: State, *happenings: Happening) -> bool:
        """Whether a monitor that is enforced would be broken by `happenings`."""
        for happening in happenings:
            state = self.watching(state, happening)
        return BROKEN in state.watched[: len(self.enforced)]

    def answer_of(self, agent: str) -> str | None:
        """A text that `agent` can end a turn with."""
        return answer_of(self.graph.agents[agent])

    # -- one reply -------------------------------------------------------------------------------------------------

    def replied(self, state: State, reply: Reply, *, noted: bool = False, parallel: bool = True) -> Turned:
        """What must come of `reply`; `noted` when the one before could not be used either."""
        if reply.tool_calls:
            return self._acted(state, reply, parallel)
        if reply.text and reply.text == self.answer_of(state.agent) and not self.breaks(state, _FINAL(state.agent)):
            after = self.watching(state._replace(messages=state.messages + 1), _FINAL(state.agent))
            return Turned(state, after, reply, happened=(_FINAL(state.agent),), end="completed")
        return Turned(state, state, reply, end="error" if noted else "", unusable=True)

    def _acted(self, state: State, reply: Reply, parallel: bool) -> Turned:
        """Calls take effect in their order, up to and including the first handoff that is carried out.

        One that needs no facts may start with the calls before it, back to the nearest handoff or final tool: it sees the facts of then.
        """
        before, calls = state, reply.tool_calls
        state = state._replace(messages=state.messages + 1)
        answers: list[Answered] = []
        happened: list[Happening] = []
        border = state.facts
        ends = False
        for call in calls:
            tool, edge = self.tools[state.agent].get(call.name), self.edges[state.agent].get(call.name)
            if ends or (answers and answers[-1].fate in ("handed", "dropped")):
                answers.append(Answered(call, "dropped", pieces=("not executed",)))
            elif edge is not None:
                answers.append(self._handed(state, call, edge))
            else:
                seen = border if parallel and tool is not None and not self._waits(tool) else state.facts
                answers.append(self._called(state, call, tool, seen))
            fate, now = answers[-1].fate, list[Happening]()
            if fate in ("ran", "failed"):
                assert tool is not None
                gave = fate == "ran" and not self._unset(tool)
                now = [*self._calling(state.agent, tool), Happening("success" if gave else "failure", tool.name, state.agent)]
                ends = tool.final and gave
                state = state._replace(facts=state.facts | tool.sets if gave else state.facts)
            elif fate == "handed":
                assert edge is not None
                now = [self.entering(edge.target)]
            if ends:
                now = [*now, _FINAL(state.agent)]
            for happening in now:
                state = self.watching(state, happening)
            happened += now
            state = state._replace(messages=state.messages + 1)
            if edge is not None or (tool is not None and tool.final):
                border = state.facts
        moved = next((answer.target for answer in answers if answer.fate == "handed"), None)
        state = state._replace(agent=moved or state.agent)
        return Turned(before, state, reply, tuple(answers), tuple(happened), "final" if ends else "")

    def _unset(self, tool: Tool) -> bool:
        """Whether the output of `tool` says that it has not done what its facts stand for."""
        value = self.values.get(tool.name, "")
        return bool(tool.sets) and (value is None or value is False)

    def _waits(self, tool: Tool) -> bool:
        """Whether a call of `tool` starts only when those before it in the reply are answered: it ends the turn, or its guard or a monitor looks
        at them.
        """
        return bool(tool.requires) or tool.final or any(tool.agent is not None or monitor.sees(tool.name) for monitor in self.enforced)

    def _calling(self, agent: str, tool: Tool) -> list[Happening]:
        called = [Happening("call", tool.name, agent)]
        if tool.agent is not None:
            inner, groups = _root(tool.agent)
            called.append(Happening("enter", inner.name, groups=groups))
        return called

    def _called(self, state: State, call: ToolCall, tool: Tool | None, seen: frozenset[str]) -> Answered:
        if call.malformed:
            return Answered(call, "misfit", pieces=("error:", "JSON"))
        if tool is None:
            return Answered(call, "unknown", pieces=("error:", "there is no tool", *self.tools[state.agent], *self.edges[state.agent]))
        if not tool.requires <= state.facts:
            return Answered(call, "unmet", pieces=("error:", *(repr(fact) for fact in sorted(tool.requires - state.facts))))
        try:
            tool.arguments.check(thaw(call.arguments))
        except Mismatch:
            return Answered(call, "misfit", pieces=("error:", "do not fit"))
        if tool.needs_approval and call.id.endswith(DENIED):
            return Answered(call, "denied", pieces=("error:", "not approved"))
        success = [Happening("success", tool.name, state.agent)] if tool.agent is None else []
        end = [_FINAL(state.agent)] if tool.final else []
        if self.breaks(state, *self._calling(state.agent, tool), *success, *end):
            return Answered(call, "unmet", pieces=("error:", "would break"))
        return self._ran(call, tool, seen)

    def _ran(self, call: ToolCall, tool: Tool, seen: frozenset[str]) -> Answered:
        if tool.agent is not None:
            inner, _ = _root(tool.agent)
            return Answered(call, "ran") if answer_of(inner) is not None else Answered(call, "failed", pieces=("error:",))
        if call.id.endswith(FAILS):
            return Answered(call, "failed", pieces=("error:", f"{tool.name} fails"))
        if tool.name in self.values:
            return Answered(call, "ran", as_text(self.values[tool.name], 100_000))
        if tool.needs_approval:  # a person takes a while to decide: what is true by then is not foreseen here
            return Answered(call, "ran")
        return Answered(call, "ran", as_text(saw(tool.name, seen), 100_000))

    def _handed(self, state: State, call: ToolCall, edge: Edge) -> Answered:
        if call.malformed:
            return Answered(call, "misfit", pieces=("error:", "JSON"))
        if edge.handoff.payload_shape is not None:
            try:
                edge.handoff.payload_shape.check(thaw(call.arguments))
            except Mismatch:
                return Answered(call, "misfit", pieces=("error:", "payload"))
        missing = edge.handoff.requires - state.facts
        if missing:
            return Answered(call, "refused", pieces=("error:", "refused"))
        if edge.handoff.when is not None and not lands(state.messages):
            return Answered(call, "refused", pieces=("error:", "refused"))
        if self.breaks(state, self.entering(edge.target)):
            return Answered(call, "refused", pieces=("error:", "would break"))
        return Answered(call, "handed", target=edge.target)


def _root(who: Agent | AgentGroup) -> tuple[Agent, tuple[str, ...]]:
    """The agent that is entered, and the groups around it, outermost first."""
    groups: list[str] = []
    while isinstance(who, AgentGroup):
        groups.append(who.name)
        who = who.root
    return who, tuple(groups)


def _FINAL(agent: str) -> Happening:  # noqa: N802 - a constant but for the name in it
    return Happening("final", agent=agent)
