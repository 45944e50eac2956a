"""Rows of the result, and the Markdown they are written as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.cells import Cell
from benchmarks.measure import Ratio, Timed


class Row(NamedTuple):
    """One line of the result. `met` is None where there is no goal."""

    key: str
    what: str
    bare: str
    ours: str
    ratio: str
    goal: str = ""
    met: bool | None = None
    timed: Timed | None = None
    """What is shown, as numbers."""

    @property
    def measured(self) -> str:
        """What the goal is about: the ratio where it is one, else the figure."""
        return self.ratio.partition(" ")[0] if self.goal.endswith("x") else self.ours


def against_bare(cell: Cell, timed: Timed, most: float | None = None) -> Row:
    """The bare loop and agentgraph, which may take `most` times as long."""
    goal, met = (f"at most {most:g}x", timed.ratio.median <= most) if most is not None else ("", None)
    return Row(cell.key, cell.what, shown(timed.first), shown(timed.second), spread(timed.ratio), goal, met, timed)


def spread(ratio: Ratio) -> str:
    """A ratio and its extremes."""
    return f"{ratio.median:.2f}x ({ratio.least:.2f} to {ratio.most:.2f})"


def shown(seconds: float) -> str:
    """A time in a unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.2f} us"


def amount(value: float, unit: str) -> str:
    """A time, or a size in KiB."""
    return f"{value:.2f} KiB" if unit == "KiB" else shown(value)


# -- tables ------------------------------------------------------------------------------------------------------------------

_VERDICT = {True: "met", False: "**not met**", None: ""}


def goals(rows: Iterable[Row]) -> str:
    """The rows that have a goal: what is looked at, and what came out."""
    lines = [(row.key, row.what, row.measured, row.goal, _VERDICT[row.met]) for row in rows if row.met is not None]
    return columns([("", "what", "measured", "goal", ""), *lines])


def details(rows: Iterable[Row]) -> str:
    """All rows, with both sides and the spread of the ratio."""
    return columns(
        [("", "what", "bare loop", "agentgraph", "ratio (least to most)", "goal", ""), *((*row[:-2], _VERDICT[row.met]) for row in rows)]
    )


def columns(lines: Sequence[Sequence[str]]) -> str:
    """Lines as a Markdown table; the first is its head."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:]]) + "\n"
