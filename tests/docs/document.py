"""Reading and running a Markdown document the way a reader would: its Python blocks, and what it types into a shell.

The conventions are in the docstring of `test_readme.py`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

_BLOCK = re.compile(r"^(?P<fence>`{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block; `line` is where its text begins, counted from 1."""

    kind: str
    text: str
    line: int


class Typed(NamedTuple):
    """A command of a console block, and what is printed below it."""

    command: str
    printed: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    for found in _BLOCK.finditer(text):
        yield Block(found["kind"].strip(), found["text"], text.count("\n", 0, found.start("text")) + 1)


def typed(block: Block) -> Iterator[Typed]:
    """The commands of a console block: lines after `$ `, continued after a backslash, and the lines below each."""
    command, printed, start = "", list[str](), 0
    for number, line in enumerate(block.text.splitlines(), block.line):
        if command.endswith("\\") and not printed:
            command = f"{command}\n{line}"
        elif line.startswith("$ "):
            if command:
                yield Typed(command, "\n".join(printed).strip("\n"), start)
            command, printed, start = line.removeprefix("$ "), [], number
        elif command:
            printed.append(line)
    if command:
        yield Typed(command, "\n".join(printed).strip("\n"), start)


def execute(block: Block, module: ModuleType, name: str) -> None:
    """Run a Python block in `module`; a traceback names the document and the line in it. `await` may stand at the top."""
    padded = "\n" * (block.line - 1) + block.text
    code = compile(padded, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(code, module.__dict__))
    else:
        exec(code, module.__dict__)


def shell(command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Type `command` in `directory`."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        ["sh", "-c", command],
        cwd=directory,
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8", "COLUMNS": "200", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def fits(printed: str, expected: str) -> bool:
    """Whether `printed` is what the document shows; a line of three dots stands for any lines, or none."""
    pattern = "".join("(?:.*\n)*" if line == "..." else re.escape(line.rstrip()) + "\n" for line in expected.splitlines())
    lines = "".join(f"{line.rstrip()}\n" for line in printed.strip("\n").splitlines())
    return re.fullmatch(pattern, lines) is not None
