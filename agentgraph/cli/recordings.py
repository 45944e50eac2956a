"""Recordings in files, folders and stores: traces of ours, stored contexts, kept conversations, and the messages of other systems."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from agentgraph.cli.stored import kept_in, opened, shown_id
from agentgraph.conversation.context import Context
from agentgraph.conversation.message import Message
from agentgraph.engine.journal import history
from agentgraph.engine.trace import Trace
from agentgraph.engine.trace_file import load
from agentgraph.errors import ContextError, DefinitionError, StoreError

UNREADABLE = 2
"""The exit code where a recording cannot be read."""
ENDINGS = (".jsonl", ".json")
_STORE = "://"  # tells a store from a file
_TRACE = b'{"agentgraph_trace"'
_FORMS = 'a trace, a stored context, or objects with "messages" are expected'


class Recorded(NamedTuple):
    """One conversation that was recorded, or why it cannot be read."""

    name: str
    held: Trace | tuple[Message, ...] | ContextError


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: those named, and in the folders named, at any depth, all .jsonl and .json files.

    Raises:
        DefinitionError: for a path that is not there, and when there is nothing to read.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DefinitionError(f"there is no file or folder {str(path)!r}; give traces, or folders of them")
        found += sorted(file for file in path.rglob("*") if file.suffix in ENDINGS and file.is_file()) if path.is_dir() else [path]
    if not found:
        raise DefinitionError(f"there is no recording in {', '.join(map(str, paths))}; they end with {' or '.join(ENDINGS)}")
    return list(dict.fromkeys(found))


def recordings_in(file: Path) -> Iterator[Recorded]:
    """Every conversation in `file`: one, or one a line."""
    try:
        content = file.read_bytes()
    except OSError as wrong:
        yield Recorded(str(file), ContextError(f"it cannot be read: {wrong.strerror or wrong}"))
        return
    if content.startswith(_TRACE):
        yield _trace(file)
    elif file.suffix == ".json":
        yield from _whole(str(file), content)
    elif not content.strip():
        yield Recorded(str(file), ContextError(f"nothing is there; {_FORMS}"))
    else:
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                yield _conversation(f"{file}:{number}", line)


def recordings(given: Sequence[str]) -> Iterator[Recorded]:
    """Every conversation in the files, folders and stores of `given`, with a bar that says how far they are, where somebody looks.

    Raises:
        DefinitionError: when there is nothing to read.
        StoreError: when a store cannot be opened.
    """
    paths = [Path(one) for one in given if _STORE not in one]
    for file in _watched(files_in(paths)) if paths else ():
        yield from recordings_in(file)
    for url in given:
        if _STORE in url:
            yield from conversations_in(url)


def _watched(files: Iterable[Path]) -> Iterable[Path]:
    if not sys.stderr.isatty():
        return files
    from rich.console import Console
    from rich.progress import track

    return track(files, "replaying", console=Console(stderr=True), transient=True)


def conversations_in(url: str) -> Iterator[Recorded]:
    """Every conversation in the store at `url`, in the order of their ids.

    Raises:
        DefinitionError: for a URL that means no store, and when it holds no conversation.
        StoreError: when it cannot be opened.
    """
    with opened(url) as store:
        ids = (it.id for it in kept_in(store))
        first = next(ids, None)
        if first is None:
            raise DefinitionError(f"there is no conversation in {store!r:.100}; give a store that holds some")
        for conversation in (first, *ids):
            name = shown_id(conversation)
            try:
                trace = history(conversation, store.entries(conversation))
            except StoreError as wrong:
                yield Recorded(name, ContextError(str(wrong)))
            else:
                if trace is not None:  # else it was deleted meanwhile
                    yield Recorded(name, trace)


def _trace(file: Path) -> Recorded:
    try:
        return Recorded(str(file), load(file).trace)
    except ContextError as wrong:
        return Recorded(str(file), ContextError(str(wrong).removeprefix(f"{file}, ")))


def _whole(name: str, content: bytes) -> Iterator[Recorded]:
    """One conversation, or a list of them."""
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as wrong:
        yield Recorded(name, ContextError(f"it is not JSON: {wrong}"))
        return
    if isinstance(given, list) and any(isinstance(row, dict) and "messages" in row for row in given):
        for number, row in enumerate(given, 1):
            yield _read(f"{name}:{number}", row)
    else:
        yield _read(name, given)


def _conversation(name: str, line: bytes) -> Recorded:
    try:
        return _read(name, json.loads(line))
    except (ValueError, RecursionError) as wrong:
        return Recorded(name, ContextError(f"it is not JSON: {wrong}"))


def _read(name: str, given: Any) -> Recorded:
    try:
        return Recorded(name, _messages(given))
    except ContextError as wrong:
        return Recorded(name, wrong)


def _messages(given: Any) -> tuple[Message, ...]:
    if isinstance(given, dict) and "agentgraph_context" in given:
        return tuple(Context.from_json(json.dumps(given)).messages)
    messages = given.get("messages") if isinstance(given, dict) else given
    if not isinstance(messages, list):
        raise ContextError(f"it holds no conversation; {_FORMS}")
    return tuple(map(Message.from_openai, messages))
