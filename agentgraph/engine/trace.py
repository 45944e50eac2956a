"""Trace: a run as a value, its (event, context) pairs; and replaying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, overload

from msgspec import structs

from agentgraph.conversation.context import Context
from agentgraph.engine.calls import answer_inside
from agentgraph.engine.effects import Effect, Finish
from agentgraph.engine.events import ToolReturned, UserSaid
from agentgraph.engine.inside import Address, conversation_at
from agentgraph.engine.turn import Step, step

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.conversation.happening import Happening
    from agentgraph.conversation.message import ToolCall
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Machine

Pair = tuple["Event", "Context"]


class Ended(NamedTuple):
    """A conversation inside a call, when it is over: where it was, its last context, and what it ended with."""

    within: Address
    context: Context
    finish: Finish


Taken = tuple["Event", "Context", "tuple[Happening, ...]", "Finish | None", tuple[Ended, ...]]
"""A step that was taken: its event, the context after it, what happened, what the run ended with, and which conversations inside ended.
Flat, since every run keeps its own."""


def ended_in(step: Step) -> tuple[Ended, ...]:
    """The conversations inside that are over with `step`, what is furthest inside first."""
    return tuple(_ended(step, ())) if step.inside else ()


def _ended(step: Step, within: Address) -> Iterator[Ended]:
    for inside in step.inside:
        there = (*within, inside.call_id)
        yield from _ended(inside.step, there)
        finish = finish_of(inside.step.effects)
        if finish is not None:
            yield Ended(there, inside.step.context, finish)


class Trace(Sequence["tuple[Event, Context]"]):
    """What happened in a run, in order, and the snapshot after each; `start` is the snapshot before the first.

    It is one sequence, whatever goes on inside calls: an event's `within` says where it happened.
    """

    __slots__ = ("_apart", "_taken", "start")

    def __init__(
        self,
        start: Context,
        pairs: Iterable[Pair] = (),
        children: dict[str, Trace] | None = None,
        taken: tuple[Taken, ...] | None = None,
    ) -> None:
        """`taken` are steps with their events, in place of `pairs` of events and contexts, which do not say what happened. `children` are
        traces of agents used as tools that were kept apart, by call id, as version 1 did.
        """
        self.start = start
        self._apart = children or {}
        self._taken = _steps_of(pairs) if taken is None else taken

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Each step with its event."""
        return self._taken

    @property
    def apart(self) -> dict[str, Trace]:
        """The traces of agents used as tools that are kept apart, by call id: those of version 1."""
        return self._apart

    @property
    def children(self) -> dict[str, Trace]:
        """What went on inside each call of an agent used as a tool, by call id: a trace of that conversation. O(events)."""
        starts = dict(_insides(self.start))
        taken: dict[str, list[Taken]] = {call_id: [] for call_id in starts}
        for event, context, happened, _, ended in self._taken:
            for at in dict.fromkeys((event.within[:1], *(one.within[:1] for one in ended))):
                if at and at[0] in starts:
                    taken[at[0]].extend(_inside(event, context, happened, ended, at))
            for call_id, inside in _insides(context):
                if call_id not in starts:
                    starts[call_id], said = _beginning(inside)
                    taken[call_id] = [(said, inside, (), None, ())]
        return {**{call_id: Trace(start, taken=tuple(taken[call_id])) for call_id, start in starts.items()}, **self._apart}

    @property
    def outermost(self) -> Trace:
        """The steps of the outermost conversation alone: what goes on inside a call is in `children`, and its end is the call's return."""
        taken: list[Taken] = []
        for event, context, happened, finish, ended in self._taken:
            own = tuple(one for one in happened if not one.within)
            if not event.within:
                taken.append((event, context, own, finish, ()))
            for call_id, over in ((one.within[0], one) for one in ended if len(one.within) == 1):
                calls = context.progress.calls if context.progress is not None else ()
                if all(pending.stage != "extracting" for pending in calls if pending.call.id == call_id):
                    name = next((call.name for call in _asked(context) if call.id == call_id), "")
                    value, error = answer_inside(name, over.finish)
                    taken.append((ToolReturned(call_id, value, error), context, own, finish, ()))
        return Trace(self.start, (), self.children, tuple(taken))

    def inside(self, within: Address) -> Trace:
        """What went on inside these calls; an empty trace where nothing is known of that."""
        found = self
        for call_id in within:
            found = found.children.get(call_id, Trace(Context()))
        return found

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone: with `start` and the machine they give all the rest again."""
        return tuple(event for event, *_ in self._taken)

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Every snapshot, from before the first event to after the last."""
        return (self.start, *(context for _, context, *_ in self._taken))

    @property
    def happened(self) -> tuple[tuple[Happening, ...], ...]:
        """What happened at each event. Nothing in recordings of version 1, which did not keep it."""
        return tuple(happened for _, _, happened, *_ in self._taken)

    @property
    def finishes(self) -> tuple[Finish | None, ...]:
        """What a run ended with, at each event that ended one."""
        return tuple(finish for _, _, _, finish, _ in self._taken)

    def save(self, path: str | Path, *, graph: str = "", target: str = "") -> None:
        """Write this trace to a file, a line an event; the former content is replaced whole or not at all.

        `graph` and `target` are noted in its header: the name of the graph, and how the command line is told of it.

        Raises:
            ContextError: when it cannot be written.
        """
        from agentgraph.engine.trace_file import save
        from agentgraph.engine.trace_json import Header

        save(self, path, Header(graph, self.contexts[-1].fingerprint, target))

    @classmethod
    def load(cls, path: str | Path, *, partial: bool = False) -> Trace:
        """The trace that `save` wrote: an equal one. `partial`: of a file that was cut off, what can be read.

        Raises:
            ContextError: naming the line and what is wrong with it. Nothing in a file is ever executed.
        """
        from agentgraph.engine.trace_file import load

        return load(path, partial=partial).trace

    def __len__(self) -> int:
        return len(self._taken)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Pair, ...]: ...
    def __getitem__(self, index: int | slice) -> Pair | tuple[Pair, ...]:
        if isinstance(index, slice):
            return tuple((event, context) for event, context, *_ in self._taken[index])
        event, context, *_ = self._taken[index]
        return event, context

    def __iter__(self) -> Iterator[Pair]:
        return ((event, context) for event, context, *_ in self._taken)

    def __add__(self, later: Trace) -> Trace:
        """This run and one that followed it, as one trace: a conversation of several turns."""
        return Trace(self.start, (), {**self._apart, **later._apart}, (*self._taken, *later._taken))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._compared() == other._compared()

    def _compared(self) -> tuple[object, ...]:
        return self.start, list(self), self._apart  # what happened follows from these

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Trace({len(self)} events: {' '.join(type(event).__name__ for event in self.events)})"


