"""Colours by kind and by mark, for boxes on light pages and on dark ones: each has its own text colour, so none depends on the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from agentgraph.conversation.frozen import FrozenDict
from agentgraph.errors import DefinitionError


class Paint(Struct, frozen=True):
    """How a box is painted: colours as #rrggbb, whether its border is dashed or heavy. None is left to what it was."""

    fill: str | None = None
    stroke: str | None = None
    ink: str | None = None
    dashed: bool = False
    heavy: bool = False


class Theme(Struct, frozen=True):
    """A paint for kinds of boxes and for marks; a kind without one is drawn as the renderer likes."""

    kinds: Mapping[str, Paint]
    marks: Mapping[str, Paint]

    def worn(self, kind: str, marks: Iterable[str]) -> tuple[str, ...]:
        """The names of the paints that something of `kind` with these `marks` wears, the strongest last."""
        return (*((kind,) if kind in self.kinds else ()), *(mark for mark in marks if mark in self.marks))

    def paint(self, name: str) -> Paint:
        """The paint of a kind or a mark."""
        return self.marks[name] if name in self.marks else self.kinds[name]

    def mixed(self, kind: str, marks: Iterable[str]) -> Paint:
        """All that something wears, in one."""
        mixed = Paint()
        for paint in map(self.paint, self.worn(kind, marks)):
            mixed = Paint(
                paint.fill or mixed.fill,
                paint.stroke or mixed.stroke,
                paint.ink or mixed.ink,
                paint.dashed or mixed.dashed,
                paint.heavy or mixed.heavy,
            )
        return mixed


_KINDS = {
    "agent": Paint("#fff3e0", "#ef6c00", "#201400"),
    "group": Paint("#ede7f6", "#5e35b1", "#1a1033"),
    "human": Paint("#e0f2f1", "#00796b", "#00251a"),
    "runner": Paint("#e1f5fe", "#0277bd", "#01223a"),
    "engine": Paint("#fff9c4", "#f9a825", "#2b2300"),
    "context": Paint("#f3e5f5", "#8e24aa", "#2a0a33"),
    "callbacks": Paint("#e8f5e9", "#2e7d32", "#0a2a0d"),
}
_MARKS = {
    "entry": Paint(heavy=True),
    "added": Paint("#c8e6c9", "#2e7d32", "#0a2a0d"),
    "removed": Paint("#ffcdd2", "#c62828", "#3b0a0a", dashed=True),
    "changed": Paint("#fff59d", "#f57f17", "#2b2300"),
    "visited": Paint("#bbdefb", "#1565c0", "#041c3a"),
    "active": Paint("#1565c0", "#0d3c78", "#ffffff"),
    "refused": Paint("#ffe0b2", "#e65100", "#2b1400", dashed=True),
    "failed": Paint("#ffcdd2", "#c62828", "#3b0a0a"),
}

THEMES: Mapping[str, Theme] = MappingProxyType(
    {
        "agentgraph": Theme(FrozenDict(_KINDS), FrozenDict(_MARKS)),
        "plain": Theme(FrozenDict(), FrozenDict({"entry": Paint(heavy=True), "active": Paint("#000000", "#000000", "#ffffff")})),
    }
)


def theme_called(given: str | Theme | None) -> Theme:
    """The theme of that name.

    Raises:
        DefinitionError: for a name that there is not.
    """
    if isinstance(given, Theme):
        return given
    name: Any = "agentgraph" if given is None else given
    found = THEMES.get(name) if isinstance(name, str) else None
    if found is None:
        raise DefinitionError(f"there is no theme {given!r:.60}; there are {', '.join(map(repr, THEMES))}, or give a Theme")
    return found
