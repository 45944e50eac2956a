"""Recording runs as they end: a callback that writes each run's trace to a file of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.runtime.observations import RunCompleted


def record(folder: str | Path) -> Callable[[RunCompleted], None]:
    """A callback for `runner.on_run_complete`: every run becomes a file in `folder`, which `agentgraph replay` reads.

    The files sort by time, in UTC. One that cannot be written is logged, as callbacks that fail are, and the run goes on.

    Raises:
        DefinitionError: when there is no such folder.
    """
    where = Path(folder)
    if not where.is_dir():
        raise DefinitionError(f"there is no folder {str(folder)!r} to record runs in; make it first")

    def write(completed: RunCompleted) -> None:
        result = completed.result
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid4().hex[:12]}.jsonl"
        result.trace.save(where / name, graph=result.machine.name if result.machine is not None else "")

    return write