def _insides(context: Context) -> Iterator[tuple[str, Context]]:
    """What goes on inside its calls, by call id."""
    for pending in context.progress.calls if context.progress is not None else ():
        if pending.inside is not None:
            yield pending.call.id, pending.inside


def _beginning(inside: Context) -> tuple[Context, UserSaid]:
    """The context before a conversation inside a call, which is at its beginning; and what was said then."""
    progress = inside.progress
    assert progress is not None
    return Context(data=inside.data, facts=inside.facts), UserSaid(inside.messages[0].content or "", progress.settings)


def _asked(context: Context) -> tuple[ToolCall, ...]:
    """The calls that were asked for last."""
    return next((message.tool_calls for message in reversed(context.messages) if message.tool_calls), ())


def _steps_of(pairs: Iterable[Pair]) -> tuple[Taken, ...]:
    return pairs.taken if isinstance(pairs, Trace) else tuple((event, context, (), None, ()) for event, context in pairs)


def _inside(event: Event, context: Context, happened: tuple[Happening, ...], ended: tuple[Ended, ...], at: Address) -> Iterator[Taken]:
    """A step, as the conversation inside the call `at` saw it."""
    over = next((one for one in ended if one.within == at), None)
    after = over.context if over is not None else conversation_at(context, at)
    if after is None or event.within[:1] != at:  # it ended with what happened elsewhere in the run
        return
    own = tuple(structs.replace(one, within=one.within[1:]) for one in happened if one.within[:1] == at)
    further = tuple(one._replace(within=one.within[1:]) for one in ended if one.within[:1] == at and one.within != at)
    yield event.at(event.within[1:]), after, own, over.finish if over is not None else None, further


def finish_of(effects: tuple[Effect, ...]) -> Finish | None:
    """What a run ended with, if it did: the last of the `effects` of a step."""
    last = effects[-1] if effects else None
    return last if isinstance(last, Finish) else None


def replay(machine: Machine, start: Context, events: Iterable[Event]) -> Trace:
    """Step through `events` again. No model and no tool is needed."""
    taken: list[Taken] = []
    now = start
    for event in events:
        now, effects, happened, _ = done = step(machine, now, event)
        taken.append((event, now, happened, finish_of(effects), ended_in(done)))
    return Trace(start, taken=tuple(taken))
