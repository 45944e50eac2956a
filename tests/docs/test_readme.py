"""README.md does what it says.

Conventions, for whoever writes it:

- Every block fenced as ```python runs, in order, in one namespace; `await` may stand at the top level. What it prints is
  not looked at. A block that is not to run is fenced otherwise (```py, ```text).
- In every block fenced as ```console or ```sh, a line that starts with `$ ` is a command; a backslash at its end
  continues it. Commands that begin with `agentgraph ` run, in the order of the document, and must exit with 0; where lines
  follow in the block, they must be exactly what it prints: stdout alone, or stderr and then stdout, as a terminal shows
  a run of `agentgraph run`. A line `...` stands for any lines. Other commands (`make ...`, `pip ...`, `python ...`) are not run.
- Blocks and commands share one empty folder, with copies of README.md, examples/ and diagrams/ in it: what one block
  saves, the next may read, and nothing of the repository is written to.
- Nothing may need a network or a key.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.document import Block, blocks, execute, fits, shell, typed

ROOT = Path(__file__).parents[2]


def follow(text: str, name: str, folder: Path) -> None:
    """Do what a document says, in order."""
    module = sys.modules[name] = ModuleType(name)  # dataclasses and pydantic look their module up
    try:
        for block in blocks(text):
            if block.kind == "python":
                execute(block, module, name)
            elif block.kind in ("console", "sh"):
                type_in(block, name, folder)
    finally:
        del sys.modules[name]


def type_in(block: Block, name: str, folder: Path) -> None:
    for command, expected, line in typed(block):
        if not command.startswith("agentgraph "):
            continue
        done = shell(command, folder)
        together = done.stderr + done.stdout
        shown = f"{name}:{line}: $ {command}\n{together}"
        assert done.returncode == 0, f"exit code {done.returncode}: {shown}"
        if expected:
            assert fits(done.stdout, expected) or fits(together, expected), f"{shown}\nis not what the document shows:\n{expected}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("examples", "diagrams"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme(folder: Path) -> None:
    follow((ROOT / "README.md").read_text(encoding="utf-8"), "README.md", folder)


# -- that the above would notice -----------------------------------------------------------------------------------------

SAMPLE = """\
Text with ```python in it.

```python
from agentgraph.cli.demo import graph
```

Between.

```python
async def told() -> str:
    return graph.name

name = await told()
```

```console
$ pip install nothing-that-exists
Collecting ...
$ agentgraph run agentgraph.cli.demo:graph \\
    "What is the balance of ACC-18?"
[Triage] hands over to Billing: a question about money
...
The balance of ACC-18 is $0.00.

$ agentgraph demo
```
"""


def test_a_true_document_passes(folder: Path) -> None:
    follow(SAMPLE, "sample", folder)


@pytest.mark.parametrize(
    ("said", "changed", "why"),
    [
        ("is $0.00.", "is $9.99.", "is not what the document shows"),
        ("hands over to Billing: a question about money\n...", "hands over to Billing: a question about money", "is not what"),
        ("agentgraph demo", "agentgraph dema", r"exit code 2: sample:25: \$ agentgraph dema"),
    ],
)
def test_a_false_output_is_noticed(folder: Path, said: str, changed: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        follow(SAMPLE.replace(said, changed), "sample", folder)


def test_a_block_that_fails_is_noticed_with_its_line(folder: Path) -> None:
    with pytest.raises(AttributeError) as caught:
        follow(SAMPLE.replace("return graph.name", "return graph.nome"), "sample", folder)

    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == ("sample", 11)


def test_reading_a_document() -> None:
    found = list(blocks(SAMPLE))

    assert [(block.kind, block.line) for block in found] == [("python", 4), ("python", 10), ("console", 17)]
    assert [(each.line, each.printed.count("\n")) for each in typed(found[2])] == [(17, 0), (19, 2), (25, 0)]
