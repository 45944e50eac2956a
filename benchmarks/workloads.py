"""The workloads by name, and one of each to be profiled. W6, many conversations at once, has its place between W5 and W7."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from benchmarks import turns
from benchmarks.footprint import memory, our_conversation
from benchmarks.imports import importing
from benchmarks.measure import Effort
from benchmarks.ours import graph_of
from benchmarks.scene import wide
from benchmarks.table import Row

Workload = Callable[[Effort], Iterator[Row]]

WORKLOADS: Mapping[str, Workload] = {
    **{key: partial(turns.one_turn, key) for key in turns.SCENES},
    "W5": turns.carried,
    "W7": memory,
    "W8": importing,
    "W9": turns.large,
}


def profiled(key: str) -> Callable[[], object]:
    """What `--profile` looks into: agentgraph's side alone."""
    if key in turns.SCENES:
        scene = turns.SCENES[key][1]
        return partial(turns.our_clock(scene), 200 if key == "W4" else 2_000)
    if key == "W5":
        return partial(turns.our_carrying(10_000), 2_000)
    return {"W7": our_conversation, "W9": lambda: graph_of(wide(2_000), awaited=True).compile()}[key]
