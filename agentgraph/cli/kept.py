"""Conversations and their traces in files: read whole, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from agentgraph.conversation.context import Context
from agentgraph.conversation.whole import write_whole
from agentgraph.engine.trace import Trace
from agentgraph.errors import ContextError


def read(file: Path) -> Context:
    """The conversation in `file`.

    Raises:
        ContextError: when it cannot be read, or is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise ContextError(f"{file} cannot be read: {wrong}") from wrong
    return Context.from_json(text)


def write(file: Path, context: Context) -> None:
    """Put `context` into `file`, with the permissions that the file had: a conversation is never left half written.

    Raises:
        ContextError: when it cannot be written.
    """
    try:
        write_whole(file, (context.to_json() + "\n").encode("ascii"), mode=0o600)
    except OSError as wrong:
        raise ContextError(f"the conversation could not be kept in {file}: {wrong}") from wrong


def write_over(file: Path, context: Context) -> None:
    """Put `context` into `file`, which is a new one, or holds a conversation already.

    Raises:
        ContextError: when it holds anything else, or cannot be written.
    """
    if file.exists():
        try:
            read(file)
        except ContextError as wrong:
            raise ContextError(f"{file} is there, and is no conversation of ours; choose another name") from wrong
    write(file, context)


def refuse_missing_folder(file: Path | None) -> None:
    """Refuse a file that cannot be written later, before anything is said.

    Raises:
        ContextError: naming the folder that is not there.
    """
    if file is not None and not file.parent.is_dir():
        raise ContextError(f"there is no folder {str(file.parent)!r} to keep the conversation in")


def recorded(file: Path | None, start: Context) -> Trace | None:
    """The turns recorded in `file`, which one that begins with `start` is to follow; None where there are none yet.

    Raises:
        ContextError: when it cannot be read, holds another conversation, or could not be written later.
    """
    refuse_missing_folder(file)
    if file is None or not file.exists():
        return None
    trace = Trace.load(file)
    if trace.contexts[-1] != start:
        raise ContextError(f"{file} does not end where this turn begins; give the --context it was recorded with, or another file")
    return trace


def record(file: Path, trace: Trace, graph: str, target: str) -> None:
    """Put `trace` into `file`.

    Raises:
        ContextError: when it cannot be written.
    """
    trace.save(file, graph=graph, target=target)
