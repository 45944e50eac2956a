"""`agentgraph conversations`, and turns that are kept in a store, from outside."""

from __future__ import annotations

import json
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentgraph import Agent, AgentRunner, ScriptedModel, SQLiteStore
from tests.unit.test_cli import ANSWER, BALANCE, GRAPH, command, is_one_line

URL = "sqlite:///talks.db"
HOSTILE = "a\n\x1b[2Jb\u202e客服 '\"--"


def ran(folder: Path, *arguments: str, code: int = 0) -> str:
    done = command(folder, *arguments, AGENTGRAPH_STORE=URL)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def said(folder: Path, text: str, id: str = "ada") -> str:
    return ran(folder, "run", GRAPH, text, "--conversation", id)


def chatted(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "agentgraph.cli.app", "chat", GRAPH, "--store", URL, "--conversation", "ada"],
        cwd=folder,
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def listed(folder: Path, *arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in ran(folder, "conversations", "list", *arguments, "--json").splitlines()]


def shown(folder: Path, id: str, *arguments: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(ran(folder, "conversations", "show", id, *arguments, "--json"))
    return read


def test_a_conversation_goes_on_in_run_and_in_chat(tmp_path: Path) -> None:
    assert said(tmp_path, BALANCE) == ANSWER
    talk = chatted(tmp_path, "I am told 1234")

    assert talk.returncode == 0
    assert talk.stdout.startswith("Going on with Billing, 1 turn")
    assert shown(tmp_path, "ada") | {"steps": None} == {
        "id": "ada",
        "seq": 9,
        "phase": "waiting",
        "agent": "Billing",
        "turn": 2,
        "steps": None,
        "data": {"last_account": "ACC-17"},
        "facts": ["verified"],
        "pending": [],
    }


def test_it_is_shown_step_by_step(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)

    assert ran(tmp_path, "conversations", "show", "ada").splitlines() == [
        f"1  user: {BALANCE}",
        '2  [Triage] calls handoff_to_billing(reason="a question about money")',
        "   handoff_to_billing -> The conversation was handed off to Billing.",
        '3  [Billing] calls check_balance(account_id="ACC-17")',
        '4  check_balance -> {"account_id": "ACC-17", "balance": "1,250.00", "currency": "USD"}',
        f"5  Billing: {ANSWER.strip()}",
        "5 steps, 1 turn; it is the user's turn",
    ]


@pytest.mark.parametrize("seq", [0, 3])
def test_a_fork_is_the_conversation_as_it_was_there(tmp_path: Path, seq: int) -> None:
    said(tmp_path, BALANCE)

    assert ran(tmp_path, "conversations", "fork", "ada", str(seq), "branch") == "branch\n"
    then, branch = shown(tmp_path, "ada", "--at", str(seq)), shown(tmp_path, "branch")
    names = ("phase", "agent", "turn", "data", "facts", "pending")
    assert [branch[name] for name in names] == [then[name] for name in names]
    assert (then["seq"], branch["seq"]) == (seq, 0)
    assert [row["id"] for row in listed(tmp_path)] == ["ada", "branch"]


def test_a_turn_that_was_left_is_taken_up(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)
    ran(tmp_path, "conversations", "fork", "ada", "2", "left")  # Billing's model has not answered

    assert [row["state"] for row in listed(tmp_path)] == ["over", "unfinished"]
    assert ran(tmp_path, "conversations", "resume", GRAPH, "left") == ANSWER
    assert [row["state"] for row in listed(tmp_path)] == ["over", "over"]
    assert "nothing to take up" in ran(tmp_path, "conversations", "resume", GRAPH, "left", code=2)


def test_a_turn_that_was_left_is_cancelled(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)
    ran(tmp_path, "conversations", "fork", "ada", "2", "left")

    assert ran(tmp_path, "conversations", "cancel", GRAPH, "left") == "cancelled\n"
    assert [row["state"] for row in listed(tmp_path)] == ["over", "over"]
    assert ran(tmp_path, "conversations", "cancel", GRAPH, "left") == "no turn is in hand\n"
    assert "no conversation" in ran(tmp_path, "conversations", "cancel", GRAPH, "nobody", code=2)


@pytest.mark.parametrize(
    ("option", "answer"), [("--approve", "$10.00 is on its way to you."), ("--deny", "I am sorry, I may not do that.")]
)
def test_a_call_that_waits_for_a_person_is_answered_by_its_id(tmp_path: Path, option: str, answer: str) -> None:
    said(tmp_path, BALANCE)
    said(tmp_path, "I am told 1234")
    asked = command(tmp_path, "run", GRAPH, "Refund me!", "--conversation", "ada", AGENTGRAPH_STORE=URL)
    (pending,) = shown(tmp_path, "ada")["pending"]

    assert pending["name"] == "refund"
    assert (asked.stdout, asked.returncode) == ("", 0)  # nobody has answered
    assert f"agentgraph: a person is to allow refund(amount=10), id {pending['id']}\n" in asked.stderr
    assert "no call 'nope' is pending" in ran(tmp_path, "conversations", "resume", GRAPH, "ada", option, "nope", code=2)
    assert ran(tmp_path, "conversations", "resume", GRAPH, "ada", option, pending["id"]) == f"{answer}\n"


def test_what_is_deleted_is_gone_and_only_when_it_is_meant(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)

    assert "ada and its 5 steps would be gone for ever; say --yes" in ran(tmp_path, "conversations", "delete", "ada", code=2)
    assert len(listed(tmp_path)) == 1
    ran(tmp_path, "conversations", "delete", "ada", "--yes")
    assert listed(tmp_path) == []


def test_a_list_is_read_in_pages(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "talks.db") as store:
        runner = AgentRunner(Agent("A", model=ScriptedModel(["hi"] * 5)))
        for name in ("b2", "a1", "b1", "b3", "c"):
            runner.conversation(name, store).run("hi")

    assert [row["id"] for row in listed(tmp_path, "b", "--limit", "2")] == ["b1", "b2"]
    assert [row["id"] for row in listed(tmp_path, "b", "--after", "b2")] == ["b3"]
    done = command(tmp_path, "conversations", "list", "--limit", "2", "--store", URL)
    assert done.stderr == "agentgraph: there may be more; go on with --after b1\n"


def test_a_shell_reads_the_id_that_a_list_goes_on_with(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "talks.db") as store:
        runner = AgentRunner(Agent("A", model=ScriptedModel(["hi"] * 2)))
        for name in ("it's $HOME", "next"):
            runner.conversation(name, store).run("hi")

    told = command(tmp_path, "conversations", "list", "--limit", "1", "--store", URL).stderr

    assert shlex.split(told.partition("--after ")[2]) == ["it's $HOME"]


def test_an_id_can_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    said(tmp_path, BALANCE, HOSTILE)
    plain = ran(tmp_path, "conversations", "list")
    missing = ran(tmp_path, "conversations", "show", HOSTILE + "!", code=2)

    assert plain.count("\n") == 1
    assert plain.endswith("  a\\n\\u001b[2Jb\\u202e客服 '\\\"--\n")
    assert is_one_line(missing)
    assert "\x1b" not in missing
    assert listed(tmp_path)[0]["id"] == HOSTILE
    assert shown(tmp_path, HOSTILE)["turn"] == 1
    ran(tmp_path, "conversations", "delete", HOSTILE, "--yes")
    assert listed(tmp_path) == []


def test_what_was_said_can_look_like_nobody_else_and_do_nothing_to_a_terminal(tmp_path: Path) -> None:
    said(tmp_path, "hello\nBilling: you are rich\x1b[2J")
    lines = ran(tmp_path, "conversations", "show", "ada").splitlines()

    assert lines[:2] == ["1  user: hello", "         Billing: you are rich\\u001b[2J"]


@pytest.mark.parametrize("name", ["/undo", "/new", "/load talk.json"])
def test_a_chat_does_not_lead_away_from_its_store(tmp_path: Path, name: str) -> None:
    said(tmp_path, BALANCE)
    talk = chatted(tmp_path, name)

    assert talk.returncode == 1
    assert "agentgraph conversations fork" in talk.stderr
    assert shown(tmp_path, "ada")["seq"] == 5


READING = [
    ("conversations", "list"),
    ("conversations", "show", "ada"),
    ("conversations", "fork", "ada", "0"),
    ("conversations", "resume", GRAPH, "ada"),
    ("conversations", "delete", "ada", "--yes"),
    ("replay", URL, "--against", GRAPH),
]


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_what_reads_a_store_makes_none(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    told = ran(tmp_path, *arguments, code=2)

    assert is_one_line(told)
    assert f"there is no file '{tmp_path}/talks.db'" in told
    assert "did you mean" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_missing_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)
    before = sorted(tmp_path.iterdir())

    assert "did you mean 'talks.db'?" in ran(tmp_path, "conversations", "list", "--store", "sqlite:///tlaks.db", code=2)
    assert "did you mean 'talks.db'?" in ran(tmp_path, "replay", "sqlite:///talks", "--against", GRAPH, code=2)
    assert sorted(tmp_path.iterdir()) == before


def test_a_chat_makes_its_store(tmp_path: Path) -> None:
    assert chatted(tmp_path, BALANCE).returncode == 0
    assert [row["id"] for row in listed(tmp_path)] == ["ada"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("conversations", "list", "--store", "memory:"), "would be gone with this command"),
        (("conversations", "list", "--store", "mysql://x"), "there is no store at"),
        (("conversations", "list", "--store", ""), "no store is named"),
        (("run", GRAPH, "hi", "--conversation", "x", "--store", ""), "no store is named"),
        (("run", GRAPH, "hi", "--conversation", "x", "--context", "f.json"), "two places for one conversation"),
        (("run", GRAPH, "hi", "--conversation", ""), "a conversation has the id ''"),
        (("conversations", "show", "nobody"), "there is no conversation"),
        (("conversations", "fork", "nobody", "0"), "there is no conversation"),
        (("conversations", "delete", "nobody", "--yes"), "there is no conversation"),
        (("conversations", "resume", GRAPH, "nobody"), "there is no conversation"),
        (("conversations", "show", "kept", "--at", "1"), "kept has no step 1; it has steps 0 to 0"),
        (("conversations", "fork", "kept", "1"), "has no step 1"),
        (("conversations", "fork", "kept", "0", "kept"), "kept"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    with SQLiteStore(tmp_path / "talks.db") as store:
        runner = AgentRunner(Agent("A", model=ScriptedModel(["hi"])))
        runner.conversation("first", store).run("hi")
        runner.conversation("first", store).fork(0, "kept")
    told = ran(tmp_path, *arguments, code=2)

    assert is_one_line(told)
    assert why in told


@pytest.mark.long
def test_what_was_deleted_while_somebody_read_is_cleaned_by_deleting_it_again(tmp_path: Path) -> None:
    said(tmp_path, BALANCE)
    with closing(sqlite3.connect(tmp_path / "talks.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM agentgraph_steps").fetchone()

        assert "what was deleted is gone" in ran(tmp_path, "conversations", "delete", "ada", "--yes", code=2)
        assert listed(tmp_path) == []

    assert "there is no conversation" in ran(tmp_path, "conversations", "delete", "ada", "--yes", code=2)
    assert not any(b"ACC-17" in file.read_bytes() for file in tmp_path.iterdir())
