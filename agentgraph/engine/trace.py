"""Trace: a run as a value, its (event, context) pairs; and replaying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from agentgraph.engine.effects import Effect, Finish
from agentgraph.engine.turn import step

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.happening import Happening
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Machine

Pair = tuple["Event", "Context"]
Taken = tuple["Event", "Context", "tuple[Happening, ...]", "Finish | None"]
"""A step that was taken: its event, the context after it, what happened, and what a run ended with. Flat, since every run keeps its own."""


class Trace(Sequence["tuple[Event, Context]"]):
    """What happened in a run, in order, and the snapshot after each; `start` is the snapshot before the first.

    `children` are the traces of agents that were used as tools, by call id.
    """

    __slots__ = ("_taken", "children", "start")

    def __init__(
        self,
        start: Context,
        pairs: Iterable[Pair] = (),
        children: dict[str, Trace] | None = None,
        taken: tuple[Taken, ...] | None = None,
    ) -> None:
        """`taken` are steps with their events, in place of `pairs` of events and contexts, which do not say what happened."""
        self.start = start
        self.children = children or {}
        self._taken = _steps_of(pairs) if taken is None else taken

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Each step with its event."""
        return self._taken

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
        return tuple(happened for _, _, happened, _ in self._taken)

    @property
    def finishes(self) -> tuple[Finish | None, ...]:
        """What a run ended with, at each event that ended one."""
        return tuple(finish for *_, finish in self._taken)

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
        return Trace(self.start, (), {**self.children, **later.children}, (*self._taken, *later._taken))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self._compared() == other._compared()

    def _compared(self) -> tuple[object, ...]:
        return self.start, list(self), self.children  # what happened follows from these

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Trace({len(self)} events: {' '.join(type(event).__name__ for event in self.events)})"


def _steps_of(pairs: Iterable[Pair]) -> tuple[Taken, ...]:
    return pairs.taken if isinstance(pairs, Trace) else tuple((event, context, (), None) for event, context in pairs)


def finish_of(effects: tuple[Effect, ...]) -> Finish | None:
    """What a run ended with, if it did: the last of the `effects` of a step."""
    last = effects[-1] if effects else None
    return last if isinstance(last, Finish) else None


def replay(machine: Machine, start: Context, events: Iterable[Event]) -> Trace:
    """Step through `events` again. No model and no tool is needed."""
    taken: list[Taken] = []
    now = start
    for event in events:
        now, effects, happened = step(machine, now, event)
        taken.append((event, now, happened, finish_of(effects)))
    return Trace(start, taken=tuple(taken))
