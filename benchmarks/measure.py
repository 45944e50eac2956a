"""Measuring side by side: two contestants take turns batch by batch in one process, so that noise meets both alike.

What is kept is the ratio within each pair of batches; its median holds on a machine where microseconds do not. Batches are
short and processor time is counted, of all threads: nothing here waits, and what other processes take is not ours.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from statistics import median
from time import process_time
from typing import NamedTuple

Clock = Callable[[int], float]
"""Plays a turn so many times; says how many seconds of processor time it took."""


class Effort(NamedTuple):
    """How thoroughly to measure."""

    pairs: int = 150
    """Of batches."""
    batch: float = 0.002
    """Seconds that the slower side's batch is to take."""
    repeats: int = 7
    """Of what takes long, or a process of its own."""


QUICK = Effort(pairs=30, batch=0.001, repeats=3)


class Ratio(NamedTuple):
    """A ratio over all pairs."""

    median: float
    least: float
    most: float


class Timed(NamedTuple):
    """Seconds a turn on each side (medians), and how many times longer the second side takes."""

    first: float
    second: float
    ratio: Ratio


def clock(turn: Callable[[], object]) -> Clock:
    """The clock of a function."""

    def timed(times: int) -> float:
        start = process_time()
        for _ in range(times):
            turn()
        return process_time() - start

    return timed


def aclock(loop: asyncio.AbstractEventLoop, turn: Callable[[], Awaitable[object]]) -> Clock:
    """The clock of something to await; entering the loop is not counted."""

    async def timed(times: int) -> float:
        start = process_time()
        for _ in range(times):
            await turn()
        return process_time() - start

    return lambda times: loop.run_until_complete(timed(times))


def side_by_side(first: Clock, second: Clock, effort: Effort) -> Timed:
    """Let both play, in turns. The garbage collector stays on: what is left behind is part of the price."""
    slower = max(_warmed_up(first), _warmed_up(second))
    times = max(1, round(effort.batch / slower))
    gc.collect()
    pairs = [(first(times) / times, second(times) / times) for _ in range(effort.pairs)]
    return timed_pairs(pairs)


def timed_pairs(pairs: list[tuple[float, float]]) -> Timed:
    """Many pairs of seconds as one comparison."""
    ratios = [b / a for a, b in pairs]
    return Timed(median(a for a, _ in pairs), median(b for _, b in pairs), Ratio(median(ratios), min(ratios), max(ratios)))


def _warmed_up(one: Clock) -> float:
    one(20)
    return min(one(20) / 20 for _ in range(3))
