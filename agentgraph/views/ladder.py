"""Sequence -> rows from top to bottom: what drawings of sequences have in common, whatever they draw with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from agentgraph.views.display import display
from agentgraph.views.picture import Message, Note

if TYPE_CHECKING:
    from agentgraph.views.picture import Happening, Sequence

WIDE = 44
"""Characters of a line of a message; texts are broken there."""


class Row(Struct, frozen=True):
    """A message; or a remark over some participants, that may begin, part or end a span. `depth` is how many spans it lies in."""

    over: tuple[str, ...]
    text: str
    depth: int = 0
    message: Message | None = None
    bound: Literal["", "begin", "part", "end"] = ""


def rows(sequence: Sequence) -> Iterator[Row]:
    """The rows of `sequence`. Spans that nothing happens in, and notes on nobody, have none."""
    order = {participant.id: at for at, participant in enumerate(sequence.participants)}
    for happening in sequence.happenings:
        yield from _rows(happening, order, 0)


def _rows(happening: Happening, order: dict[str, int], depth: int) -> Iterator[Row]:
    if isinstance(happening, Message):
        yield Row((happening.source, happening.target), happening.text, depth, happening)
    elif isinstance(happening, Note):
        if happening.over:
            yield Row(tuple(sorted(happening.over, key=order.__getitem__)), happening.text, depth)
    else:
        sections = [[row for one in section for row in _rows(one, order, depth + 1)] for section in happening.sections]
        inside = dict.fromkeys(one for section in sections for row in section for one in row.over)
        over = tuple(sorted(inside, key=order.__getitem__))
        if not over:
            return
        name = "at the same time" if happening.kind == "par" else ""
        yield Row(over, ": ".join(filter(None, (name, happening.title))), depth, bound="begin")
        for at, section in enumerate(sections):
            if at:
                yield Row(over, "and", depth, bound="part")
            yield from section
        yield Row(over, f"end of {happening.title}" if happening.title else "end", depth, bound="end")


def wrapped(text: str, most: int = WIDE) -> list[str]:
    """`display(text)` in lines of at most so many characters, broken at blanks where there are some. O(length)."""
    lines: list[str] = []
    for line in display(text).split("\n"):
        now = ""
        for word in line.split(" "):
            if now and len(now) + 1 + len(word) > most:
                lines.append(now)
                now = ""
            now = f"{now} {word}" if now else word
            while len(now) > most:
                lines.append(now[:most])
                now = now[most:]
        lines.append(now)
    return lines
