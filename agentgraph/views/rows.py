"""Rows of knots with threads between neighbouring rows: an order in each row that crosses few threads, and places that keep them straight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

_ORDERING, _SETTLING = 3, 4
_STIFF = 4.0
"""How much more a thread between two bends wants to be straight."""


@dataclass(slots=True, eq=False)
class Knot:
    """An item, or a bend of an arrow where there is none. `x` is its middle."""

    width: float = 0.0
    height: float = 0.0
    item: int | None = None
    x: float = 0.0
    up: list[Thread] = field(default_factory=list)
    down: list[Thread] = field(default_factory=list)


class Thread(NamedTuple):
    """What ties a knot to `other`, so that it wishes to lie `aside` from that one's middle, and how much."""

    other: Knot
    aside: float
    weight: float


def tie(upper: Knot, lower: Knot, at_upper: float = 0.0, at_lower: float = 0.0) -> None:
    """Tie two knots together, so far from their middles."""
    weight = _STIFF if upper.item is None and lower.item is None else 1.0
    upper.down.append(Thread(lower, at_lower - at_upper, weight))
    lower.up.append(Thread(upper, at_upper - at_lower, weight))


def arrange(rows: list[list[Knot]], beside: float) -> None:
    """Order each row, and give each knot its place. O(sweeps x (knots log knots + threads))."""
    for row in rows:
        _settle(row, [knot.x for knot in row], [1.0] * len(row), beside)
    for _ in range(_ORDERING):
        for row in rows:
            _order(row, [_mean(knot, knot.up) for knot in row], beside)
        for row in reversed(rows):
            _order(row, [_mean(knot, knot.down) for knot in row], beside)
    tied = [[[*knot.up, *knot.down] for knot in row] for row in rows]
    weights = [[sum(thread.weight for thread in threads) or 0.1 for threads in row] for row in tied]
    for _ in range(_SETTLING):
        for at in [*range(len(rows)), *reversed(range(len(rows)))]:
            wished = [_mean(knot, threads) for knot, threads in zip(rows[at], tied[at], strict=True)]
            _settle(rows[at], wished, weights[at], beside)


def _mean(knot: Knot, threads: Sequence[Thread]) -> float:
    if not threads:
        return knot.x
    total = heavy = 0.0
    for other, aside, weight in threads:
        total += (other.x + aside) * weight
        heavy += weight
    return total / heavy


def _order(row: list[Knot], wished: list[float], beside: float) -> None:
    order = sorted(range(len(row)), key=wished.__getitem__)
    row[:] = [row[at] for at in order]
    _settle(row, [wished[at] for at in order], [1.0] * len(row), beside)


def _settle(row: list[Knot], wished: Sequence[float], weights: Sequence[float], beside: float) -> None:
    if not row:
        return
    steps = [0.0]
    for left, right in pairwise(row):
        aside = beside if left.item is not None or right.item is not None else beside / 2
        steps.append((left.width + right.width) / 2 + aside)
    for knot, x in zip(row, spaced(wished, weights, steps), strict=True):
        knot.x = x


def spaced(wished: Sequence[float], weights: Sequence[float], steps: Sequence[float]) -> list[float]:
    """The places nearest to what is wished, by squares, each at least its step after the one before it. O(n).

    Neighbours that collide are pooled (Barlow and others, "Statistical inference under order restrictions", 1972).
    """
    shifts = list(accumulate(steps))
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for one, shift, weight in zip(wished, shifts, weights, strict=True):
        pool = (one - shift, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, heavy, several = pools.pop()
            both = heavy + pool[1]
            pool = ((mean * heavy + pool[0] * pool[1]) / both, both, several + pool[2])
        pools.append(pool)
    means = (mean for mean, _, count in pools for _ in range(count))
    return [mean + shift for mean, shift in zip(means, shifts, strict=True)]
