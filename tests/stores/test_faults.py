"""What every fault of a store comes to: one clear error, what it holds as it was, and a conversation that goes on."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agentgraph import (
    Agent,
    AgentRunner,
    Context,
    Entry,
    RunConfig,
    RunResult,
    ScriptedModel,
    SQLiteStore,
    Store,
    StoreError,
    call,
    open_store,
    tool,
)
from agentgraph.errors import Damaged
from agentgraph.stores.postgres import PostgresStore
from tests.stores.between import Between, failing
from tests.stores.cluster import Cluster
from tests.stores.test_writers import at_once
from tests.waiting import WATCHDOG, until


def runner(*replies: Any, **config: Any) -> AgentRunner:
    @tool
    def look(what: str) -> str:
        return what

    return AgentRunner(Agent("Desk", tools=(look,)), RunConfig(model=ScriptedModel(list(replies)), **config))


def said(context: Context) -> list[str]:
    return [message.text for message in context.messages]


def sqlite(tmp_path: Path) -> SQLiteStore:
    return SQLiteStore(tmp_path / "kept.db")


# -- at every point ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point", ["before lease", "after lease", *(f"{side} append {seq}" for seq in range(1, 5) for side in ("before", "after"))]
)
def test_a_store_that_fails_once_fails_one_turn(store: Store, point: str) -> None:
    """The result has the error, and its context is what was kept; the next turn goes on there."""
    result = runner(call("look", what="x"), "done").conversation("c", failing(store, point), lease=0.1).run("go")
    conversation = runner("and now").conversation("c", store, wait=WATCHDOG)
    before = len(conversation.history())

    assert isinstance(result.error, StoreError)
    assert result.stop_reason == "error"
    assert len(result.trace) == (before if point.startswith("before") or "lease" in point else before - 1)
    assert conversation.run("next").output == "and now"
    assert len(conversation.history()) == before + 2


@pytest.mark.parametrize("point", ["before release", "after release"])
def test_a_lease_that_cannot_be_given_back_runs_out(store: Store, point: str) -> None:
    with runner("done").conversation("c", failing(store, point), lease=0.1).stream("go") as left:
        next(left)

    assert runner("next").conversation("c", store, wait=WATCHDOG).run("go").output == "next"


def test_a_lease_that_cannot_be_renewed_is_had_until_another_takes_it(store: Store) -> None:
    tried = threading.Event()

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point == "before renew":
            tried.set()
            raise StoreError("the store failed before renew")

    def slow(request: Any) -> str:
        assert tried.wait(WATCHDOG)
        assert until(lambda: (store.list()[0].leased or 0) <= 0)
        return "done"

    assert runner(slow).conversation("c", Between(store, at), lease=0.1).run("go").output == "done"


# -- a file --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"this is no database, whatever it is called" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "kept.db"
    file.write_bytes(content)

    with pytest.raises(StoreError, match="cannot be used"):
        SQLiteStore(file)

    assert file.read_bytes() == content


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="unable to open database file"):
        SQLiteStore(tmp_path / "missing" / "kept.db")


def change(url: str, statement: str, *values: Any) -> None:
    """Somebody else at work in the database."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as file:
            file.execute(statement, values)
    else:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute(statement.replace("?", "%s"), values)


def test_a_newer_version_is_refused_and_nothing_touched(database: str) -> None:
    with open_store(database) as store:
        runner("a").conversation("c", store).run("one")
    change(database, "UPDATE agentgraph_schema SET version = 99")

    with pytest.raises(StoreError, match=r"has tables of version 99, and this library knows 4: upgrade it"):
        open_store(database)

    change(database, "UPDATE agentgraph_schema SET version = 4")
    with open_store(database) as store:
        assert said(runner().conversation("c", store).context) == ["one", "a"]


