"""What is old is forgotten, what a turn has in hand is not; and how much a store holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from agentgraph import Agent, AgentRunner, Context, Conversation, ScriptedModel, Store, StoreError, open_store
from tests.unit.test_cli import command

HOUR = timedelta(hours=1)
PASSED, TO_COME = datetime.now(UTC) - HOUR, datetime.now(UTC) + timedelta(days=1)


def said(store: Store, *names: str) -> None:
    """A turn in each of these conversations."""
    runner = AgentRunner(Agent("Desk", model=ScriptedModel(["a secret of the user's"] * len(names))))
    for name in names:
        assert runner.conversation(name, store).run("hello").succeeded


def ids(store: Store) -> list[str]:
    return [kept.id for kept in store.list()]


def test_what_was_last_written_before_is_forgotten(store: Store) -> None:
    said(store, "ada", "bob")

    assert store.delete_before(PASSED) == 0
    assert ids(store) == ["ada", "bob"]
    assert store.delete_before(TO_COME) == 2
    assert ids(store) == []
    assert store.entries("ada") == []
    said(store, "ada")
    assert ids(store) == ["ada"]


def test_what_a_turn_has_in_hand_is_kept(store: Store) -> None:
    said(store, "ada", "bob")
    store.lease("bob", "a turn", 60.0)

    assert store.delete_before(TO_COME) == 1
    assert ids(store) == ["bob"]
    store.release("bob", "a turn")
    assert store.delete_before(TO_COME) == 1


def test_more_than_one_lot(store: Store) -> None:
    """Of conversations, and of steps of one."""
    start = Context(data={"k": 1})
    runner: AgentRunner[str] = AgentRunner(Agent("Desk", model=ScriptedModel(["yes"] * 1_200)))
    long: Conversation[str] = runner.conversation("long", store, start)
    for _ in range(20):
        long.run("again")
    said(store, *(f"c{n}" for n in range(30)))

    assert store.delete_before(TO_COME) == 31
    assert store.size().steps == 0


@pytest.mark.parametrize(
    ("time", "why"),
    [
        (datetime(2026, 1, 1), "names no time zone"),  # noqa: DTZ001 - that is the mistake
        ("2026-01-01", "is no time"),
        (1.0e9, "is no time"),
        (None, "is no time"),
    ],
)
def test_a_time_is_one_with_a_zone(store: Store, time: Any, why: str) -> None:
    said(store, "ada")
    with pytest.raises(StoreError, match=why):
        store.delete_before(time)
    assert ids(store) == ["ada"]


def test_zones_are_told_apart(store: Store) -> None:
    """Two hours to the east, the hour that is to come here has passed."""
    said(store, "ada")
    east = timezone(timedelta(hours=2))

    assert store.delete_before((datetime.now(UTC) - HOUR).astimezone(east)) == 0
    assert store.delete_before((datetime.now(UTC) + HOUR).astimezone(east)) == 1


def test_the_size_of_a_store(store: Store) -> None:
    empty = store.size()
    said(store, "ada", "bob")
    held = store.size()

    assert (empty.conversations, empty.steps) == (0, 0)
    assert (held.conversations, held.steps) == (2, len(store.entries("ada")) + len(store.entries("bob")))
    assert held.bytes > 0
    assert held.bytes >= empty.bytes


def test_nothing_of_what_was_old_is_left_in_the_files(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/kept.db") as store:
        said(store, "ada of room 17", "bob")
        store.delete_before(TO_COME)
        left = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert b"a secret" not in left
    assert b"room 17" not in left


def test_from_the_command_line(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/kept.db") as store:
        said(store, "ada", "bob")

    def ran(*words: str, code: int = 0) -> str:
        done = command(tmp_path, "conversations", *words, AGENTGRAPH_STORE="sqlite:///kept.db")
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    tomorrow = f"{TO_COME:%Y-%m-%dT%H:%MZ}"
    assert ran("size").startswith("2 conversations, ")
    refused = ran("delete-before", "30d", code=2)
    assert "0 conversations" in refused
    assert "--yes" in refused
    assert ran("delete-before", "30d", "--yes") == "0 conversations deleted\n"
    assert "2 conversations" in ran("delete-before", tomorrow, code=2)
    assert ran("delete-before", tomorrow, "--yes") == "2 conversations deleted\n"
    assert "such as 30d" in ran("delete-before", "yesterday", "--yes", code=2)
