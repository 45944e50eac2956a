"""W8: what importing costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.cells import IMPORT
from benchmarks.measure import Effort
from benchmarks.table import Row, shown

BARE = "import asyncio, json"
"""What the bare loop imports."""
_TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def importing(effort: Effort) -> Iterator[Row]:
    """The package alone, and what every user needs of it."""
    least = import_seconds(BARE, effort)
    bare = shown(least)
    alone = import_seconds("import agentgraph", effort)
    yield Row("W8", "`import agentgraph`", bare, shown(alone), "", "under 150 ms", alone < 0.150)
    needed = import_seconds("from agentgraph import Agent, AgentGraph, Runner, tool", effort)
    yield Row("W8", IMPORT.what, bare, shown(needed), f"{needed / least:.2f}x", "under 150 ms", needed < 0.150)
    made = "from agentgraph import Agent, Runner, tool; f = lambda: ''; f.__name__ = 'f'; Runner.with_agents(Agent('A', tools=[tool(f)]))"
    yield Row("W8", "the same, and a runner with a tool", bare, shown(import_seconds(made, effort)), "")


def import_seconds(statement: str, effort: Effort) -> float:
    """What `statement` takes in a fresh process of this interpreter."""
    command = [sys.executable, "-c", _TIMED.format(statement)]
    _run(command)  # the first one compiles and fills the disk cache
    return median(_run(command) for _ in range(effort.repeats))


def _run(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
