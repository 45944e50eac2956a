"""Measuring side by side: two contestants take turns batch by batch in one process, so that noise meets both alike.

What is kept is the ratio within each pair of batches; its median holds on a machine where microseconds do not. Batches are
short and processor time is counted, of all threads: what other processes take is not ours. Where something waits, the clock
counts wall time instead, and says so.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

Clock = Callable[[int], float]
"""Plays a turn so many times; says how many seconds it took."""


class Effort(NamedTuple):
    """How thoroughly to measure."""

    pairs: int = 150
    """Of batches."""
    batch: float = 0.002
    """Seconds that each side's batch is to take, at least."""
    seconds: float = 4.0
    """After so many no new pair is begun."""
    repeats: int = 7
    """Of what takes long, or a process of its own."""


QUICK = Effort(pairs=30, batch=0.001, seconds=1.0, repeats=3)


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
    times, others = _filling(first, effort.batch), _filling(second, effort.batch)
    gc.collect()
    pairs, start = list[tuple[float, float]](), perf_counter()
    while len(pairs) < effort.pairs and (not pairs or perf_counter() - start < effort.seconds):
        pairs.append((first(times) / times, second(others) / others))
    return timed_pairs(pairs)


def one_by_one(first: Clock, second: Clock, effort: Effort) -> Timed:
    """The same for what takes long: a pair is one turn of each, and starts with no garbage about."""
    pairs, start = list[tuple[float, float]](), perf_counter()
    while len(pairs) < effort.repeats and (not pairs or perf_counter() - start < effort.seconds):
        gc.collect()
        pairs.append((first(1), second(1)))
    return timed_pairs(pairs)


def timed_pairs(pairs: list[tuple[float, float]]) -> Timed:
    """Many pairs of seconds as one comparison."""
    ratios = [b / a for a, b in pairs]
    return Timed(median(a for a, _ in pairs), median(b for _, b in pairs), Ratio(median(ratios), min(ratios), max(ratios)))


def _filling(one: Clock, batch: float) -> int:
    """How many turns fill a batch; found by playing more and more, which warms it up."""
    times = 1
    while min(one(times), one(times)) < batch:
        times *= 2
    return times
