"""What is told of a box, an arrow or a message beside its label, in words: for tooltips, for lists, and for who cannot see colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agentgraph.views.display import display, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.views.picture import Arrow, Box, Mark

MARKS: Mapping[Mark, str] = {"entry": "starts here"}
"""How a mark is said, where its own name says too little."""


def told_of(box: Box) -> str:
    """What a label leaves out of a box: its whole name, where that was shortened, and what it is about."""
    name = display(box.name)
    return "\n".join(filter(None, ("" if name in display(box.label) else name, display(box.about))))


def marked(marks: Iterable[Mark]) -> tuple[str, ...]:
    """`marks` in words."""
    return tuple(MARKS.get(mark, mark) for mark in marks)


def untold(marks: Iterable[Mark], label: str) -> tuple[str, ...]:
    """`marks` in words, without those that a line of `label` begins with, as "changed: tools" does."""
    said = {line.split(":")[0] for line in display(label).split("\n")}
    return tuple(word for word in marked(marks) if word not in said)


def listed_lines(label: str) -> str:
    """The lines of a label in one, a comma between them."""
    return ", ".join(one_line(line) for line in display(label).split("\n"))


def asides(arrow: Arrow) -> str:
    """What an arrow says, and what is marked of it, in brackets; nothing where that is nothing."""
    said = [listed_lines(arrow.label)] if arrow.label else []
    said += untold(arrow.marks, arrow.label)
    if arrow.weight:
        said.append("once" if arrow.weight == 1 else f"{arrow.weight:,} times")
    return f" ({'; '.join(said)})" if said else ""
