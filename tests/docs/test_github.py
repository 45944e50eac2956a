"""The recipes of docs/github.md for checking and locking, typed as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.document import blocks, shell

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "github.md").read_text(encoding="utf-8")

DESK = """
from agentgraph import Agent, AgentGraph, Tool

verify = Tool(name="verify_identity", sets=frozenset(["verified"]))
refund = Tool(name="refund", requires=frozenset(["verified"]))
graph = AgentGraph("desk", human="Person")
graph.add_agent(Agent("Triage", tools=(verify,))).add_agent(Agent("Returns", tools=(refund,))).add_agent(Agent("Person"))
graph.add_handoff("Triage", "Returns").add_handoff("Triage", "Person").add_handoff("Returns", "Person")

"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository with the desk that the document speaks of, and its policies as they are written there."""
    (policies,) = (block.text for block in blocks(DOCUMENT) if block.kind == "py" and block.text.startswith("# app/desk.py"))
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "desk.py").write_text(DESK + policies, encoding="utf-8")
    return tmp_path


def commands(word: str) -> list[str]:
    """What the YAML of the document runs with `agentgraph <word>`: steps, and hooks."""
    steps = [row for block in blocks(DOCUMENT) if block.kind == "yaml" for row in yaml.safe_load(block.text)]
    repos = [
        repo
        for block in blocks(DOCUMENT)
        if block.kind == "yaml" and "repos:" in block.text
        for repo in yaml.safe_load(block.text)["repos"]
    ]
    typed = [step["run"] for step in steps if isinstance(step, dict)] + [hook["entry"] for repo in repos for hook in repo["hooks"]]
    return [command for command in typed if command.startswith(f"agentgraph {word}")]


def test_a_desk_is_locked_and_held_to_it(folder: Path) -> None:
    (lock,) = set(re.findall(r"`(agentgraph lock [^`]+:\w+)`", DOCUMENT))
    (check,) = set(commands("check"))
    locked, kept = shell(lock, folder), shell(check, folder)
    desk = folder / "app" / "desk.py"
    desk.write_text(desk.read_text().replace(', requires=frozenset(["verified"])', ""))
    loosened = shell(check, folder)

    assert (locked.returncode, kept.returncode, loosened.returncode) == (0, 0, 1), locked.stderr + kept.stderr
    assert "loosened: refund can be reached without verify_identity before\n  path: enter Triage -> " in loosened.stdout


def test_there_is_a_hook_for_each_command_of_the_document() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))

    assert {hook["entry"] for hook in hooks} == {"agentgraph docs", "agentgraph check"}
    for hook in hooks:
        assert commands(hook["entry"].removeprefix("agentgraph ")), "the document uses it"
        assert hook["language"] == "system"
