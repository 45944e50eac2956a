"""Worker processes, as an operator starts, stops and loses them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import WATCHDOG

LEASE = 2.0
GRAPH = f"{Path(__file__).parent}/desk.py:graph"


class Worker:
    """One process of `agentgraph worker`. Its lines are in a file, so that nobody has to read them while it runs."""

    def __init__(self, folder: Path, database: str, *options: str) -> None:
        self.log = folder / f"worker-{len(list(folder.glob('worker-*')))}.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentgraph.cli.app", "worker", GRAPH, "--store", database, "--lease", f"{LEASE}", *options],
                cwd=folder,
                env={**os.environ, "LEDGER": str(folder / "ledger.txt")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WATCHDOG)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WATCHDOG)


@contextmanager
def workers(folder: Path, database: str, count: int, *options: str) -> Iterator[list[Worker]]:
    """`count` of them; none is left when the block is."""
    begun = [Worker(folder, database, *options) for _ in range(count)]
    try:
        yield begun
    finally:
        for worker in begun:
            worker.kill()


def done(folder: Path) -> Counter[str]:
    """How often each line was written into the ledger."""
    file = folder / "ledger.txt"
    return Counter(file.read_text(encoding="ascii").splitlines()) if file.exists() else Counter()
