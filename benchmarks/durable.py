"""W11: kept conversations. What a step costs that is written down, beside one row committed with no library around it, a step of DBOS and one
of LangGraph; what many callers at once are served; how storage and reading grow. Wall time, since a disk is waited for; reading alone is processor time.

Those that keep in one database take turns step by step, so that noise meets all alike; medians. A step of LangGraph is a super-step of a
graph of one node, with durability="sync"; it runs in the peers' own environment and is timed there.
"""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
import pytest

from agentgraph import Entry, open_store
from benchmarks.beside import PYTHON, ROOT, SURROUNDINGS
from benchmarks.kept import growth, load
from benchmarks.measure import Effort
from benchmarks.table import Row, columns, shown
from tests.stores.cluster import cluster

BARE, OURS = "one row, no library", "agentgraph"
STEPS = 200
MOST = 0.0015
"""Seconds that a kept step may take."""
TEXT = "x" * 200

Times = Mapping[str, float]
"""Seconds a step, by whose it is. Who is not installed is not in it."""
Step = Callable[[int], float]
"""Does the n-th step; says how many seconds it took."""


def keeping(effort: Effort) -> Iterator[Row]:
    """Steps beside a bare commit, then what only ours is measured in."""
    for database, times in kept_steps().items():
        bare, took = times[BARE], times[OURS]
        what = f"a kept step, {database}"
        yield Row("W11", what, shown(bare), shown(took), f"{took / bare:.2f}x", f"under {shown(MOST)}", took < MOST)
    yield from load()
    yield from growth(effort)


def table() -> str:
    """A step of each that was measured."""
    every = kept_steps()
    lines = [[database, *(shown(times[name]) if name in times else "" for name in _KEEPERS)] for database, times in every.items()]
    return columns([["a step that is kept", *_KEEPERS], *lines])


@cache
def kept_steps() -> Mapping[str, Times]:
    """By database; one that is not installed is left out."""
    found: dict[str, Times] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found["SQLite, synchronous=FULL"] = _measured(f"sqlite:///{folder}/kept.db", folder)
        try:
            server = stack.enter_context(cluster())
        except pytest.skip.Exception:
            return found
        found["PostgreSQL"] = _measured(server.database(), folder)
    return found


def _measured(url: str, folder: Path) -> Times:
    with ExitStack() as stack:  # there is one DBOS in a process, so it is gone before the next begins
        begun: dict[str, Step] = {}
        for name, keeper in _KEEPERS.items():
            try:
                begun[name] = stack.enter_context(keeper(url, folder))
            except ImportError:
                continue
        took: dict[str, list[float]] = {name: [] for name in begun}
        for n in range(STEPS):
            for name, step in begun.items():
                took[name].append(step(n))
    return {name: median(times) for name, times in took.items()}


def _timed(step: Callable[[int], object]) -> Step:
    def timed(n: int) -> float:
        start = perf_counter()
        step(n)
        return perf_counter() - start

    return timed


# -- those that keep -----------------------------------------------------------------------------------------------------


@contextmanager
def _bare(url: str, folder: Path) -> Iterator[Step]:
    if url.startswith("sqlite"):
        file = sqlite3.connect(folder / "floor.db", isolation_level=None)
        file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE floor (n INTEGER PRIMARY KEY, text TEXT)")
        yield _timed(lambda n: file.execute("INSERT INTO floor VALUES (?, ?)", (n, 3 * TEXT)))
        file.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE TABLE floor (n INTEGER PRIMARY KEY, text TEXT)")
        yield _timed(lambda n: server.execute("INSERT INTO floor VALUES (%s, %s)", (n, 3 * TEXT)))


@contextmanager
def _ours(url: str, _: Path) -> Iterator[Step]:
    """One `append`, with the lease and the compare-and-set that are in it."""
    with open_store(url) as store:
        store.lease("c", "me", 600.0)
        yield _timed(lambda n: store.append("c", "me", [Entry(n, TEXT, TEXT, n == 0, TEXT, under_way=True)], 600.0))


@contextmanager
def _dbos(url: str, folder: Path) -> Iterator[Step]:
    """A workflow that is under way; each call lets it do one step that gives a text, and waits for that."""
    from dbos import DBOS

    asked, done = SimpleQueue[bool](), SimpleQueue[Any]()
    DBOS(
        config={
            "name": "benchmark",
            "system_database_url": f"sqlite:///{folder}/dbos.db" if url.startswith("sqlite") else url,
            "log_level": "WARNING",
        }
    )

    @DBOS.step()
    def told() -> str:
        return 3 * TEXT

    @DBOS.workflow()
    def steps() -> None:
        while asked.get():
            done.put(told())

    DBOS.launch()
    DBOS.start_workflow(steps)

    def step(_: int) -> object:
        asked.put(True)
        return done.get()

    yield _timed(step)
    asked.put(False)
    DBOS.destroy(workflow_completion_timeout_sec=5, destroy_registry=True)


@contextmanager
def _langgraph(url: str, folder: Path) -> Iterator[Step]:
    """A process that does a step for each line it is sent, and says how long it took."""
    if not PYTHON.exists():
        raise ImportError("make setup-bench")
    where = str(folder / "langgraph.db") if url.startswith("sqlite") else url
    command = [str(PYTHON), "-m", "benchmarks.peers.langgraph_kept", where]
    with subprocess.Popen(command, env=SURROUNDINGS, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        asked, told = process.stdin, process.stdout
        if told.readline() != "ready\n":
            raise ImportError("langgraph-checkpoint-sqlite and langgraph-checkpoint-postgres: make setup-bench")

        def step(_: int) -> float:
            asked.write("go on\n")
            asked.flush()
            return float(told.readline())

        yield step
        asked.close()
        process.wait(10)


_KEEPERS = {BARE: _bare, OURS: _ours, "DBOS": _dbos, "LangGraph": _langgraph}