DAMAGE: dict[str, tuple[str, Callable[[str], str]]] = {
    "cut off": ("state", lambda text: text[: len(text) // 2]),
    "no JSON": ("event", lambda text: "\x01" + text),
    "another type": ("state", lambda text: "[1]"),
    "NaN": ("messages", lambda text: text.replace('"', "NaN", 1)),
    "a pickle": ("state", lambda text: '{"py/object": "os.system"}'),
    "an event nobody knows": ("event", lambda text: '{"type": "Imagined"}'),
    "a newer version": ("state", lambda text: json.dumps({**json.loads(text), "v": 99})),
    "a message of no role": ("messages", lambda text: '[{"role": "emperor"}]'),
    "deep": ("state", lambda text: "[" * 100_000),
}


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_step(database: str, damage: str, checked: bool) -> None:
    """It is named, those before it are read, and it is left as it is; also where no checksum says that it is damaged."""
    column, spoil = DAMAGE[damage]
    with open_store(database) as store:
        held = runner("a", "b", "c", "d")
        conversation = held.conversation("c", store)
        for word in ("one", "two", "three"):
            conversation.run(word)
        good = conversation.history()
        step = next(entry for entry in reversed(store.entries("c")) if entry.whole or damage != "a newer version")
        change(
            database,
            f"UPDATE agentgraph_steps SET {column} = ? WHERE conversation = ? AND seq = ?",
            spoil(getattr(step, column)),
            "c",
            step.seq,
        )
        if not checked:
            change(database, "UPDATE agentgraph_steps SET checksum = NULL")
        spoilt = list(store.entries("c"))

        with pytest.raises(StoreError, match=rf"step {step.seq} of the conversation 'c' cannot be read"):
            conversation.history()
        result = held.conversation("c", store).run("four")

        if checked or column != "event":  # what happened is not needed to go on
            assert isinstance(result.error, StoreError)
            assert isinstance(result.error, Damaged) == (checked or damage != "a newer version")
            assert list(store.entries("c")) == spoilt
        assert [conversation.at(seq) for seq in range(step.seq)] == list(good.contexts[: step.seq])
        assert runner("on").conversation(conversation.fork(step.seq - 1).id, store).run("go").output == "on"


def test_what_was_said_long_ago_is_read_when_it_is_looked_at(store: Store) -> None:
    held = runner(*"abcdef")
    conversation = held.conversation("c", store)
    results = [conversation.run(word) for word in ("one", "two", "three", "four")]
    assert len(store.latest("c")) < len(store.entries("c"))

    context = held.conversation("c", store).context

    assert (len(context.messages), context.turn) == (8, 4)
    assert context == results[-1].context
    assert [message.text for message in context.messages[-2:]] == ["four", "d"]


def test_what_was_said_long_ago_cannot_be_read_of_a_conversation_that_is_gone(store: Store) -> None:
    """Nor is what was said in another one of the same name taken for it."""
    held = runner(*"abcdefgh")
    conversation = held.conversation("c", store)
    for word in ("one", "two", "three", "four"):
        conversation.run(word)
    gone, replaced = conversation.context, conversation.context
    looked_at = conversation.context
    assert looked_at.messages[0].text == "one"

    conversation.delete()
    with pytest.raises(StoreError, match="it was deleted or changed meanwhile"):
        said(gone)
    for word in ("five", "six", "seven", "eight"):
        conversation.run(word)
    with pytest.raises(StoreError, match="it was deleted or changed meanwhile"):
        said(replaced)

    assert said(looked_at)[:2] == ["one", "a"]
    assert (gone.agent, gone.turn) == ("Desk", 4)


CHANGES: dict[str, tuple[int, tuple[str, ...]]] = {
    "the text of a message": (5, ("SET messages = replace(messages, 'three', 'seven') WHERE conversation = 'c' AND seq = 5",)),
    "a state without anything": (6, ("SET state = '{}' WHERE conversation = 'c' AND seq = 6",)),
    "a beginning that is none": (0, ("SET whole = 0, state = '{}' WHERE conversation = 'c' AND seq = 0",)),
    "no message": (4, ("SET messages = '' WHERE conversation = 'c' AND seq = 4",)),
    "a flag": (5, ("SET under_way = 0 WHERE conversation = 'c' AND seq = 5",)),
    "another writer": (5, ("SET writer = 'somebody' WHERE conversation = 'c' AND seq = 5",)),
    "another checksum": (5, ("SET checksum = checksum + 1 WHERE conversation = 'c' AND seq = 5",)),
    "an event of another conversation": (
        5,
        (
            "SET event = (SELECT event FROM agentgraph_steps WHERE conversation = 'd' AND seq = 5), checksum = (SELECT checksum FROM agentgraph_steps WHERE conversation = 'd' AND seq = 5) WHERE conversation = 'c' AND seq = 5",
        ),
    ),
    "the events of two steps, swapped": (
        4,
        (
            "SET state = event WHERE conversation = 'd' AND seq = 1",
            "SET event = (SELECT event FROM agentgraph_steps WHERE conversation = 'c' AND seq = 4) WHERE conversation = 'd' AND seq = 1",
            "SET event = (SELECT event FROM agentgraph_steps WHERE conversation = 'c' AND seq = 6) WHERE conversation = 'c' AND seq = 4",
            "SET event = (SELECT event FROM agentgraph_steps WHERE conversation = 'd' AND seq = 1) WHERE conversation = 'c' AND seq = 6",
        ),
    ),
    "two steps, swapped": (
        4,
        (
            "SET seq = 99 WHERE conversation = 'c' AND seq = 4",
            "SET seq = 4 WHERE conversation = 'c' AND seq = 6",
            "SET seq = 6 WHERE conversation = 'c' AND seq = 99",
        ),
    ),
    "a step swapped with that of another conversation": (
        5,
        (
            "SET conversation = 'nobody' WHERE conversation = 'c' AND seq = 5",
            "SET conversation = 'c' WHERE conversation = 'd' AND seq = 5",
            "SET conversation = 'd' WHERE conversation = 'nobody' AND seq = 5",
        ),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_step_that_was_changed_and_looks_right(database: str, what: str) -> None:
    """Nobody goes on from what was not said."""
    seq, statements = CHANGES[what]
    with open_store(database) as store:
        for name in ("c", "d"):
            held = runner(*(f"{answer} in {name}" for answer in "abc")).conversation(name, store)
            for word in ("one", "two", "three"):
                held.run(word)
        conversation = runner("d").conversation("c", store)
        good = conversation.history()
        for statement in statements:
            change(database, f"UPDATE agentgraph_steps {statement}")
        spoilt = list(store.entries("c"))

        with pytest.raises(Damaged, match=rf"step {seq} of the conversation 'c' cannot be read: it is not what was written"):
            conversation.history()
        assert isinstance(conversation.run("four").error, Damaged)
        with pytest.raises(Damaged):
            said(conversation.context)
        assert list(store.entries("c")) == spoilt
        assert [conversation.at(n) for n in range(seq)] == list(good.contexts[:seq])
        if seq:
            assert runner("on").conversation(conversation.fork(seq - 1).id, store).run("go").output == "on"


@pytest.mark.parametrize("column", ["event", "state", "messages", "writer"])
def test_a_bit_that_flips(column: str, tmp_path: Path) -> None:
    """Also one after which it is no text."""
    with sqlite(tmp_path) as store:
        url = f"sqlite:///{store.path}"
        conversation = runner("a").conversation("c", store)
        conversation.run("one")
        ((kept,),) = store._read(f"SELECT {column} FROM agentgraph_steps WHERE seq = 1")
        for bit in range(0, 8 * len(kept), 13):
            spoilt = bytearray(kept.encode())
            spoilt[bit // 8] ^= 1 << bit % 8
            change(url, f"UPDATE agentgraph_steps SET {column} = CAST(? AS TEXT) WHERE seq = 1", bytes(spoilt))

            with pytest.raises(Damaged, match=r"step 1 of the conversation 'c' cannot be read: it is not what was written; at\(0\)"):
                conversation.history()
            assert conversation.at(0).messages == ()

        change(url, f"UPDATE agentgraph_steps SET {column} = ? WHERE seq = 1", kept)
        assert said(conversation.context) == ["one", "a"]


def test_steps_of_before_there_were_checksums_are_read_unchecked_and_those_behind_them_are_not(database: str) -> None:
    with open_store(database) as store:
        runner("a").conversation("c", store).run("one")
    for table, column in (("steps", "checksum"), ("conversations", "holder"), ("conversations", "lasts")):
        change(database, f"ALTER TABLE agentgraph_{table} DROP COLUMN {column}")
    change(database, "UPDATE agentgraph_schema SET version = 2")

    with open_store(database) as store:
        conversation = runner("b").conversation("c", store)
        assert said(conversation.context) == ["one", "a"]
        assert conversation.run("two").output == "b"

        change(database, "UPDATE agentgraph_steps SET messages = replace(messages, '\"a\"', '\"z\"') WHERE seq = 2")
        assert said(conversation.context) == ["one", "z", "two", "b"]
        change(database, "UPDATE agentgraph_steps SET messages = replace(messages, '\"b\"', '\"z\"') WHERE seq = 4")
        with pytest.raises(Damaged, match="step 4 of the conversation 'c' cannot be read"):
            conversation.history()


def test_states_that_do_not_count_what_was_said_before_are_read(database: str) -> None:
    """As they were written before contexts were read without their messages."""
    with open_store(database) as store:
        held = runner(*"abcde")
        results = [held.conversation("c", store).run(word) for word in ("one", "two", "three", "four")]
        whole = [entry for entry in store.entries("c") if entry.whole]
        for entry in whole:
            state = json.loads(entry.state)
            del state["messages"]
            change(database, "UPDATE agentgraph_steps SET state = ?, checksum = NULL WHERE seq = ?", json.dumps(state), entry.seq)
        assert len(whole) > 1

        assert held.conversation("c", store).context == results[-1].context
        assert held.conversation("c", store).run("five").output == "e"


def test_a_step_that_is_missing(database: str) -> None:
    with open_store(database) as store:
        conversation = runner("a", "b").conversation("c", store)
        begun = conversation.run("one").trace.contexts[0]
        change(database, "DELETE FROM agentgraph_steps WHERE seq = 1")

        for read in (conversation.history, lambda: conversation.context, lambda: conversation.at(2)):
            with pytest.raises(Damaged, match=r"step 1 of the conversation 'c' cannot be read: it is missing; at\(0\) still gives"):
                read()
        assert conversation.at(0) == begun


def test_a_last_step_that_is_missing(database: str) -> None:
    """Nothing is written behind a gap, and nobody is told to wait for another turn."""
    with open_store(database) as store:
        runner("a").conversation("c", store).run("one")
        change(database, "DELETE FROM agentgraph_steps WHERE seq = 2")

        result = runner("b").conversation("c", store).run("two")

        assert isinstance(result.error, Damaged)
        assert "step 2 of the conversation 'c' cannot be read: it is missing; at(1) still gives" in str(result.error)
        assert len(store.entries("c")) == 2


@pytest.mark.parametrize("key", ['a"b', "\u00e9", r"\u0063"])
def test_an_id_that_nobody_can_have(database: str, key: str) -> None:
    with open_store(database) as store:
        runner("a").conversation("c", store).run("one")
        change(database, "UPDATE agentgraph_conversations SET id = ?", key)

        with pytest.raises(StoreError, match="which was not written by this library"):
            store.list()


def test_an_id_that_is_no_text(tmp_path: Path) -> None:
    with sqlite(tmp_path) as store:
        runner("a").conversation("c", store).run("one")
        change(f"sqlite:///{store.path}", "UPDATE agentgraph_conversations SET id = CAST(? AS TEXT)", b"\xff")

        with pytest.raises(StoreError, match="which was not written by this library"):
            store.list()


@pytest.mark.parametrize("column", ["seq", "updated"])
def test_a_row_of_another_type(column: str, tmp_path: Path) -> None:
    with sqlite(tmp_path) as store:
        runner("a").conversation("c", store).run("one")
        change(f"sqlite:///{store.path}", f"UPDATE agentgraph_conversations SET {column} = 'last'")

        with pytest.raises(StoreError, match="in a row that was not written by this library"):
            store.list()
        if column == "seq":
            assert isinstance(runner("b").conversation("c", store).run("two").error, StoreError)


def test_a_version_that_is_no_number(tmp_path: Path) -> None:
    with sqlite(tmp_path) as store:
        change(f"sqlite:///{store.path}", "UPDATE agentgraph_schema SET version = 'last'")

    with pytest.raises(StoreError, match="cannot be used"):
        sqlite(tmp_path)


# -- a server ------------------------------------------------------------------------------------------------------------


def test_a_connection_that_breaks_in_mid_turn_is_not_noticed(postgres: Cluster) -> None:
    url = postgres.database()
    with open_store(url) as store:

        @tool
        def cut() -> str:
            change(
                url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
            return "cut"

        held = AgentRunner(Agent("Desk", tools=(cut,)), RunConfig(model=ScriptedModel([call("cut"), call("cut"), "done"])))
        result = held.conversation("c", store).run("go")

        assert (result.output, result.error) == ("done", None)
        assert held.conversation("c", store).context == result.context


@pytest.mark.long
def test_a_server_that_crashes_for_three_seconds_under_load_is_not_noticed(crashing: Cluster) -> None:
    results: list[RunResult] = []
    with open_store(crashing.database()) as store:

        def hold(n: int) -> None:
            held = runner(call("look", what=str(n)), call("look", what=str(n)), "done")
            results.append(held.conversation(str(n), store).run("go"))

        threads = [threading.Thread(target=hold, args=(n,)) for n in range(60)]
        for thread in threads[:30]:
            thread.start()
        crashing.crash()
        for thread in threads[30:]:
            thread.start()
        time.sleep(3)
        crashing.start()
        for thread in threads:
            thread.join()

        assert [result.error for result in results] == [None] * 60
        assert [len(store.entries(str(n))) for n in range(60)] == [7] * 60


def test_a_server_that_is_away_is_not_waited_for_to_give_back_a_lease(crashing: Cluster) -> None:
    """A turn ends when it ends; the lease runs out."""
    with open_store(crashing.database()) as store:
        with runner("done").conversation("c", store, lease=0.1).stream("go") as left:
            next(left)
            crashing.crash()
            ended = time.monotonic()
        took = time.monotonic() - ended
        crashing.start()

        assert took < 10
        assert runner("on").conversation("c", store, wait=WATCHDOG).run("go on").output == "on"


def test_a_lease_is_given_back_to_a_server_that_was_started_anew(crashing: Cluster) -> None:
    """The connections are those of before, and broken."""
    with open_store(crashing.database()) as store:
        with runner("done").conversation("c", store).stream("go") as left:
            next(left)
            crashing.crash()
            crashing.start()

        assert [kept.leased for kept in store.list()] == [None]


def test_several_threads_close_a_store_at_once(postgres: Cluster) -> None:
    """And others go on using it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with open_store(postgres.database()) as store:
            assert isinstance(store, PostgresStore)
            for _ in range(30):
                with ExitStack() as stack:  # all connections are open at once, and then free
                    for _ in range(8):
                        stack.enter_context(store._transaction(writing=False))
                at_once([store.close, store.close, store.close, store.list])
            assert list(store.list()) == []
    finally:
        sys.setswitchinterval(before)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        open_store(f"postgresql://agentgraph@/nothing?host={tmp_path}")
