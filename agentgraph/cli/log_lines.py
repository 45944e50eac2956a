"""What the library logs, such as a handler that failed, as one line each on stderr: no traceback, nothing a terminal obeys."""

from __future__ import annotations

import logging
import sys

from agentgraph.cli.visible import visible


class LogLines(logging.Handler):
    """Writes to whatever stderr is at the time: a spinner puts something else in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        raised = record.exc_info[1] if record.exc_info else None
        because = f": {type(raised).__name__}: {raised}" if raised is not None else ""
        print("agentgraph: " + visible(" ".join(f"{record.getMessage()}{because}".split())), file=sys.stderr)


def log_in_lines() -> None:
    """Let the library log so."""
    logger = logging.getLogger("agentgraph")
    if not any(isinstance(handler, LogLines) for handler in logger.handlers):
        logger.addHandler(LogLines(logging.WARNING))
