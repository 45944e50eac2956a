"""`python -m benchmarks.durable`: what a kept step costs, beside a step of DBOS and a bare commit, on SQLite and PostgreSQL.

Wall time, since a disk is waited for; medians. Each line is measured in turn with the others of its database, so that noise meets all alike.
The floor is one row committed in the same way with no library around it. A kept step is one `append`, lease and compare-and-set included.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import psycopg

from agentgraph import Entry, open_store
from tests.stores.cluster import cluster

STEPS = 200
TEXT = "x" * 200


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(cluster()).database()
        sqlite = f"sqlite:///{folder}/kept.db"
        print("| milliseconds a step | SQLite, FULL | PostgreSQL |\n|---|---|---|")
        columns = [_alone(sqlite, folder), _alone(postgres, folder)]
        for name in columns[0]:
            print(f"| {name} | {' | '.join(f'{column[name]:.2f}' for column in columns)} |")


def _alone(url: str, folder: Path) -> dict[str, float]:
    with ExitStack() as stack:  # there is one DBOS in a process, so it is gone before the next begins
        return _measured(url, folder, stack)


def _measured(url: str, folder: Path, stack: ExitStack) -> dict[str, float]:
    store = open_store(url)
    stack.callback(store.close)
    store.lease("c", "me", 600.0)
    begun: dict[str, Callable[[int], object]] = {
        "one row, no library": stack.enter_context(_floor(url, folder)),
        "agentgraph, a kept step": lambda n: store.append("c", "me", [Entry(n, TEXT, TEXT, n == 0, TEXT, under_way=True)], 600.0),
        "DBOS, a step": stack.enter_context(_dbos(url, folder)),
    }
    took: dict[str, list[float]] = {name: [] for name in begun}
    for n in range(STEPS):
        for name, write in begun.items():
            start = perf_counter()
            write(n)
            took[name].append(1_000 * (perf_counter() - start))
    return {name: median(times) for name, times in took.items()}


@contextmanager
def _floor(url: str, folder: Path) -> Iterator[Callable[[int], object]]:
    if url.startswith("sqlite"):
        file = sqlite3.connect(folder / "floor.db", isolation_level=None)
        file.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE floor (n INTEGER PRIMARY KEY, text TEXT)")
        yield lambda n: file.execute("INSERT INTO floor VALUES (?, ?)", (n, 3 * TEXT))
        file.close()
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("CREATE TABLE floor (n INTEGER PRIMARY KEY, text TEXT)")
        yield lambda n: server.execute("INSERT INTO floor VALUES (%s, %s)", (n, 3 * TEXT))


@contextmanager
def _dbos(url: str, folder: Path) -> Iterator[Callable[[int], object]]:
    """A workflow that is under way; each call lets it do one step that gives a text, and waits for that."""
    from queue import SimpleQueue

    from dbos import DBOS

    asked: SimpleQueue[bool] = SimpleQueue()
    done: SimpleQueue[Any] = SimpleQueue()
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

    yield step
    asked.put(False)
    DBOS.destroy(workflow_completion_timeout_sec=5, destroy_registry=True)


if __name__ == "__main__":
    main()
