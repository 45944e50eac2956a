"""`agentgraph replay` and what writes the traces it reads: exit codes, the summary, and files that are none."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from agentgraph import AgentGraph, AgentRunner, Context, DefinitionError, Entry, RunConfig, SQLiteStore, Trace
from agentgraph.cli.demo import graph as demo
from agentgraph.cli.recordings import files_in, recordings_in
from agentgraph.cli.replay import show_replay
from agentgraph.runtime.recording import record
from tests.unit.test_cli import BALANCE, GRAPH, command, is_one_line, written

SAID = (BALANCE, "hello", "What is the balance of ACC-99?")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A folder of traces, written by the callback."""
    folder = tmp_path / "traces"
    folder.mkdir()
    runner = AgentRunner(demo).on_run_complete(record(folder))
    for text in SAID:
        runner.run(text)
    return folder


def without(folder: Path, gone: str) -> str:
    """The demonstration's graph without the handoffs to `gone`, as a file."""
    graph = AgentGraph("changed")
    for agent in demo.agents.values():
        graph.add_agent(agent.replace(handoffs=()))
    for edge in demo.edges:
        if edge.target != gone:
            graph.add_handoff(edge.source, edge.handoff.replace(target=edge.target))
    graph.save(folder / "changed.yaml")
    return str(folder / "changed.yaml")


def test_every_run_is_recorded_in_a_file_of_its_own(recorded: Path) -> None:
    traces = [Trace.load(file) for file in sorted(recorded.iterdir())]

    assert [trace.contexts[-1].messages[0].text for trace in traces] == list(SAID)
    assert {file.stat().st_mode & 0o777 for file in recorded.iterdir()} == {0o600}


def test_a_folder_that_is_not_there_is_refused_and_one_that_goes_away_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DefinitionError, match="no folder"):
        record(tmp_path / "none")
    folder = tmp_path / "soon gone"
    folder.mkdir()
    runner = AgentRunner(demo).on_run_complete(record(folder))
    folder.rmdir()
    with caplog.at_level(logging.ERROR):
        result = runner.run("hello")

    assert result.succeeded
    assert "callback" in caplog.text


