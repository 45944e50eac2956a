"""W8: what importing costs, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.measure import Effort
from benchmarks.table import Row, shown

_TIMED = "from time import perf_counter as now; start = now(); {}; print(now() - start)"


def importing(effort: Effort) -> Iterator[Row]:
    """The package alone, and what every user needs of it."""
    bare = shown(_seconds("import asyncio, json", effort))
    alone = _seconds("import agentgraph", effort)
    yield Row("W8", "`import agentgraph`", bare, shown(alone), "", "under 150 ms", alone < 0.150)
    needed = _seconds("from agentgraph import Agent, AgentGraph, Runner, tool", effort)
    yield Row("W8", "`from agentgraph import Agent, AgentGraph, Runner, tool`", bare, shown(needed), "", "under 150 ms", needed < 0.150)
    made = "from agentgraph import Agent, Runner, tool; f = lambda: ''; f.__name__ = 'f'; Runner.with_agents(Agent('A', tools=[tool(f)]))"
    yield Row("W8", "the same, and a runner with a tool", bare, shown(_seconds(made, effort)), "")


def _seconds(statement: str, effort: Effort) -> float:
    command = [sys.executable, "-c", _TIMED.format(statement)]
    _run(command)  # the first one compiles and fills the disk cache
    return median(_run(command) for _ in range(effort.repeats))


def _run(command: list[str]) -> float:
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
