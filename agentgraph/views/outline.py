"""Picture or Sequence -> what it says, in words and in order: for terminals, for lists in pages, and for who has it read aloud.

Every line makes sense by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgraph.views.display import display, one_line
from agentgraph.views.picture import Message, Note, Sequence
from agentgraph.views.told import asides, listed_lines, marked, untold

if TYPE_CHECKING:
    from agentgraph.views.picture import Arrow, Box, Happening, Picture

_TO, _BOTH = "\u2192", "\u2194"
_NAMELESS = "unnamed"


class Item(Struct, frozen=True):
    """A line, and what belongs to it. `number` is set for what happens one after the other."""

    text: str
    inside: tuple[Item, ...] = ()
    number: int | None = None


def outline(drawn: Picture | Sequence) -> tuple[Item, ...]:
    """What `drawn` says. O(boxes + arrows), or O(happenings)."""
    return _happenings(drawn) if isinstance(drawn, Sequence) else _picture(drawn)


def _picture(picture: Picture) -> tuple[Item, ...]:
    named = {box.id: _named(box) for box in picture.boxes}
    leaving: dict[str, list[Arrow]] = {box.id: [] for box in picture.boxes}
    for arrow in picture.arrows:
        leaving[arrow.source].append(arrow)

    def inside(frame: str | None) -> Iterator[Item]:
        for box in picture.boxes:
            if box.frame == frame:
                arrows = (Item(f"{_BOTH if one.both else _TO} {named[one.target]}{asides(one)}") for one in leaving[box.id])
                notes = [listed_lines(box.label).removeprefix(named[box.id]).removeprefix(", "), *untold(box.marks, box.label)]
                told = "; ".join(filter(None, notes))
                yield Item(named[box.id] + (f" ({told})" if told else ""), tuple(arrows))
        for one in picture.frames:
            if one.parent == frame:
                told = "".join(f"; {mark}" for mark in marked(one.marks))
                yield Item(f"{one_line(one.name) or _NAMELESS} (a group{told})", tuple(inside(one.id)))

    return tuple(inside(None))


def _named(box: Box) -> str:
    """What a box is called in a line: the first line of its label."""
    first = box.label.split("\n")[0]
    return one_line(first) or one_line(box.name) or (_NAMELESS if box.kind not in ("start", "end") else box.kind)


def _happenings(sequence: Sequence) -> tuple[Item, ...]:
    named = {participant.id: listed_lines(participant.label) or _NAMELESS for participant in sequence.participants}
    counted = iter(range(1, 10**9))

    def told(happening: Happening) -> Item:
        if isinstance(happening, Message):
            notes = [*(["reply"] if happening.reply else []), *marked(happening.marks)]
            ends = f"{named[happening.source]} \u2192 {named[happening.target]}" + (f" ({'; '.join(notes)})" if notes else "")
            return Item(_said(ends, happening.text), number=next(counted))
        if isinstance(happening, Note):
            return Item(_said(f"Note on {', '.join(named[one] for one in happening.over)}", happening.text), number=next(counted))
        first = next(counted)
        name = _said("At the same time" if happening.kind == "par" else "Together", happening.title)
        if len(happening.sections) == 1:
            return Item(name, tuple(map(told, happening.sections[0])), first)
        sections = (Item(f"Part {at}", tuple(map(told, section))) for at, section in enumerate(happening.sections, start=1))
        return Item(name, tuple(sections), first)

    return tuple(map(told, sequence.happenings))


def _said(before: str, text: str) -> str:
    return f"{before}: {one_line(text)}" if display(text) else before
