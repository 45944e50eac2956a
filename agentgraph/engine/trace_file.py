"""Traces in files: written whole or not at all, and read with a reason for every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentgraph.conversation.whole import write_whole
from agentgraph.engine.trace_json import Header, StoredTrace, lines_of, read_lines
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from agentgraph.engine.trace import Trace


def save(trace: Trace, path: str | Path, header: Header) -> None:
    """Write `trace`. A new file can be read by nobody else: people spoke in it.

    Raises:
        ContextError: when it cannot be written.
    """
    file = Path(path)
    text = "".join(f"{line}\n" for line in lines_of(trace, header))
    try:
        write_whole(file, text.encode("ascii"), mode=0o600)
    except (OSError, ValueError) as wrong:  # a ValueError is a path with NUL in it
        raise ContextError(f"the trace cannot be written to {str(file)!r}: {wrong}", trace) from wrong


def load(path: str | Path, *, partial: bool = False) -> StoredTrace:
    """The trace in the file, and its header.

    Raises:
        ContextError: naming the file and the line.
    """
    try:
        lines = iter(Path(path).read_bytes().splitlines())
    except (OSError, ValueError, TypeError) as wrong:
        raise ContextError(f"{str(path)!r:.200} cannot be read: {wrong}") from wrong
    try:
        return read_lines(lines, partial=partial)
    except ContextError as wrong:
        raise ContextError(f"{path}, {wrong}", path) from wrong
