"""How much room a text takes, guessed without any font: a little more than Helvetica and DejaVu Sans need, so that boxes hold their labels."""

from __future__ import annotations

import unicodedata

from agentgraph.views.display import display

LINE = 1.25
"""The height of a line, in sizes of the font."""

_WIDTHS = {
    **dict.fromkeys("ijl.,:;|!'`", 0.32),
    **dict.fromkeys(' ftrI()[]{}/\\"-', 0.42),
    **dict.fromkeys("mMwW@%&", 0.98),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ+=<>~#\u2192\u2026", 0.78),
}
_PLAIN, _OTHER, _WIDE = 0.63, 0.75, 1.15


def line_width(line: str, font: float = 14) -> float:
    """The width of one line."""
    return font * sum(_WIDTHS.get(ch) or _width(ch) for ch in line)


def _width(ch: str) -> float:
    if ch.isascii():
        return _PLAIN
    if unicodedata.category(ch) in ("Mn", "Me"):
        return 0.0
    return _WIDE if unicodedata.east_asian_width(ch) in "WF" or ch > "\uffff" else _OTHER


def text_size(text: str, font: float = 14) -> tuple[float, float]:
    """The width and the height of `display(text)`, line by line; no room at all for no text."""
    shown = display(text)
    lines = shown.split("\n") if shown else []
    return max((line_width(line, font) for line in lines), default=0.0), len(lines) * font * LINE
