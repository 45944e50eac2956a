"""`agentgraph docs`: diagrams in Markdown, kept as the graphs are. Only what is between markers is ever written."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agentgraph.cli.blocks import Block, Misplaced, blocks_in, lines_of
from agentgraph.cli.render import drawn, print_plain
from agentgraph.conversation.whole import write_whole
from agentgraph.errors import AgentGraphError, DefinitionError

STALE = 1
_BOM = "\ufeff"
_TICKS = re.compile("`+")
_FORMATS = ("mermaid", "text")


class Document(NamedTuple):
    """A file as it is, and as it is to be."""

    file: Path
    was: str
    now: str


def refresh(paths: Sequence[Path], *, check: bool) -> int:
    """Rewrite the blocks of these files, or of all .md files below a folder; with `check` tell what would change. The exit code.

    Raises:
        DefinitionError: naming file and line; then nothing is written.
    """
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    stale = [document for document in map(_document, files) if document.was != document.now]
    if check:
        for document in stale:
            print_plain(_told(document))
        return STALE if stale else 0
    for document in stale:
        _write(document)
        print_plain(f"{document.file} written\n")
    return 0


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(
            name for name in inner if name not in (".git", "node_modules") and not (Path(folder, name) / "pyvenv.cfg").exists()
        )
        yield from (Path(folder, name) for name in sorted(names) if name.lower().endswith(".md"))


def _document(file: Path) -> Document:
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as wrong:
        raise DefinitionError(f"{file} cannot be read: {wrong.strerror or wrong}") from wrong
    except UnicodeDecodeError as wrong:
        raise DefinitionError(f"{file} cannot be read: it is not UTF-8 ({wrong})") from wrong
    mark = _BOM if text.startswith(_BOM) else ""
    try:
        return Document(file, text, mark + rewritten(text.removeprefix(_BOM), _drawn))
    except Misplaced as wrong:
        raise DefinitionError(f"{file}:{wrong.line}: {wrong}") from wrong


def rewritten(text: str, draw: Callable[[Block], tuple[str, str]]) -> str:
    """`text` with what `draw` gives for each block, a fence's language and content, in a fence between its markers.

    Raises:
        Misplaced: for markers that mean nothing, and for what cannot be drawn.
    """
    lines = lines_of(text)
    written: list[str] = []
    copied = 0
    for block in blocks_in(lines):
        try:
            fenced = _fenced(*draw(block))
        except AgentGraphError as wrong:
            raise Misplaced(block.line, str(wrong)) from wrong
        written += lines[copied : block.first]
        written += [f"{block.indent}{line}{block.line_end}" if line else block.line_end for line in fenced]
        copied = block.end
    return "".join([*written, *lines[copied:]])


def _fenced(language: str, content: str) -> list[str]:
    """The lines of a fence that nothing in `content` closes."""
    longest = max(map(len, _TICKS.findall(content)), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence + language, *content.removesuffix("\n").split("\n"), fence]


def _drawn(block: Block) -> tuple[str, str]:
    words: dict[str, list[str]] = {}
    for name, value in block.options:
        words.setdefault(name, []).append(value)
    spoken = words.pop("format", ["mermaid"])[-1]
    if spoken not in _FORMATS:
        raise DefinitionError(f"a block was given format={spoken!r:.60}; give {' or '.join(_FORMATS)}")
    return spoken, format(drawn(block.target, words), spoken)


def _told(document: Document) -> str:
    name = str(document.file)
    was, now = ([line.rstrip("\r\n") + "\n" for line in lines_of(text)] for text in (document.was, document.now))
    if was == now:
        return f"{name}: only line ends differ\n"
    return "".join(difflib.unified_diff(was, now, name, f"{name} (as it should be)"))


def _write(document: Document) -> None:
    try:
        write_whole(document.file, document.now.encode("utf-8"))
    except OSError as wrong:
        raise DefinitionError(f"{document.file} cannot be written: {wrong.strerror or wrong}") from wrong
