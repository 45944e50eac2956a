"""Edges -> a finite-state machine of `transitions`: states are agents, triggers are handoff tools.

This is the only file that speaks `transitions`, and it switches off three of its habits. No model is registered, so
nothing is grafted onto anyone's object. There are no automatic `to_<state>` triggers, so the machine has exactly the
transitions the graph has. Names are prefixed, so that an agent called "*" or a tool called "state" means itself.

A run moves an unregistered cursor through the shared machine: one machine serves any number of threads.
"""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from transitions import Event, EventData, Machine, Transition

from agentgraph.conversation.shown import failure
from agentgraph.errors import IllegalHandoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agentgraph.conversation.context import Context
    from agentgraph.graph.edge import Edge


class Permitted(Struct, frozen=True):
    """The handoff may take place."""

    target: str
    permitted: Literal[True] = True


class Refused(Struct, frozen=True):
    """Its guard says no, and why."""

    reason: str
    permitted: Literal[False] = False


Verdict = Permitted | Refused


class _Cursor:
    """Where one conversation stands, for the length of one trigger."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class _Guard:
    """One condition of a transition, which can say why it does not hold."""

    __slots__ = ("holds", "reason")

    def __init__(self, holds: Callable[[Context], bool], reason: Callable[[Context], str]) -> None:
        self.holds, self.reason = holds, reason

    def __call__(self, event: EventData) -> bool:
        context: Context = event.kwargs["context"]
        if self.holds(context):
            return True
        event.kwargs["refusals"].append(self.reason(context))
        return False


_NONE: list[Any] = []


class _Move(Transition):
    """A transition without callbacks. The empty lists of them that `transitions` keeps for each are most of a large machine."""

    def __init__(self, source: str, dest: str, guards: list[_Guard]) -> None:
        self.source, self.dest = source, dest
        self.prepare = self.before = self.after = _NONE
        self.conditions = list(map(self.condition_cls, guards)) if guards else _NONE


def _state(agent: str) -> str:
    return f"agent {agent}"


def _trigger(tool: str) -> str:
    return f"call {tool}"


class HandoffMachine:
    """The compiled handoffs. Immutable once built; `verdict` is what runs ask, `fire` is `transitions` itself."""

    __slots__ = ("_machine",)

    def __init__(self, agents: Iterable[str], edges: Iterable[Edge], entry: str) -> None:
        states = {agent: _state(agent) for agent in agents}
        machine = Machine(model=None, states=[*states.values()], initial=_state(entry), auto_transitions=False, send_event=True)
        for edge in edges:
            trigger = _trigger(edge.tool)
            event = machine.events.get(trigger)
            if event is None:
                event = machine.events[trigger] = Event(trigger, machine)
            event.add_transition(_Move(states[edge.source], states[edge.target], _guards(edge)))
        self._machine = machine

    def fire(self, agent: str, tool: str, context: Context) -> Verdict:
        """Let `transitions` decide: 7 us and more.

        Raises:
            IllegalHandoff: when no such transition leaves `agent`.
        """
        event = self._machine.events.get(_trigger(tool))
        if event is None or _state(agent) not in event.transitions:
            raise IllegalHandoff(agent, tool, self.tools(agent))
        cursor, refusals = _Cursor(_state(agent)), list[str]()
        try:
            moved = event.trigger(cursor, context=context, refusals=refusals)
        except Exception as raised:  # noqa: BLE001 - a guard is the user's code; one that fails permits nothing
            return Refused(f"its condition failed: {failure(raised)}")
        return Permitted(cursor.state.removeprefix("agent ")) if moved else Refused("; ".join(refusals) or "its condition does not hold")

    def verdict(self, agent: str, tool: str, context: Context) -> Verdict:
        """What `fire` says, read off the transition itself where it has no guard: a twentieth of the time.

        Raises:
            IllegalHandoff: when no such transition leaves `agent`.
        """
        event = self._machine.events.get(_trigger(tool))
        found = event.transitions.get(_state(agent)) if event is not None else None
        if found and not found[0].conditions:
            return Permitted(_dest(found[0]))
        return self.fire(agent, tool, context)

    def tools(self, agent: str) -> tuple[str, ...]:
        """The handoffs that leave `agent`."""
        return tuple(tool for source, tool, _ in self.transitions() if source == agent)

    def transitions(self) -> Iterator[tuple[str, str, str]]:
        """Every transition there is: (agent, tool, target)."""
        for trigger, event in self._machine.events.items():
            for state, moves in event.transitions.items():
                for move in moves:
                    yield state.removeprefix("agent "), trigger.removeprefix("call "), _dest(move)


def _dest(move: Transition) -> str:
    dest: Any = move.dest
    return str(dest).removeprefix("agent ")


def _guards(edge: Edge) -> list[_Guard]:
    handoff = edge.handoff
    guards: list[_Guard] = []
    if handoff.requires:
        guards.append(_Guard(lambda context: handoff.requires <= context.facts, lambda context: missing(handoff.requires, context.facts)))
    if handoff.when is not None:
        guards.append(_Guard(partial(_holds, handoff.when), lambda _: "its condition does not hold"))
    return guards


def _holds(when: Callable[[Context], object], context: Context) -> bool:
    """Whether the user's predicate holds. An awaitable is true as an object, but it is not yet an answer."""
    answer = when(context)
    if isinstance(answer, Awaitable):
        raise TypeError(f"it gave the awaitable {type(answer).__name__}, not an answer")
    return bool(answer)


def missing(required: frozenset[str], facts: frozenset[str]) -> str:
    """The facts that are not there yet, in words.

    >>> missing(frozenset({"verified", "of age"}), frozenset({"verified"}))
    "it needs 'of age' first"
    """
    return f"it needs {' and '.join(map(repr, sorted(required - facts)))} first"
