"""Picture or Sequence -> a tree of lines, for terminals and for screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence as Several
from typing import TYPE_CHECKING

from agentgraph.views.display import one_line
from agentgraph.views.outline import Item, outline

if TYPE_CHECKING:
    from agentgraph.views.picture import Picture, Sequence


def text_tree(drawn: Picture | Sequence) -> str:
    """`drawn` as lines of text, that end with one line break."""
    title = [one_line(drawn.title)] if drawn.title else []
    items = outline(drawn)
    return "\n".join([*title, *_lines(items, "", top=True)] or ["nothing to be seen"]) + "\n"


def _lines(items: Several[Item], before: str, *, top: bool = False) -> Iterator[str]:
    for at, item in enumerate(items):
        last = at == len(items) - 1
        branch, below = ("", "") if top else ("\u2514\u2500 ", "   ") if last else ("\u251c\u2500 ", "\u2502  ")
        number = f"{item.number}. " if item.number is not None else ""
        yield f"{before}{branch}{number}{item.text}"
        yield from _lines(item.inside, before + below)
