"""The reference model: what must come of a reply, written down a second time, and as plainly as that goes.

It shares no line with the engine. It knows nothing of phases, effects, snapshots or threads: a state is who holds the
conversation, which facts are there, how many messages, what the run has used; and a reply with calls is walked through
from left to right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.text import as_text
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.shape import Mismatch
from agentgraph.machine.happening import BROKEN, is_shown
from agentgraph.testing.stubs import FAILS, answer_of, approved, lands, saw

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


Fate = Literal["ran", "failed", "misfit", "unknown", "unmet", "denied", "refused", "used up", "handed", "dropped"]
"""What comes of a call: the last is that of one behind a handoff, or behind the end."""
Start = Literal["begun", "denied", "used up"]
"""What people and the budget of tool calls say of a call that fits."""
Asking = Literal["at once", "later"]
"""When people answer: before any tool runs; or only when nothing else can go on, since the run waits for them."""


class Used(NamedTuple):
    """What one run has used of its budget."""

    tool_calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    entered: tuple[str, ...] = ()
    """Who took over, each time."""
    beyond: str = ""
    """The limit that the last call which was refused for one would have gone beyond."""

    def by(self, answered: Answered) -> Used:
        """And one call more."""
        match answered.fate:
            case "ran" | "failed":
                return self._replace(tool_calls=self.tool_calls + 1)
            case "handed":
                return self._replace(entered=(*self.entered, answered.target or ""))
            case "used up":
                return self._replace(beyond=answered.limit)
        return self

    def up(self, budget: Budget) -> str:
        """The limit that forbids that the run goes on."""
        if self.beyond:
            return self.beyond
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return "tokens"
        return "cost" if budget.cost is not None and self.cost >= budget.cost else ""


class State(NamedTuple):
    """Where a conversation stands."""

    agent: str
    facts: frozenset[str] = frozenset()
    messages: int = 0
    watched: tuple[int, ...] = ()
    """The states of the monitors."""
    used: Used = Used()


class Answered(NamedTuple):
    """What comes of one call, and what its answer must hold: all of it where it ran, pieces where not."""

    call: ToolCall
    fate: Fate
    text: str | None = None
    pieces: tuple[str, ...] = ()
    target: str | None = None
    limit: str = ""


class Turned(NamedTuple):
    """What must come of one reply."""

    before: State
    after: State
    reply: Reply
    answers: tuple[Answered, ...] = ()
    happened: tuple[Happening, ...] = ()
    end: Literal["", "completed", "final", "error", "budget"] = ""
    unusable: bool = False
    limit: str = ""
    """The one that ends the run, where a budget does."""
    asked: tuple[tuple[str, ...], ...] = ()
    """What the run waits for people to say, each time that it does."""


class Starts:
    """Which calls of one reply are begun, as far as people and the budget of tool calls decide.

    They are begun in another order than they stand in: with one that may take a while go those behind it that need not wait for it, and
    what has to be allowed first is begun when it is.
    """

    def __init__(self, limit: int | None, used: int, asking: Asking) -> None:
        self.left = None if limit is None else limit - used
        self.asking = asking
        self.came_to: dict[int, Start] = {}
        self.open: dict[int, ToolCall] = {}
        """What people were asked, and have not yet said."""
        self.asked: list[tuple[str, ...]] = []

    def knows(self, at: int) -> bool:
        """Whether this call was begun, asked about or refused before it was its turn."""
        return at in self.came_to or at in self.open

    def begin(self, calls: Iterable[tuple[int, ToolCall, Tool]]) -> bool:
        """Begin these, or ask; none but the first, where that is refused at once. Whether it was not."""
        for number, (at, call, tool) in enumerate(calls):
            if tool.needs_approval and self.left != 0:
                self.open[at] = call
            else:
                self._begin(at)
            if number == 0 and self.came_to.get(at) == "used up":
                return False
        if self.asking == "at once":
            self._decide()
        return True

    def turn_of(self, at: int) -> None:
        """All before this call are answered, so that the run waits, if it is one of those that people are asked about."""
        if at in self.open:
            self.asked.append(tuple(call.name for call in self.open.values()))
            self._decide()

    def _decide(self) -> None:
        for at, call in self.open.items():
            if approved(call) is True:
                self._begin(at)
            else:
                self.came_to[at] = "denied"
        self.open = {}

    def _begin(self, at: int) -> None:
        self.came_to[at] = "used up" if self.left == 0 else "begun"
        if self.left:
            self.left -= 1


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

    def said(self, state: State) -> State:
        """`state`, after the user has spoken: a run begins, and it has used nothing."""
        return state._replace(messages=state.messages + 1, used=Used())

    # -- one reply -------------------------------------------------------------------------------------------------

    def replied(
        self,
        state: State,
        reply: Reply,
        *,
        noted: bool = False,
        parallel: bool = True,
        budget: Budget | None = None,
        asking: Asking = "at once",
    ) -> Turned:
        """What must come of `reply`; `noted` when the one before could not be used either."""
        used, limits = state.used, budget or Budget()
        state = state._replace(used=used._replace(tokens=used.tokens + reply.usage.total_tokens, cost=used.cost + (reply.usage.cost or 0)))
        turned = self._acted(state, reply, parallel, limits, asking) if reply.tool_calls else self._spoke(state, reply, noted)
        limit = "" if turned.end else turned.after.used.up(limits)
        return turned._replace(end="budget", limit=limit) if limit else turned

    def _spoke(self, state: State, reply: Reply, noted: bool) -> Turned:
        if reply.text and reply.text == self.answer_of(state.agent) and not self.breaks(state, _FINAL(state.agent)):
            after = self.watching(state._replace(messages=state.messages + 1), _FINAL(state.agent))
            return Turned(state, after, reply, happened=(_FINAL(state.agent),), end="completed")
        return Turned(state, state, reply, end="error" if noted else "", unusable=True)

    def _acted(self, state: State, reply: Reply, parallel: bool, budget: Budget, asking: Asking) -> Turned:
        """Calls take effect in their order, up to and including the first handoff that is carried out.

        One that needs no facts may start with the calls before it, back to the nearest handoff or final tool: it sees the facts of then.
        """
        before, calls = state, reply.tool_calls
        state = state._replace(messages=state.messages + 1)
        answers: list[Answered] = []
        happened: list[Happening] = []
        starts, together = Starts(budget.tool_calls, state.used.tool_calls, asking), False
        border = state.facts
        ends = False
        for at, call in enumerate(calls):
            tool, edge = self.tools[state.agent].get(call.name), self.edges[state.agent].get(call.name)
            if ends or (answers and answers[-1].fate in ("handed", "dropped")):
                answers.append(Answered(call, "dropped", pieces=("not executed",)))
            elif edge is not None:
                answers.append(self._handed(state, call, edge, budget))
            elif tool is None:
                answers.append(_unknown(call, (*self.tools[state.agent], *self.edges[state.agent])))
            elif (unfit := self._unfit(state, call, tool)) is not None:
                answers.append(unfit)
            else:
                if not starts.knows(at):
                    others = self._behind(state, calls, at) if parallel and not together else ()
                    together = starts.begin(((at, call, tool), *others)) or together
                starts.turn_of(at)
                seen = border if parallel and not self._waits(tool) else state.facts
                spent = state.used._replace(beyond="").up(budget) != ""
                answers.append(self._called(call, tool, seen, starts.came_to[at], spent=spent))
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
            state = state._replace(messages=state.messages + 1, used=state.used.by(answers[-1]))
            if edge is not None or (tool is not None and tool.final):
                border, together = state.facts, False
        moved = next((answer.target for answer in answers if answer.fate == "handed"), None)
        state = state._replace(agent=moved or state.agent)
        return Turned(before, state, reply, tuple(answers), tuple(happened), "final" if ends else "", asked=tuple(starts.asked))

    def _behind(self, state: State, calls: Sequence[ToolCall], at: int) -> Iterator[tuple[int, ToolCall, Tool]]:
        """The calls that are begun with the one at `at`: those behind it that need not wait, up to the next handoff or final tool."""
        for other, call in enumerate(calls[at:], at):
            tool = self.tools[state.agent].get(call.name)
            if call.name in self.edges[state.agent] or (tool is not None and tool.final):
                return
            if other > at and tool is not None and not self._waits(tool) and self._unfit(state, call, tool) is None:
                yield other, call, tool

    def _unset(self, tool: Tool) -> bool:
        """Whether the output of `tool` says that it has not done what its facts stand for."""
        value = self.values.get(tool.name, "")
        return bool(tool.sets) and (value is None or value is False)

    def _waits(self, tool: Tool) -> bool:
        """Whether a call of `tool` starts only when those before it in the reply are answered: it ends the turn, or its guard or a monitor looks
        at them.
        """
        return bool(tool.requires) or tool.final or any(_sees(monitor, tool) for monitor in self.enforced)

    def _calling(self, agent: str, tool: Tool) -> list[Happening]:
        called = [Happening("call", tool.name, agent)]
        if tool.agent is not None:
            inner, groups = _root(tool.agent)
            called.append(Happening("enter", inner.name, groups=groups))
        return called

    def _unfit(self, state: State, call: ToolCall, tool: Tool) -> Answered | None:
        """Why `call` of `tool` cannot be made as things are, whatever a person or a budget says."""
        if call.malformed:
            return Answered(call, "misfit", pieces=("error:", "JSON"))
        if not tool.requires <= state.facts:
            return Answered(call, "unmet", pieces=("error:", *(repr(fact) for fact in sorted(tool.requires - state.facts))))
        try:
            tool.arguments.check(thaw(call.arguments))
        except Mismatch:
            return Answered(call, "misfit", pieces=("error:", "do not fit"))
        success = [Happening("success", tool.name, state.agent)] if tool.agent is None else []
        end = [_FINAL(state.agent)] if tool.final else []
        if self.breaks(state, *self._calling(state.agent, tool), *success, *end):
            return Answered(call, "unmet", pieces=("error:", "would break"))
        return None

    def _called(self, call: ToolCall, tool: Tool, seen: frozenset[str], start: Start, *, spent: bool) -> Answered:
        if start == "denied":
            reason = approved(call)
            return Answered(call, "denied", pieces=("error:", "not approved", *([reason] if isinstance(reason, str) else ())))
        if start == "used up":
            return Answered(call, "used up", pieces=("error:", "not executed", "tool calls", "used up"), limit="tool_calls")
        if spent and tool.agent is not None:  # nothing is left for its model
            return Answered(call, "failed", pieces=("error:", "gave no answer"))
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

    def _handed(self, state: State, call: ToolCall, edge: Edge, budget: Budget) -> Answered:
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
        entered = state.used.entered
        if budget.handoffs is not None and len(entered) >= budget.handoffs:
            return Answered(call, "used up", pieces=("error:", "handoffs", "used up"), limit="handoffs")
        if budget.visits is not None and entered.count(edge.target) >= budget.visits:
            return Answered(call, "used up", pieces=("error:", "visits", "used up"), limit="visits")
        return Answered(call, "handed", target=edge.target)


def _sees(monitor: Monitor, tool: Tool) -> bool:
    """Whether anything that a call of `tool` does can matter to `monitor`: of an agent, anything that can happen inside."""
    if monitor.sees(tool.name):
        return True
    inside = list(_members(tool.agent, ())) if tool.agent is not None else []
    heeds = getattr(monitor, "heeds", lambda _: True)
    return any(heeds(Happening("enter", agent.name, groups=groups)) for agent, groups in inside) or any(
        _sees(monitor, further) for agent, _ in inside for further in agent.tools
    )


def _members(who: Agent | AgentGroup, groups: tuple[str, ...]) -> Iterator[tuple[Agent, tuple[str, ...]]]:
    """The agents of a group, each with the groups around it."""
    if not isinstance(who, AgentGroup):
        yield who, groups
        return
    for member in dict.fromkeys((who.root, *who.members)):
        yield from _members(member, (*groups, who.name))


def _unknown(call: ToolCall, offered: Iterable[str]) -> Answered:
    return (
        Answered(call, "misfit", pieces=("error:", "JSON"))
        if call.malformed
        else Answered(call, "unknown", pieces=("error:", "there is no tool", *offered))
    )


def _root(who: Agent | AgentGroup) -> tuple[Agent, tuple[str, ...]]:
    """The agent that is entered, and the groups around it, outermost first."""
    groups: list[str] = []
    while isinstance(who, AgentGroup):
        groups.append(who.name)
        who = who.root
    return who, tuple(groups)


def _FINAL(agent: str) -> Happening:  # noqa: N802 - a constant but for the name in it
    return Happening("final", agent=agent)
