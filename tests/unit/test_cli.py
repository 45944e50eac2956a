"""The command line, from outside: exit codes, one line per error, the answer alone on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentgraph import Context
from agentgraph.cli.demo import graph as demo_graph

GRAPH = "agentgraph.cli.demo:graph"
BALANCE = "What is the balance of ACC-17?"
ANSWER = "The balance of ACC-17 is $1,250.00.\n"

UNICODE = """
from agentgraph import Agent, AgentGraph, KeywordModel, call, tool

@tool
def suche(wort: str) -> str:
    return f"gefunden: {wort} 日本"

rules = KeywordModel().after("suche", lambda found: found + " 🙂").when("grüezi", call("suche", wort="übung"))
graph = AgentGraph("ü").add_agent(Agent("Zürich 日本", tools=(suche,), model=rules))
"""

FAILING = """
from agentgraph import Agent, AgentGraph, ScriptedModel

graph = AgentGraph("g").add_agent(Agent("A", model=ScriptedModel([RuntimeError("the provider\\nis away")])))
"""


def command(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`agentgraph` with these arguments, in `folder`."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "agentgraph.cli.app", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def is_one_line(said: str) -> bool:
    return said.startswith("agentgraph: ") and said.count("\n") == 1 and said.endswith("\n") and len(said) < 500


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return name


# -- fine: 0 -------------------------------------------------------------------------------------------------------------


def test_demo_needs_nothing_and_says_that_rules_answer(tmp_path: Path) -> None:
    done = command(tmp_path, "demo")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Offline demonstration: rules answer here, not a language model.")
    assert "[Triage] hands over to Billing" in done.stdout
    assert done.stdout.endswith(f"\nBilling: {ANSWER}")


def test_the_answer_alone_is_on_stdout_and_the_way_to_it_on_stderr(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, BALANCE)

    assert (done.returncode, done.stdout) == (0, ANSWER)
    assert [line.partition("(")[0].partition(":")[0] for line in done.stderr.splitlines()] == [
        "[Triage] hands over to Billing",
        "[Billing] calls check_balance",
        '[Billing] check_balance -> {"account_id"',
    ]


def test_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, BALANCE, "--json")

    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert (result["output"], result["path"], result["error"]) == (ANSWER.strip(), ["Triage", "Billing"], None)
    assert result["messages"][0] == {"role": "user", "content": BALANCE}


def test_a_tool_that_fails_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, "What is the balance of ACC-99?")

    assert (done.returncode, done.stdout) == (0, "I could not find that account. Is the number right?\n")
    assert "[Billing] check_balance -> error: LookupError: there is no account ACC-99" in done.stderr


def test_a_context_file_carries_the_conversation_on(tmp_path: Path) -> None:
    first = command(tmp_path, "run", GRAPH, BALANCE, "--context", "talk.json")
    second = command(tmp_path, "run", GRAPH, "And what do I owe?", "--context", "talk.json", "--json")

    assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(second.stdout)["path"] == ["Billing"]
    stored = (tmp_path / "talk.json").read_text(encoding="ascii")
    assert Context.from_json(stored).turn == 2
    assert [m.text for m in Context.from_json(stored).messages if m.role == "user"] == [BALANCE, "And what do I owe?"]


@pytest.mark.parametrize("target", ["triage", "graph", "made.runner"])
def test_agents_graphs_and_runners_can_be_named(tmp_path: Path, target: str) -> None:
    name = written(
        tmp_path,
        "desk.py",
        "from agentgraph import AgentRunner\nfrom agentgraph.cli.demo import graph, triage\nclass made:\n    runner = AgentRunner(graph)\n",
    )

    assert command(tmp_path, "run", f"{name}:{target}", "hello").stdout == "Hello! Ask me about a bill, an invoice or a balance.\n"


def test_a_file_may_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    written(tmp_path, "inner/neighbour_of_desk.py", "from agentgraph.cli.demo import graph\n")
    written(tmp_path, "inner/desk.py", "from neighbour_of_desk import graph\n")

    assert command(tmp_path, "run", "inner/desk.py:graph", BALANCE).stdout == ANSWER


def test_unicode_passes_through(tmp_path: Path) -> None:
    done = command(tmp_path, "run", written(tmp_path, "desk.py", UNICODE) + ":graph", "Grüezi 🙂", "--context", "ü.json")

    assert (done.returncode, done.stdout) == (0, "gefunden: übung 日本 🙂\n")
    assert '[Zürich 日本] calls suche(wort="übung")' in done.stderr
    assert Context.from_json((tmp_path / "ü.json").read_text(encoding="ascii")).agent == "Zürich 日本"


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("demo", "--help")])
def test_help(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command(tmp_path, *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: agentgraph" in done.stdout


# -- a run that failed: 1 ------------------------------------------------------------------------------------------------


def test_a_failed_run_is_one_line_and_keeps_what_was_said(tmp_path: Path) -> None:
    done = command(tmp_path, "run", written(tmp_path, "desk.py", FAILING) + ":graph", "Hello?", "--context", "talk.json")

    assert (done.returncode, done.stdout) == (1, "")
    assert is_one_line(done.stderr)
    assert "RuntimeError: the provider is away" in done.stderr
    assert [m.text for m in Context.from_json((tmp_path / "talk.json").read_text()).messages] == ["Hello?"]


def test_a_failed_run_as_json_says_so_in_the_object_too(tmp_path: Path) -> None:
    done = command(tmp_path, "run", written(tmp_path, "desk.py", FAILING) + ":graph", "Hello?", "--json")

    assert done.returncode == 1
    assert is_one_line(done.stderr)
    result = json.loads(done.stdout)
    assert (result["output"], result["stop_reason"]) == (None, "error")
    assert "the provider" in result["error"]


def test_a_topology_without_code_is_not_run(tmp_path: Path) -> None:
    demo_graph.save(tmp_path / "desk.json")

    done = command(tmp_path, "run", "desk.json", "Hello?")

    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert is_one_line(done.stderr)


# -- wrong use: 2 --------------------------------------------------------------------------------------------------------

MODULES = {
    "raises.py": 'raise RuntimeError("two\\nlines")\n',
    "syntax.py": "x = (\n",
    "imports.py": "import a_module_that_is_missing\n",
    "desk.py": "from agentgraph.cli.demo import graph, rules\n_hidden = graph\n",
    "uncompiled.py": "from agentgraph import Agent, AgentGraph\ngraph = AgentGraph('g').add_agent(Agent('A')).add_handoff('A', 'Biling')\n",
    "broken.json": "{",
    "list.json": "[]",
}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("a_module_that_is_missing:graph", "No module named 'a_module_that_is_missing'"),
        ("agentgraph.nowhere.at_all:graph", "agentgraph.nowhere"),
        ("missing.py:graph", "there is no file 'missing.py'"),
        ("missing.json", "missing.json"),
        ("agentgraph.cli.demo:grahp", "it has triage, billing, graph"),
        ("desk.py:grahp", "it has graph"),
        ("desk.py:graph.nope", "'graph.nope'"),
        ("desk.py:_hidden", "public"),
        ("desk.py:graph()", "public"),
        ("desk.py:rules", "KeywordModel"),
        ("desk.py", "module:attribute"),
        (":graph", "module:attribute"),
        ("not a module:graph", "not the name of a module"),
        ("raises.py:graph", "RuntimeError: two lines"),
        ("syntax.py:graph", "SyntaxError"),
        ("imports.py:graph", "a_module_that_is_missing"),
        ("uncompiled.py:graph", "'Biling', which is not in the graph"),
        ("broken.json", "broken.json"),
        ("list.json", "list.json"),
        (".:graph", "."),
    ],
)
def test_a_wrong_target_is_told_in_one_line(tmp_path: Path, target: str, told: str) -> None:
    for name, text in MODULES.items():
        written(tmp_path, name, text)

    done = command(tmp_path, "run", target, "Hello?")

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert is_one_line(done.stderr), done.stderr
    assert told in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nope",),
        ("run",),
        ("run", GRAPH),
        ("run", GRAPH, "Hello?", "more"),
        ("run", GRAPH, "Hello?", "--nope"),
        ("run", GRAPH, "Hello?", "--model"),
        ("run", GRAPH, "Hello?", "--json=yes"),
        ("demo", "more"),
    ],
    ids=" ".join,
)
def test_wrong_options_are_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = command(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert is_one_line(done.stderr), done.stderr


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"agentgraph_context": 999}', b"[" * 100_000],
    ids=lambda damaged: repr(damaged[:20]),
)
def test_a_damaged_context_is_told_in_one_line_and_kept(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "talk.json").write_bytes(damaged)

    done = command(tmp_path, "run", GRAPH, "Hello?", "--context", "talk.json")

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert is_one_line(done.stderr), done.stderr
    assert (tmp_path / "talk.json").read_bytes() == damaged


def test_a_truncated_context_is_told_in_one_line_and_kept(tmp_path: Path) -> None:
    command(tmp_path, "run", GRAPH, BALANCE, "--context", "talk.json")
    whole = (tmp_path / "talk.json").read_text()
    written(tmp_path, "talk.json", whole[: len(whole) // 2])

    done = command(tmp_path, "run", GRAPH, "Hello?", "--context", "talk.json")

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)
    assert (tmp_path / "talk.json").read_text() == whole[: len(whole) // 2]


def test_a_context_that_is_a_folder_is_told_in_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, "Hello?", "--context", ".")

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)


def test_a_context_of_another_topology_is_refused_and_kept(tmp_path: Path) -> None:
    other = Context(agent="Sales", fingerprint="0" * 16, messages=[{"role": "user", "content": "Hi"}]).to_json()
    written(tmp_path, "talk.json", other)

    done = command(tmp_path, "run", GRAPH, "Hello?", "--context", "talk.json")

    assert done.returncode != 0
    assert "'Sales'" in done.stderr.splitlines()[-1]
    assert (tmp_path / "talk.json").read_text().strip() == other


def test_a_context_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, "hello", "--context", "no/such/folder/talk.json")

    assert done.returncode == 2
    assert is_one_line(done.stderr)


def test_an_empty_text_is_wrong_use(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, "  ")

    assert (done.returncode, done.stdout) == (2, "")
    assert is_one_line(done.stderr)
    assert "UserSaid" not in done.stderr


def test_a_file_that_exits_is_told_in_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "run", written(tmp_path, "leaves.py", "import sys\nsys.exit(0)\n") + ":graph", "Hello?")

    assert done.returncode == 2
    assert is_one_line(done.stderr)


def test_nothing_at_all_shows_the_help_as_help_looks(tmp_path: Path) -> None:
    done = command(tmp_path)

    assert done.returncode == 2
    assert "\n  run " in done.stdout + done.stderr


# -- output that goes nowhere --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [("demo",), ("run", GRAPH, BALANCE), ("run", GRAPH, BALANCE, "--json"), ("--help",)], ids=" ".join)
def test_a_closed_pipe_is_nobodys_error(tmp_path: Path, arguments: tuple[str, ...], unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "agentgraph.cli.app", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            stdout=writing,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)

    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
    assert done.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "agentgraph.cli.app", "run", GRAPH, BALANCE, "--json"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    assert done.returncode != 0
    assert is_one_line(done.stderr), done.stderr


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_a_terminal_that_knows_ascii_alone_is_shown_what_it_can(tmp_path: Path, as_json: tuple[str, ...]) -> None:
    desk = written(tmp_path, "desk.py", UNICODE)

    done = command(tmp_path, "run", f"{desk}:graph", "Grüezi", *as_json, PYTHONIOENCODING="ascii")

    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "gefunden" in done.stdout


@pytest.mark.skipif(os.name != "posix", reason="bytes as arguments are a habit of POSIX")
def test_bytes_that_are_no_text_are_no_crash(tmp_path: Path) -> None:
    done = command(tmp_path, "run", GRAPH, os.fsdecode(b"hello \xff"), "--json")

    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
