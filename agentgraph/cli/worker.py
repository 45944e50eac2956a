"""`agentgraph worker`: holds the turns that others submit, until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType

from agentgraph.cli.narration import narrate
from agentgraph.cli.stored import opened
from agentgraph.cli.target import configured, runner_at
from agentgraph.cli.visible import visible
from agentgraph.errors import DefinitionError
from agentgraph.integrations.dbos import DBOSExecutor
from agentgraph.stores.sql import SQLStore
from agentgraph.stores.sqlite import SQLiteStore


def work(target: str, url: str | None, dbos_url: str | None, model: str | None, concurrency: int, lease: float, grace: float) -> int:
    """Work until SIGTERM or ctrl-C: the first finishes what is in hand, the second hands it back at once. The exit code."""
    runner = runner_at(target)
    config = configured(runner, target, model)
    if config is not runner.config:
        runner = type(runner)(runner.machine, config)
    stop = _stopped_by_signals()
    with opened(url, create=True) as store:
        if not isinstance(store, SQLStore):
            raise DefinitionError(f"workers share a store in SQLite or PostgreSQL, not {store!r:.60}")
        executor = DBOSExecutor(runner, store, database_url=dbos_url or database_of(store, url or ""), lease=lease)
        _log_less()
        narrate(runner, sys.stderr)
        left = executor.work(
            concurrency, stop, grace, lambda: _say(f"worker {os.getpid()} is ready: {concurrency} turns at a time, {store!r}")
        )
        executor.close()
    for run_id in left:
        _say(f"handed back: turn {run_id}")
    _say(f"worker {os.getpid()} has stopped")
    if left:
        os._exit(0)  # threads that still hold turns would be waited for; whoever takes these up is not in need of them
    return 0


def database_of(store: SQLStore, url: str) -> str:
    """Where DBOS keeps its queue, when nothing else is said: in the same PostgreSQL, or in a file beside ours."""
    return f"sqlite:///{store.path}.dbos" if isinstance(store, SQLiteStore) else url


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()

    def on(_: int, __: FrameType | None) -> None:
        if stop.is_set():
            os._exit(1)  # told twice: others take over when our lease has run out
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on)
    return stop


def _log_less() -> None:
    logging.getLogger("dbos").setLevel(logging.WARNING)


def _say(line: str) -> None:
    print(f"agentgraph: {visible(line)}", file=sys.stderr, flush=True)
