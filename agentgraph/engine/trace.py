"""Trace: a run as a value, its (event, context) pairs; and replaying it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

from agentgraph.engine.turn import step

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.conversation.context import Context
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Machine

Pair = tuple["Event", "Context"]


class Trace(Sequence["tuple[Event, Context]"]):
    """What happened in a run, in order, and the snapshot after each; `start` is the snapshot before the first.

    `children` are the traces of agents that were used as tools, by call id.
    """

    __slots__ = ("_pairs", "children", "start")

    def __init__(self, start: Context, pairs: Iterable[Pair] = (), children: dict[str, Trace] | None = None) -> None:
        self.start = start
        self._pairs = tuple(pairs)
        self.children = children or {}

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone: with `start` and the machine they give all the rest again."""
        return tuple(event for event, _ in self._pairs)

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Every snapshot, from before the first event to after the last."""
        return (self.start, *(context for _, context in self._pairs))

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
        return len(self._pairs)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Pair, ...]: ...
    def __getitem__(self, index: int | slice) -> Pair | tuple[Pair, ...]:
        return self._pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)

    def __add__(self, later: Trace) -> Trace:
        """This run and one that followed it, as one trace: a conversation of several turns."""
        return Trace(self.start, (*self._pairs, *later), {**self.children, **later.children})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and (self.start, self._pairs, self.children) == (other.start, other._pairs, other.children)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Trace({len(self)} events: {' '.join(type(event).__name__ for event in self.events)})"


def replay(machine: Machine, start: Context, events: Iterable[Event]) -> Trace:
    """Step through `events` again. No model and no tool is needed."""
    pairs: list[Pair] = []
    now = start
    for event in events:
        now, _ = step(machine, now, event)
        pairs.append((event, now))
    return Trace(start, pairs)
