"""What a store promises, of each store."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
import traceback
from contextlib import closing
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest

from agentgraph import Conflict, DefinitionError, Entry, Store, StoreError, open_store
from agentgraph.stores.postgres import PostgresStore
from agentgraph.stores.sqlite import SQLiteStore
from tests.waiting import WATCHDOG, until

A, B = "turn a", "turn b"
LEASE = 30.0


def entry(seq: int, text: str = "{}") -> Entry:
    return Entry(seq, text, text, seq == 0, "", under_way=seq % 2 == 1)


def filled(store: Store, conversation: str, steps: int = 3, owner: str = A) -> None:
    store.lease(conversation, owner, LEASE)
    for seq in range(steps):
        store.append(conversation, owner, [entry(seq)], LEASE)
    store.release(conversation, owner)


def test_what_was_written_is_read(store: Store) -> None:
    store.lease("c", A, LEASE)
    store.append("c", A, [entry(0), entry(1, '"\\u0000\\ud800"')], LEASE)
    store.append("c", A, [entry(2)], LEASE)

    assert list(store.entries("c")) == [entry(0), entry(1, '"\\u0000\\ud800"'), entry(2)]
    assert list(store.entries("c", 1, 1)) == [entry(1, '"\\u0000\\ud800"')]
    assert list(store.entries("other")) == []


@pytest.mark.parametrize("seq", [0, 2, 4])
def test_a_row_is_added_only_behind_the_last(store: Store, seq: int) -> None:
    filled(store, "c")
    store.lease("c", B, LEASE)

    with pytest.raises(Conflict) as caught:
        store.append("c", B, [entry(seq, '"mine"')], LEASE)

    assert (caught.value.conversation, caught.value.expected, caught.value.actual) == ("c", seq - 1, 2)
    assert list(store.entries("c")) == [entry(0), entry(1), entry(2)]


def test_who_writes_again_what_was_written_is_told_that_it_is(store: Store) -> None:
    """An answer may be lost on its way."""
    store.lease("c", A, LEASE)
    store.append("c", A, [entry(0), entry(1)], LEASE)
    store.append("c", A, [entry(0), entry(1)], LEASE)

    assert len(store.entries("c")) == 2


def test_a_conversation_has_one_owner(store: Store) -> None:
    mine = store.lease("c", A, LEASE)
    others = store.lease("c", B, LEASE)
    again = store.lease("c", A, LEASE)

    assert (mine.owner, others.owner, again.owner) == (A, A, A)
    assert mine.seq == others.seq == -1
    assert 0 < others.seconds <= LEASE
    store.release("c", B)
    assert store.lease("c", B, LEASE).owner == A
    store.release("c", A)
    assert store.lease("c", B, LEASE).owner == B


def test_a_lease_that_ran_out_is_anybodys_and_its_owner_writes_no_more(store: Store) -> None:
    store.lease("c", A, 0.05)
    store.append("c", A, [entry(0)], 0.05)

    assert until(lambda: store.lease("c", B, LEASE).owner == B)
    assert store.renew("c", A, LEASE) is False
    with pytest.raises(Conflict, match="taken the conversation over"):
        store.append("c", A, [entry(1)], LEASE)
    store.append("c", B, [entry(1)], LEASE)


def test_the_last_step_gives_the_lease_back(store: Store) -> None:
    store.lease("c", A, LEASE)
    store.append("c", A, [entry(0)], 0.0)
    store.append("c", A, [entry(0)], 0.0)

    assert store.list()[0].leased is None
    with pytest.raises(Conflict):
        store.append("c", A, [entry(1)], LEASE)
    assert store.lease("c", B, LEASE).owner == B


def test_a_renewed_lease_lasts_and_so_does_one_that_writes(store: Store) -> None:
    store.lease("c", A, 0.05)
    assert store.renew("c", A, LEASE) is True
    store.lease("d", A, 0.05)
    store.append("d", A, [entry(0)], LEASE)
    store.lease("begun after them", A, 0.05)
    assert until(lambda: store.lease("begun after them", B, LEASE).owner == B)

    assert [store.lease(name, B, LEASE).owner for name in "cd"] == [A, A]


def test_of_eight_who_ask_at_once_one_is_the_owner(store: Store) -> None:
    barrier, owners = Barrier(8), []

    def ask(owner: str) -> None:
        barrier.wait()
        owners.append(store.lease("c", owner, LEASE).owner)

    threads = [Thread(target=ask, args=(f"turn {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(owners) == 8
    assert len(set(owners)) == 1


HOSTILE = [
    "'; DROP TABLE agentgraph_steps; --",
    'a"b',
    "nul\x00",
    "lone \ud800",
    "客服 \U0001f680",
    "%",
    "_",
    "a\\b",
    "line\nline",
    " ",
    "\x7f",
]


def test_hostile_ids_are_kept_as_they_are(store: Store) -> None:
    for name in HOSTILE:
        filled(store, name, steps=1)

    listed = [found.id for found in store.list()]
    assert sorted(listed, key=HOSTILE.index) == HOSTILE
    assert [[found.id for found in store.list(prefix=name)] for name in HOSTILE] == [[name] for name in HOSTILE]
    assert all(store.delete(name) for name in HOSTILE)
    assert list(store.list()) == []


@pytest.mark.parametrize("given", ["", None, 3, "x" * 10_000, "\x00" * 200])
def test_an_id_that_cannot_be_kept_is_refused_with_the_reason(store: Store, given: Any) -> None:
    with pytest.raises(StoreError, match=r"give a text that is not empty|an index of 1,000 at most"):
        store.lease(given, A, LEASE)


def test_two_halves_of_a_character_are_not_another_id_of_the_same_conversation(store: Store) -> None:
    filled(store, "\U0001f680")

    with pytest.raises(StoreError, match="two halves of one character; give the character"):
        store.entries("\ud83d\ude80")


def test_more_than_there_can_be_is_all_there_is(store: Store) -> None:
    filled(store, "c")

    assert len(store.entries("c", 0, 10**30)) == 3
    assert len(store.list(limit=10**30)) == 1


@pytest.mark.parametrize("limit", [None, -1, True, 2.0, "2"])
def test_a_list_of_no_length_is_refused_with_what_to_give(store: Store, limit: Any) -> None:
    filled(store, "c")

    with pytest.raises(StoreError, match=r"conversations were asked for with limit=.*; give an int, 0 or more"):
        store.list(limit=limit)
    assert list(store.list(limit=0)) == []


@pytest.mark.parametrize("given", [{"prefix": None}, {"prefix": 0}, {"prefix": b""}, {"after": None}, {"after": "x" * 10_000}])
def test_a_list_of_ids_that_cannot_be_is_refused(store: Store, given: Any) -> None:
    with pytest.raises(StoreError, match=r"give a text|an index of 1,000 at most"):
        store.list(**given)


@pytest.mark.parametrize("last", [None, *range(-4, 5)])
def test_steps_are_read_from_the_first_to_the_last(store: Store, last: int | None) -> None:
    filled(store, "c")

    for first in range(-4, 5):
        meant = [entry(seq) for seq in range(3) if first <= seq <= (2 if last is None else last)]
        assert list(store.entries("c", first, last)) == meant


def test_they_are_listed_in_pages(store: Store) -> None:
    names = [f"room/{n:02}" for n in range(7)]
    for name in [*names, "lobby"]:
        filled(store, name)
    store.lease("nobody has spoken here", A, LEASE)
    store.lease("room/03", B, LEASE)

    first = store.list("room/", limit=4)
    rest = store.list("room/", after=first[-1].id)

    assert [found.id for found in [*first, *rest]] == names
    assert [found.id for found in store.list()] == ["lobby", *names]
    assert {(found.seq, found.under_way) for found in first} == {(2, False)}
    assert [found.leased is not None for found in first] == [False, False, False, True]
    assert all(abs(found.updated - time.time()) < 60 for found in first)


def test_one_that_is_deleted_is_gone_and_may_begin_anew(store: Store) -> None:
    filled(store, "c")
    born = store.lease("c", B, LEASE).born

    assert store.delete("c") is True
    assert store.delete("c") is False
    assert list(store.entries("c")) == []
    with pytest.raises(Conflict, match="was deleted"):
        store.append("c", B, [entry(3)], LEASE)
    assert store.lease("c", "turn c", LEASE).born != born


def test_a_closed_store_opens_again(store: Store) -> None:
    filled(store, "c")
    store.close()

    assert len(store.entries("c")) == 3


def test_another_process_sees_what_was_committed(database: str) -> None:
    one, other = open_store(database), open_store(database)
    filled(one, "c")

    assert list(other.entries("c")) == list(one.entries("c"))
    assert repr(one) == repr(other)
    one.close()
    other.close()


def test_what_is_opened_to_be_read_is_not_made(database: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no file|holds no conversations"):
        open_store(database, create=False)
    assert list(tmp_path.iterdir()) == []

    with open_store(database) as made:
        filled(made, "c")
    with open_store(database, create=False) as read:
        assert len(read.entries("c")) == 3
        filled(read, "d")


@pytest.mark.parametrize("content", [b"", b"of another program"])
def test_a_file_of_others_is_not_made_a_store_to_be_read(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "others.db"
    file.touch()
    if content:
        with closing(sqlite3.connect(file)) as others:
            others.execute("CREATE TABLE theirs (n INTEGER)")
    before = file.read_bytes()

    with pytest.raises(StoreError, match=r"others\.db holds no conversations"):
        open_store(f"sqlite:///{file}", create=False)

    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_store_that_was_taken_away_is_not_made_anew_to_be_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    open_store(url).close()
    with open_store(url, create=False) as store:
        store.close()
        (tmp_path / "kept.db").unlink()

        with pytest.raises(StoreError, match="there is no file"):
            store.list()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["\x00", "%00", "\ud800", "a" * 10_000, "missing/file.db"])
def test_a_path_that_no_file_can_have_is_not_there(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="there is no file"):
        open_store(f"sqlite:///{path}", create=False)


@pytest.mark.parametrize("url", ["", "file.db", "sqlite://file.db", "sqlite:///", "mysql://localhost/x", "memory", "memory:x", 3, None])
def test_a_url_that_means_no_store_is_refused_with_those_that_do(url: Any) -> None:
    with pytest.raises(DefinitionError, match=r"give 'memory:', 'sqlite:///relative.db'"):
        open_store(url)


def test_what_sqlite_calls_a_file_in_memory_is_none_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError, match=r"give open_store\('memory:'\)"):
        open_store("sqlite:///:memory:")

    assert list(tmp_path.iterdir()) == []


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(DefinitionError) as caught:
        open_store("mysql://ada:swordfish@localhost/x")

    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://ada:sword%fish@localhost/x", "postgresql://h/x?sword=fish", "postgresql://\ud800"])
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(DefinitionError, match="give 'postgresql://user@host/database'") as caught:
        open_store(url)

    assert "sword" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("path", ["\x00", "%00", "\ud800", "a" * 10_000, "missing/file.db", "."])
def test_a_path_that_no_file_can_have(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(f"sqlite:///{path}")


def test_what_is_no_path_no_url_and_no_number_of_connections() -> None:
    for given in (None, 3, b"file.db"):
        with pytest.raises(DefinitionError, match="give a text or a Path"):
            SQLiteStore(given)  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="a URL that cannot be read"):
            PostgresStore(given)  # type: ignore[arg-type]
    for connections in (0, -1, None, True):
        with pytest.raises(DefinitionError, match="give an int, 1 or more"):
            PostgresStore("postgresql://localhost/x", connections)  # type: ignore[arg-type]


def test_a_relative_path_is_of_the_folder_it_was_opened_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///a%20b.db"):
        pass

    assert (tmp_path / "a b.db").exists()


def test_psycopg_is_asked_for_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(DefinitionError, match=r'pip install "agentgraph-fsm\[postgres\]"'):
        open_store("postgresql://localhost/x")


FORKING = """
import os, sys
from agentgraph import Agent, AgentRunner, RunConfig, ScriptedModel, open_store

store = open_store(sys.argv[1])
runner = AgentRunner(Agent("Desk"), RunConfig(model=ScriptedModel(["one", "two", "three"])))
conversation = runner.conversation("c", store, wait=30)
assert conversation.run("hello").output == "one"
child = os.fork()
result = conversation.run("child" if child == 0 else "parent")
if child == 0:
    os._exit(0 if result.error is None else 1)
assert os.waitpid(child, 0)[1] == 0
assert result.error is None, result.error
said = [message.text for message in conversation.run("again").messages if message.role == "user"]
assert sorted(said) == ["again", "child", "hello", "parent"], said
store.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_and_its_parent_each_have_a_connection(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, database], capture_output=True, text=True, timeout=WATCHDOG, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
