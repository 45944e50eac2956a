"""Every example prints what its `Expected:` block says, and its `graph` can be run from the command line."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agentgraph import Context

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("[!_]*.py"))

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python on `arguments`, somewhere that is not the repository."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


def expected(example: Path) -> str:
    """The block after the line `Expected:`, at the end of the docstring."""
    said = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
    _, found, block = said.partition("\nExpected:\n")
    assert found, f"{example.name} has no Expected: block; end its docstring with a line 'Expected:' and, indented, what it prints"
    return textwrap.dedent(block).strip("\n") + "\n"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@each_example
def test_it_prints_what_it_says(example: Path, tmp_path: Path) -> None:
    done = python(tmp_path, str(example))

    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.strip("\n") + "\n" == expected(example)


@each_example
def test_it_says_who_answers(example: Path) -> None:
    assert expected(example).startswith("(Rules answer here, not a language model.)\n")


@each_example
def test_it_tells_how_a_model_answers(example: Path, tmp_path: Path) -> None:
    done = python(tmp_path, str(example), "--help")

    assert done.returncode == 0
    assert "--model NAME" in done.stdout


@each_example
def test_its_graph_runs_from_the_command_line_and_continues(example: Path, tmp_path: Path) -> None:
    first, *later = re.findall("^User: (.+)$", expected(example), re.MULTILINE)
    command = ("-m", "agentgraph.cli.app", "run", f"{example}:graph", "--context", "talk.json")

    begun = python(tmp_path, *command, first)
    held = Context.from_json((tmp_path / "talk.json").read_text())
    gone_on = python(tmp_path, *command, "--json", *(later[:1] or [first]))

    assert begun.returncode == 0, begun.stderr
    assert begun.stdout.count("\n") == 1, "stdout holds the answer alone"
    assert (gone_on.returncode, gone_on.stderr) == (0, "")
    result = json.loads(gone_on.stdout)
    assert result["path"][0] == held.agent
    assert len(result["messages"]) > len(held.messages)
    assert Context.from_json((tmp_path / "talk.json").read_text()).turn == held.turn + 1
