"""Trace: a run as a value, its (event, context) pairs; and replaying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from agentgraph.engine.effects import Finish
from agentgraph.engine.turn import Step, step

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.happening import Happening
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Machine

Pair = tuple["Event", "Context"]
Taken = tuple["Event", Step]


class Trace(Sequence["tuple[Event, Context]"]):
    """What happened in a run, in order, and the snapshot after each; `start` is the snapshot before the first.

    `children` are the traces of agents that were used as tools, by call id.
    """

    __slots__ = ("_taken", "children", "start")

    def __init__(self, start: Context, pairs: Iterable[Pair] = (), children: dict[str, Trace] | None = None) -> None:
        self.start = start
        self._taken: tuple[Taken, ...] = pairs.taken if isinstance(pairs, Trace) else tuple((e, Step(context)) for e, context in pairs)
        self.children = children or {}

    @classmethod
    def of(cls, start: Context, taken: Iterable[Taken], children: dict[str, Trace] | None = None) -> Trace:
        """The trace of steps that were `taken`, each with its event."""
        trace = cls(start, (), children)
        trace._taken = tuple(taken)
        return trace

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Each event with its step."""
        return self._taken

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone: with `start` and the machine they give all the rest again."""
        return tuple(event for event, _ in self._taken)

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Every snapshot, from before the first event to after the last."""
        return (self.start, *(step.context for _, step in self._taken))

    @property
    def happened(self) -> tuple[tuple[Happening, ...], ...]:
        """What happened at each event. Nothing in recordings of version 1, which did not keep it."""
        return tuple(step.happened for _, step in self._taken)

    @property
    def finishes(self) -> tuple[Finish | None, ...]:
        """What a run ended with, at each event that ended one."""
        return tuple(finish_of(step) for _, step in self._taken)

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
            return tuple((event, step.context) for event, step in self._taken[index])
        event, step = self._taken[index]
        return event, step.context

    def __iter__(self) -> Iterator[Pair]:
        return ((event, step.context) for event, step in self._taken)

    def __add__(self, later: Trace) -> Trace:
        """This run and one that followed it, as one trace: a conversation of several turns."""
        return Trace.of(self.start, (*self._taken, *later._taken), {**self.children, **later.children})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._compared() == other._compared()

    def _compared(self) -> tuple[object, ...]:
        return self.start, [(event, step.context) for event, step in self._taken], self.children  # what happened follows from these

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Trace({len(self)} events: {' '.join(type(event).__name__ for event in self.events)})"


def finish_of(step: Step) -> Finish | None:
    """What the run ended with at `step`, if it did."""
    last = step.effects[-1] if step.effects else None
    return last if isinstance(last, Finish) else None


def replay(machine: Machine, start: Context, events: Iterable[Event]) -> Trace:
    """Step through `events` again. No model and no tool is needed."""
    taken: list[Taken] = []
    now = start
    for event in events:
        taken.append((event, step(machine, now, event)))
        now = taken[-1][1].context
    return Trace.of(start, taken)
