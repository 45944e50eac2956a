"""Growth as pictures: one line a contestant, both axes logarithmic. Equal figures, equal text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 760, 420, 70, 240, 40, 40
_COLOURS = ("#111111", "#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf")

Line = Sequence[tuple[float, float]]
"""Points, by growing x."""


def chart(title: str, across: str, lines: Mapping[str, Line]) -> str:
    """An SVG of seconds over sizes. A line without points is left out."""
    drawn = {name: line for name, line in lines.items() if line}
    points = [point for line in drawn.values() for point in line]
    (left, right), (low, high) = (_decades(values) for values in zip(*points, strict=True))

    def x(size: float) -> float:
        return _LEFT + (log10(size) - left) / (right - left) * (_WIDTH - _LEFT - _RIGHT)

    def y(seconds: float) -> float:
        return _HEIGHT - _BOTTOM - (log10(seconds) - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_text(_LEFT, 22, title, weight="bold"), _text(_LEFT, _HEIGHT - 6, across)]
    for decade in range(low, high + 1):
        at = y(10.0**decade)
        parts += [f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>', _text(8, at + 4, _seconds(decade))]
    parts += [_text(x(10.0**decade) - 8, _HEIGHT - _BOTTOM + 16, f"{10**decade:,}") for decade in range(left, right + 1)]
    below = 0.0
    for colour, (name, line) in sorted(zip(_COLOURS, drawn.items(), strict=False), key=lambda each: y(each[1][1][-1][1])):
        path = "L".join(f"{x(size):.1f} {y(seconds):.1f}" for size, seconds in line)
        below = max(below + 15, y(line[-1][1]) + 4)  # names do not lie on each other
        parts += [f'<circle cx="{x(size):.1f}" cy="{y(seconds):.1f}" r="3" fill="{colour}"/>' for size, seconds in line]
        parts += [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>', _text(_WIDTH - _RIGHT + 8, below, name, colour)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = min(map(log10, values)), max(map(log10, values))
    return int(low // 1), max(int(-(-high // 1)), int(low // 1) + 1)


def _seconds(decade: int) -> str:
    size, unit = next((size, unit) for size, unit in ((0, "s"), (-3, "ms"), (-6, "us"), (-9, "ns")) if decade >= size)
    return f"{10 ** (decade - size)} {unit}"


def _text(x: float, y: float, words: str, colour: str = "#111111", weight: str = "normal") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-weight="{weight}">{words}</text>'
