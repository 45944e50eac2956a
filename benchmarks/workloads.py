"""The workloads by name, and one of each to be profiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from benchmarks import turns
from benchmarks.cells import SCENES
from benchmarks.crowds import at_once, our_talking
from benchmarks.durable import keeping
from benchmarks.footprint import memory, our_conversation
from benchmarks.imports import importing
from benchmarks.limits import limits
from benchmarks.measure import Effort
from benchmarks.proving import proving
from benchmarks.scene import wide
from benchmarks.table import Row
from benchmarks.yardstick import crowd

Workload = Callable[[Effort], Iterator[Row]]

WORKLOADS: Mapping[str, Workload] = {
    "W0": turns.opening,
    **{key: partial(turns.one_turn, key) for key in SCENES},
    "W5": turns.carried,
    "W6": at_once,
    "W7": memory,
    "W8": importing,
    "W9": turns.large,
    "W10": proving,
    "W11": keeping,
    "limits": limits,
}

PROFILED: Mapping[str, Callable[[], Callable[[], object]]] = {
    **{key: lambda key=key: partial(turns.our_clock(SCENES[key]), 200 if key == "W4" else 2_000) for key in SCENES},  # type: ignore[misc]
    "W5": lambda: partial(turns.our_carrying(10_000), 2_000),
    "W6": lambda: partial(crowd(our_talking(), 1_000), 1),
    "W7": lambda: our_conversation,
    "W9": lambda: partial(turns.our_building(wide(2_000)), 1),
}
"""What `--profile` looks into: agentgraph's side alone."""