def test_the_same_graph_gives_the_same(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_replay([str(recorded)], GRAPH, "Billing", as_json=False) == 0
    assert capsys.readouterr().out == "3 conversations: 3 the same\n2 reached 'Billing' when they were recorded; 2 still do\n"


def test_a_changed_graph_gives_divergences(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = without(recorded.parent, "Billing")

    assert show_replay([str(recorded)], changed, "Billing", as_json=False) == 1
    told = capsys.readouterr().out
    assert told.startswith("3 conversations: 1 the same, 2 diverge at a handoff to 'Billing' (gone)\n  ")
    assert told.endswith("2 reached 'Billing' when they were recorded; 0 still do, 2 diverge before\n")

    assert show_replay([str(recorded)], changed, "Billing", as_json=True) == 1
    data = json.loads(capsys.readouterr().out)
    assert (data["conversations"], data["same"], data["unreadable"]) == (3, 1, [])
    assert {d["kind"] for d in data["diverged"]} == {"handoff gone"}
    assert data["reaches"] == {"name": "Billing", "recorded": 2, "still": 0, "lost": [d["recording"] for d in data["diverged"]]}
    assert all(Path(d["recording"]).is_file() for d in data["diverged"])


def test_what_cannot_be_read_is_told_and_is_not_the_same(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = next(iter(sorted(recorded.iterdir()))).read_bytes()
    (recorded / "cut.jsonl").write_bytes(whole[:-30])
    (recorded / "deeper").mkdir()
    (recorded / "deeper" / "rows.jsonl").write_bytes(b'{"messages": 5}\nno JSON\n[' + b"[" * 100_000 + b"\n\xff\n\n")
    (recorded / "deeper" / "a.json").write_text("{}")

    assert show_replay([str(recorded)], GRAPH, None, as_json=False) == 2
    told = capsys.readouterr().out.splitlines()

    assert told[0] == "9 conversations: 3 the same, 6 cannot be read"
    assert len(told) == 7
    assert any("cut.jsonl: line " in line for line in told)
    assert any("rows.jsonl:2: it is not JSON" in line for line in told)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_with_nothing_in_it_is_no_conversation_that_went_the_same(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "none.jsonl").write_bytes(content)

    assert show_replay([str(tmp_path)], GRAPH, None, as_json=False) == 2
    assert capsys.readouterr().out.startswith("1 conversation: 0 the same, 1 cannot be read\n")


def test_messages_of_others_and_stored_contexts_are_walked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    context = AgentRunner(demo).run(BALANCE).context
    rows = [
        {"messages": [m.to_openai() for m in context.messages]},
        {"messages": [{"role": "assistant", "name": "Nobody", "content": "hi"}]},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "one.json").write_text(json.dumps(rows[0]["messages"]))
    (tmp_path / "context.json").write_text(context.to_json())

    assert show_replay([str(tmp_path)], GRAPH, "Billing", as_json=True) == 1
    data = json.loads(capsys.readouterr().out)

    assert (data["conversations"], data["same"]) == (6, 4)
    assert {(d["kind"], d["name"], d["event"]) for d in data["diverged"]} == {("agent gone", "Nobody", None)}
    assert data["reaches"]["still"] == 4


@pytest.fixture
def kept(tmp_path: Path) -> SQLiteStore:
    """A store with more conversations than are listed at a time, of which the last cannot be read."""
    store = SQLiteStore(tmp_path / "talks.db")
    runner = AgentRunner(demo)
    for number in range(101):
        runner.conversation(f"c{number:03}", store).run(SAID[number % len(SAID)])
    store.lease("z\n\x1b[2J", "me", 5.0)
    store.append("z\n\x1b[2J", "me", [Entry(0, "", "{}", True, "", under_way=False)], 0.0)
    return store


def test_every_conversation_of_a_store_is_a_recording(kept: SQLiteStore, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{kept.path}"

    assert show_replay([url], without(kept.path.parent, "Billing"), "Billing", as_json=True) == 2
    data = json.loads(capsys.readouterr().out)
    assert (data["conversations"], data["same"], len(data["diverged"])) == (102, 34, 67)
    assert data["reaches"]["lost"] == [f"c{number:03}" for number in range(101) if number % len(SAID) != 1]
    (unread,) = data["unreadable"]
    assert unread["recording"] == r"z\n\u001b[2J"
    assert "step 0 " in unread["why"]


def test_a_store_and_a_folder_in_one_command(kept: SQLiteStore, recorded: Path) -> None:
    kept.delete("z\n\x1b[2J")
    ran = command(kept.path.parent, "replay", "sqlite:///talks.db", str(recorded), "--against", GRAPH)

    assert (ran.returncode, ran.stdout) == (0, "104 conversations: 104 the same\n")


def test_a_file_named_twice_is_replayed_once(recorded: Path) -> None:
    files = files_in([recorded, *recorded.iterdir()])

    assert len(files) == len(SAID)
    assert all(len(list(recordings_in(file))) == 1 for file in files)


def test_wrong_use_is_one_line(recorded: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments in (
        [],
        [str(tmp_path / "none")],
        ["sqlite:///empty.db"],
        [str(recorded), "--against", "nothing.yaml"],
        [str(tmp_path / "none"), "--against", GRAPH],
        [str(empty), "--against", GRAPH],
        [str(recorded), "--against", GRAPH, "--reaches", "Biling"],
        ["--against", GRAPH],
        ["sqlite:///empty.db", "--against", GRAPH],
        ["nosql://user:secret@host", "--against", GRAPH],
    ):
        ran = command(tmp_path, "replay", *arguments)

        assert (ran.returncode, ran.stdout) == (2, ""), arguments
        assert is_one_line(ran.stderr), ran.stderr


def test_a_trace_says_its_target_and_is_never_imported_for_it(recorded: Path, tmp_path: Path) -> None:
    """A file from elsewhere must not run code by naming it."""
    written(tmp_path, "trap.py", "raise SystemExit('ran')\n")
    trace = Trace.load(next(recorded.iterdir()))
    trace.save(tmp_path / "trap.jsonl", target="trap.py:graph")

    ran = command(tmp_path, "replay", "trap.jsonl", "--against", GRAPH)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "1 conversation: 1 the same\n", "")


def test_run_records_turn_behind_turn(tmp_path: Path) -> None:
    for text in SAID:
        ran = command(tmp_path, "run", GRAPH, text, "--context", "c.json", "--trace", "t.jsonl")
        assert ran.returncode == 0, ran.stderr

    trace = Trace.load(tmp_path / "t.jsonl")
    assert [m.text for m in trace.contexts[-1].messages if m.role == "user"] == list(SAID)
    assert trace.contexts[-1] == Context.from_json((tmp_path / "c.json").read_text())
    assert f'"target":"{GRAPH}"' in (tmp_path / "t.jsonl").read_text().splitlines()[0]
    assert command(tmp_path, "replay", "t.jsonl", "--against", GRAPH).returncode == 0


def test_run_refuses_a_trace_of_another_conversation(tmp_path: Path) -> None:
    before = (tmp_path / "t.jsonl", tmp_path / "text.jsonl")
    AgentRunner(demo, RunConfig()).run("hello").trace.save(before[0])
    before[1].write_text("something else\n")
    kept = [file.read_bytes() for file in before]
    for arguments in (["--trace", "t.jsonl"], ["--trace", "text.jsonl"], ["--trace", "none/t.jsonl"]):
        ran = command(tmp_path, "run", GRAPH, "hello", *arguments)

        assert (ran.returncode, ran.stdout) == (2, "")
        assert is_one_line(ran.stderr), ran.stderr
    assert [file.read_bytes() for file in before] == kept


def test_a_pipe_is_shown_no_bar(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_replay([str(recorded)], GRAPH, None, as_json=False)
    assert capsys.readouterr().err == ""


# -- without a graph -----------------------------------------------------------------------------------------------------


def test_without_a_graph_it_says_which_way_they_went(recorded: Path) -> None:
    """Traces, a kept conversation and the messages of others alike."""
    with SQLiteStore(recorded / "talks.db") as store:
        AgentRunner(demo).conversation("ada", store).run(BALANCE)
    asked = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello.", "name": "Triage"}]
    (recorded / "others.json").write_text(json.dumps([{"messages": asked}, {"messages": []}]))

    ran = command(recorded, "replay", ".", "sqlite:///talks.db", "--reaches", "Billing")

    assert ran.returncode == 0
    lines = ran.stdout.splitlines()
    assert lines[0] == "6 conversations: 6 can be read"
    assert lines[1].startswith("  3 went Triage -> Billing: ")
    assert lines[1].endswith(", ada")
    assert lines[2].startswith("  2 went Triage: ")
    assert lines[3] == "  1 went to nobody: others.json:2"
    assert lines[4] == "3 reached 'Billing'"
    assert is_one_line(ran.stderr)


def test_without_a_graph_what_cannot_be_read_is_named(recorded: Path) -> None:
    (recorded / "cut.jsonl").write_bytes(next(recorded.glob("*.jsonl")).read_bytes()[:-10])

    ran = command(recorded, "replay", ".", "--json", "--reaches", "Nobody")

    told = json.loads(ran.stdout)
    assert ran.returncode == 2
    assert (told["conversations"], [row["recording"] for row in told["unreadable"]]) == (4, ["cut.jsonl"])
    assert sorted(row["path"] for row in told["read"]) == [["Triage"], ["Triage", "Billing"], ["Triage", "Billing"]]
    assert told["reaches"] == {"name": "Nobody", "recorded": 0}


def test_of_many_that_went_the_same_way_a_few_are_named(tmp_path: Path) -> None:
    said = {"messages": [{"role": "assistant", "content": "Hello.", "name": "Triage"}]}
    (tmp_path / "many.jsonl").write_text("".join(f"{json.dumps(said)}\n" for _ in range(8)))

    ran = command(tmp_path, "replay", "many.jsonl")

    assert ran.stdout.splitlines()[1].endswith("many.jsonl:4, many.jsonl:5 and 3 more")
