"""Blocks in Markdown that belong to us: between `<!-- agentgraph: TARGET option=value -->` and `<!-- /agentgraph -->`.

A marker stands alone in its line, at most three blanks from its start. What stands in a code fence, in an indented code block,
in a quotation or in another comment is a text about markers, and none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from agentgraph.errors import DefinitionError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_BEGIN = re.compile(r"( {0,3})<!-- agentgraph: (.*\S) -->[ \t]*(\r\n|\r|\n|\Z)")
_END = re.compile(r" {0,3}<!-- /agentgraph -->[ \t]*(?:\r\n|\r|\n|\Z)")
_FENCE = re.compile(r" {0,3}(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?P<marks>`{3,}(?=[^`]*\Z)|~{3,})", re.DOTALL)
_COMMENT = re.compile(r" {0,3}<!--(?!.*-->)", re.DOTALL)


class Block(NamedTuple):
    """What is asked for, and the lines between the markers: from `first` up to, not including, `end`, counted from 0."""

    first: int
    end: int
    target: str
    options: tuple[tuple[str, str], ...]
    indent: str
    line_end: str

    @property
    def line(self) -> int:
        """The line of its beginning, counted from 1."""
        return self.first


class Misplaced(DefinitionError):
    """A marker that means nothing. `line` is counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        self.line = line
        super().__init__(message)


def lines_of(text: str) -> list[str]:
    """The lines of `text` with their ends. A form feed and the like end none."""
    return _LINE.findall(text)


def blocks_in(lines: Sequence[str]) -> Iterator[Block]:
    """The blocks, from the top.

    Raises:
        Misplaced: for a beginning without an end, an end without a beginning, and a block in a block.
    """
    begun: tuple[int, re.Match[str]] | None = None
    for at, line in _open_lines(lines):
        if (beginning := _BEGIN.fullmatch(line)) is not None:
            if begun is not None:
                raise Misplaced(at + 1, f"a block begins inside the one of line {begun[0] + 1}; end that with <!-- /agentgraph -->")
            begun = at, beginning
        elif _END.fullmatch(line):
            if begun is None:
                raise Misplaced(at + 1, "<!-- /agentgraph --> ends no block; one begins with <!-- agentgraph: module:graph -->")
            yield _block(*begun, at)
            begun = None
    if begun is not None:
        raise Misplaced(begun[0] + 1, "the block has no end; write <!-- /agentgraph --> in a line below it")


def _block(at: int, beginning: re.Match[str], end: int) -> Block:
    indent, asked, line_end = beginning.groups()
    try:
        target, *options = shlex.split(asked)
    except ValueError as wrong:
        raise Misplaced(at + 1, f"{asked!r} cannot be read: {wrong}") from wrong
    given = []
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise Misplaced(at + 1, f"{option!r} is no option; write option=value, as in direction=LR")
        given.append((name, value))
    return Block(at + 1, end, target, tuple(given), indent, line_end)


def _open_lines(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """The lines that stand in no fence and in no comment of several lines, with their numbers."""
    fence, in_comment = "", False
    for at, line in enumerate(lines):
        if fence:
            fence = "" if _closes(line, fence) else fence
        elif in_comment:
            in_comment = "-->" not in line
        elif (opened := _FENCE.match(line)) is not None:
            fence = opened["marks"]
        elif _COMMENT.match(line):
            in_comment = True
        else:
            yield at, line


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and not bare.strip(fence[0])
