"""Rows of the result, and the Markdown they are written as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.measure import Ratio, Timed

_HEAD = ("", "what", "bare loop", "agentgraph", "ratio (least to most)", "goal", "")


class Row(NamedTuple):
    """One line of the result. `met` is None where there is no goal."""

    key: str
    what: str
    bare: str
    ours: str
    ratio: str
    goal: str = ""
    met: bool | None = None


def against_bare(key: str, what: str, timed: Timed, most: float | None = None) -> Row:
    """The bare loop and agentgraph, which may take `most` times as long."""
    goal, met = (f"at most {most:g}x", timed.ratio.median <= most) if most is not None else ("", None)
    return Row(key, what, shown(timed.first), shown(timed.second), spread(timed.ratio), goal, met)


def spread(ratio: Ratio) -> str:
    """A ratio and its extremes."""
    return f"{ratio.median:.2f}x ({ratio.least:.2f} to {ratio.most:.2f})"


def shown(seconds: float) -> str:
    """A time in a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.2f} us"


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table."""
    verdict = {True: "met", False: "**not met**", None: ""}
    cells = [_HEAD, *((*row[:-1], verdict[row.met]) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
