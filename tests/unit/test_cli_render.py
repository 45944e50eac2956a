"""`agentgraph render` and `agentgraph diff`, from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import agentgraph
from agentgraph import Agent, AgentGraph
from agentgraph.cli.demo import graph as demo
from tests.unit.test_cli import GRAPH, command, is_one_line, written

APP = """
from agentgraph import Agent, AgentGraph, AgentGroup, AgentRunner

team = AgentGroup("Team", root=Agent("Lead"), members=[Agent("Reader")], handoffs=[("Lead", "Reader")])
desk = AgentGroup("The = Desk", root=Agent("Clerk"))
graph = AgentGraph("app").add_agent(Agent("Start")).add_handoff("Start", team).add_handoff("Start", desk)
runner = AgentRunner(graph)
machine = graph.compile()
lone = Agent("Lone")
"""


@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_mermaid_goes_to_stdout(tmp_path: Path, output: tuple[str, ...]) -> None:
    done = command(tmp_path, "render", GRAPH, *output)

    assert (done.returncode, done.stdout, done.stderr) == (0, demo.to_mermaid(), "")


def test_the_ending_of_the_file_names_the_format(tmp_path: Path) -> None:
    for name in ("a.mmd", "a.md", "a.json", "a.txt", "a.html"):
        done = command(tmp_path, "render", GRAPH, "-o", name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    assert (tmp_path / "a.mmd").read_text() == demo.to_mermaid()
    assert (tmp_path / "a.md").read_text() == f"```mermaid\n{demo.to_mermaid()}```\n"
    assert (tmp_path / "a.json").read_text() == f"{demo.diagram():json}"
    assert (tmp_path / "a.txt").read_text() == demo.to_text()
    assert (tmp_path / "a.html").read_text() == demo.to_html()


def test_every_option_is_that_of_the_diagram(tmp_path: Path) -> None:
    options = {"view": "architecture", "direction": "LR", "tools": "badge", "focus": "Billing", "hops": "1", "title": "Our desk"}
    options |= {"theme": "plain", "ids": "name", "on-large": "error"}
    done = command(tmp_path, "render", GRAPH, *(word for option, value in options.items() for word in (f"--{option}", value)))

    meant = {option.replace("-", "_"): int(value) if option == "hops" else value for option, value in options.items()}
    assert (done.stderr, done.stdout) == ("", demo.to_mermaid(**meant))


def test_groups_are_opened_and_closed_one_by_one(tmp_path: Path) -> None:
    written(tmp_path, "app.py", APP)
    namespace: dict[str, AgentGraph] = {}
    exec(APP, namespace)
    graph = namespace["graph"]

    for words, groups in [
        (["closed"], "closed"),
        (["0"], 0),
        (["Team=closed"], {"Team": "closed"}),
        (["Team=open", "The = Desk=closed"], {"Team": "open", "The = Desk": "closed"}),
    ]:
        done = command(tmp_path, "render", "app.py:graph", *(part for word in words for part in ("--groups", word)))
        assert (done.stderr, done.stdout) == ("", graph.to_mermaid(groups=groups))


def test_runners_machines_agents_groups_and_files_are_drawn(tmp_path: Path) -> None:
    written(tmp_path, "app.py", APP)
    namespace: dict[str, AgentGraph] = {}
    exec(APP, namespace)
    graph = namespace["graph"]
    graph.save(tmp_path / "app.yaml")

    for target in ("app.py:runner", "app.py:machine", "app.yaml"):
        assert command(tmp_path, "render", target).stdout == graph.to_mermaid()
    assert '["Lone"]' in command(tmp_path, "render", "app.py:lone").stdout
    assert '["Reader"]' in command(tmp_path, "render", "app.py:team").stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("no_such_module:graph",),
        (f"{GRAPH}s",),
        ("missing.yaml",),
        (GRAPH, "--view", "upside-down"),
        (GRAPH, "--hops", "-1"),
        (GRAPH, "--hops", "many"),
        (GRAPH, "--focus", "Nobody"),
        (GRAPH, "--theme", "loud"),
        (GRAPH, "--groups", "Team=closed"),
        (GRAPH, "--groups", "ajar"),
        (GRAPH, "--groups", "open", "--groups", "closed"),
        (GRAPH, "-o", "graph.doc"),
        (GRAPH, "-o", "no/such/folder.mmd"),
        (GRAPH, "--sideways"),
        (),
    ],
)
def test_wrong_use_is_one_line_and_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command(tmp_path, "render", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)
    assert not list(tmp_path.iterdir())


# -- diff ------------------------------------------------------------------------------------------------------------------


def changed() -> AgentGraph:
    new = AgentGraph.from_digraph(demo.digraph)
    return new.add_agent(Agent("Refunds")).add_handoff("Billing", "Refunds")


def test_differences_are_1_and_none_is_0(tmp_path: Path) -> None:
    demo.save(tmp_path / "old.json")
    changed().save(tmp_path / "new.json")

    same = command(tmp_path, "diff", "old.json", GRAPH)
    other = command(tmp_path, "diff", "old.json", "new.json")

    assert (same.returncode, same.stdout, same.stderr) == (0, "no difference\n", "")
    assert (other.returncode, other.stdout, other.stderr) == (1, f"{agentgraph.diff(demo, changed())}\n", "")
    assert "added agent Refunds\n" in other.stdout


def test_a_difference_is_json_and_a_picture(tmp_path: Path) -> None:
    changed().save(tmp_path / "new.json")

    done = command(tmp_path, "diff", GRAPH, "new.json", "--json", "-o", "both.mmd")

    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["agents_added"] == ["Refunds"]
    assert (tmp_path / "both.mmd").read_text() == AgentGraph.load(tmp_path / "new.json").to_mermaid(compare=demo)


@pytest.mark.parametrize(
    "arguments", [(GRAPH,), (GRAPH, "missing.json"), (GRAPH, GRAPH, "-o", "both.doc"), (GRAPH, GRAPH, "-o", "no/both.mmd")]
)
def test_a_difference_that_cannot_be_told_is_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command(tmp_path, "diff", *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)
