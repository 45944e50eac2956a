"""Turns through DBOS: each is held once, whatever happens to workers and servers, and DBOS knows nothing of what was said."""

from __future__ import annotations

import os
import pickle
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest
from dbos import DBOS

from agentgraph import AgentRunner, ContextError, DefinitionError, MemoryStore, open_store
from agentgraph.cli.worker import database_of
from agentgraph.integrations.dbos import DBOSExecutor, StillUnderWay
from agentgraph.integrations.once import Outcome
from agentgraph.stores.sql import SQLStore
from tests.stores.cluster import Cluster
from tests.unit.test_cli import command, is_one_line
from tests.waiting import WATCHDOG, until
from tests.workers.desk import graph
from tests.workers.worker import GRAPH, LEASE, done, workers

TURNS, CONVERSATIONS = (500, 50) if os.environ.get("CI") else (40, 8)
CANARY = "canary-7f3a"
RUNNER = AgentRunner(graph)


@contextmanager
def executor_at(database: str) -> Iterator[DBOSExecutor]:
    store = open_store(database)
    assert isinstance(store, SQLStore)
    executor = DBOSExecutor(RUNNER, store, database_url=database_of(store, database), lease=LEASE)
    yield executor
    executor.close()
    store.close()


def submit(executor: DBOSExecutor, count: int) -> dict[str, list[str]]:
    """`count` turns, one conversation after the other; the ids of the turns of each, in order."""
    runs: dict[str, list[str]] = {}
    for number in range(count):
        conversation = f"c{number % CONVERSATIONS}"
        runs.setdefault(conversation, []).append(executor.submit(conversation, f"{CANARY} {number}"))
    return runs


def held_once(executor: DBOSExecutor, runs: dict[str, list[str]], folder: Path) -> int:
    """Every turn is over, once, in order, and nothing that it did to the world was done twice. How many outcomes are unknown."""
    unknown = 0
    for number, (conversation, ids) in enumerate(runs.items()):
        outcomes = [executor.result(run_id, WATCHDOG) for run_id in ids]
        context = RUNNER.conversation(conversation, executor.store).context
        texts = [message.text for message in context.messages if message.role == "user"]
        answers = [message.text for message in context.messages if message.role == "assistant" and message.text]

        assert [outcome.stop_reason for outcome in outcomes] == ["completed"] * len(ids)
        assert texts == [f"{CANARY} {number + CONVERSATIONS * turn}" for turn in range(len(ids))]
        assert answers == [outcome.output for outcome in outcomes]
        lost = [answer for text, answer in zip(texts, answers, strict=True) if answer != f"done: booked {text}"]
        assert all("unknown" in answer for answer in lost)
        unknown += len(lost)
    twice = {line: count for line, count in done(folder).items() if count > 1}
    assert twice == {}
    assert sum(line.startswith("end ") for line in done(folder)) >= sum(map(len, runs.values())) - unknown
    return unknown


def test_a_worker_that_is_killed_is_replaced_by_the_other(database: str, tmp_path: Path) -> None:
    with executor_at(database) as executor, workers(tmp_path, database, 2, "--concurrency", "4") as (one, other):
        assert until(lambda: "is ready" in one.said and "is ready" in other.said)
        runs = submit(executor, TURNS)
        assert until(lambda: sum(line.startswith("end ") for line in done(tmp_path)) >= TURNS // 2)
        one.kill()
        unknown = held_once(executor, runs, tmp_path)

        assert unknown <= 4, "one for each turn that the killed worker had in hand"
        assert other.stop() == 0, other.said


def test_a_server_that_crashes_for_three_seconds_loses_and_doubles_nothing(crashing: Cluster, tmp_path: Path) -> None:
    database = crashing.database()
    with executor_at(database) as executor, workers(tmp_path, database, 2, "--concurrency", "4") as both:
        assert until(lambda: all("is ready" in worker.said for worker in both))
        runs = submit(executor, TURNS)
        assert until(lambda: sum(line.startswith("end ") for line in done(tmp_path)) >= TURNS // 4)
        crashing.crash()
        sleep(3)
        crashing.start()

        assert held_once(executor, runs, tmp_path) == 0
        assert [worker.process.poll() for worker in both] == [None, None]


def test_a_worker_that_is_told_to_stop_finishes_what_it_has_in_hand(database: str, tmp_path: Path) -> None:
    with executor_at(database) as executor, workers(tmp_path, database, 1, "--concurrency", "4") as (first,):
        assert until(lambda: "is ready" in first.said)
        runs = submit(executor, TURNS // 2)
        assert until(lambda: len(done(tmp_path)) > 0)
        code = first.stop()

        assert code == 0
        assert first.said.splitlines()[-1].endswith("has stopped")
        assert "handed back" not in first.said
        begun = {line.removeprefix("begin ") for line in done(tmp_path) if line.startswith("begin ")}
        assert {line.removeprefix("end ") for line in done(tmp_path) if line.startswith("end ")} == begun
        with workers(tmp_path, database, 1):
            assert held_once(executor, runs, tmp_path) == 0


def test_what_was_submitted_before_its_queue_could_be_told_is_held_too(database: str, tmp_path: Path) -> None:
    with executor_at(database) as executor, workers(tmp_path, database, 1):
        executor.store.submit("left", "c", f'"{CANARY}"')  # and here whoever submitted it died

        assert executor.result("left", WATCHDOG).output == f"done: booked {CANARY}"


@pytest.mark.parametrize("held_by", ["a worker that is dead", "the worker that lives"])
def test_what_is_over_and_was_never_said_to_be_keeps_nothing_back(database: str, held_by: str, tmp_path: Path) -> None:
    """DBOS believes that a turn is in hand, and its queue gives nobody another one of that conversation."""
    with executor_at(database) as executor:
        first, second = (executor.submit("c", f"{CANARY} {number}") for number in range(2))
        executor.store.settle(first, Outcome("completed", "done").to_json())
        url = database_of(executor.store, database)
        with workers(tmp_path, database, int(held_by == "the worker that lives")) as alive:
            assert until(lambda: len(executor.store.workers()) == len(alive))
            holder = next(iter(executor.store.workers()), "dead")
            stuck = f"UPDATE {{}}workflow_status SET status = 'PENDING', executor_id = '{holder}' WHERE workflow_uuid = '{first}'"
            assert change_dbos(url, stuck) == 1
            with workers(tmp_path, database, 1):
                assert executor.result(second, WATCHDOG).output == f"done: booked {CANARY} 1"


def test_dbos_has_ids_and_no_words_and_nothing_pickled(database: str, tmp_path: Path) -> None:
    with executor_at(database) as executor, workers(tmp_path, database, 1):
        held_once(executor, submit(executor, 4), tmp_path)
        rows = everything_of_dbos(database_of(executor.store, database))

    assert "agentgraph.turn" in rows
    assert CANARY not in rows
    assert "py_pickle" not in rows


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.file),)


def test_a_pickle_that_was_planted_runs_nothing_and_its_turn_is_held(database: str, tmp_path: Path) -> None:
    trap = tmp_path / "unpickled"
    pickled = b64encode(pickle.dumps({"args": (Trap(trap),), "kwargs": {}})).decode()
    with executor_at(database) as executor:
        run_id = executor.submit("c", CANARY)
        url = database_of(executor.store, database)
        assert change_dbos(url, "UPDATE {}workflow_status SET serialization = 'py_pickle'") == 1
        assert change_dbos(url, f"UPDATE {{}}workflow_input SET inputs = '{pickled}'") == 1
        with workers(tmp_path, database, 1) as (worker,):
            assert executor.result(run_id, WATCHDOG).output == f"done: booked {CANARY}"
            assert worker.stop() == 0, worker.said

    assert not trap.exists()
    pickle.loads(b64decode(pickled))
    assert trap.exists(), "the trap is one"


def change_dbos(url: str, statement: str) -> int:
    """How many rows that has changed; {} stands before the name of a table."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            return file.execute(statement.format("")).rowcount
    with psycopg.connect(url) as connection:
        return connection.execute(statement.format("agentgraph_dbos.")).rowcount


def everything_of_dbos(url: str) -> str:
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            return "\n".join(file.iterdump())
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'agentgraph_dbos'").fetchall()
        return "\n".join(str(connection.execute(f"SELECT * FROM agentgraph_dbos.{name}").fetchall()) for (name,) in tables)


# -- what cannot be meant ------------------------------------------------------------------------------------------------


def test_what_is_not_over_or_not_there(tmp_path: Path) -> None:
    with executor_at(f"sqlite:///{tmp_path}/kept.db") as executor:
        run_id = executor.submit("c", "hello")
        with pytest.raises(StillUnderWay, match="it goes on, so ask again"):
            executor.result(run_id, 0.0)
        RUNNER.conversation("c", executor.store).run("x")
        RUNNER.conversation("c", executor.store).delete()
        with pytest.raises(ContextError, match="there is no turn"):
            executor.result(run_id)
        with pytest.raises(DefinitionError, match="nothing to say"):
            executor.submit("c", "")


def test_what_nobody_can_say_is_refused_when_it_is_submitted(tmp_path: Path) -> None:
    with executor_at(f"sqlite:///{tmp_path}/kept.db") as executor:
        given: Any
        for given in (5, b"hello", object(), {"text": "hello"}, " "):
            with pytest.raises(DefinitionError, match="a run was given"):
                executor.submit("c", given)
        with pytest.raises(ContextError, match="which JSON cannot hold"):
            executor.submit("c", [{"type": "text", "text": float("nan")}])
        with pytest.raises(DefinitionError, match="give seconds, 0 or more"):
            executor.result("any", float("nan"))

        assert list(executor.store.turns_left(0.0)) == []


def test_a_store_that_workers_cannot_share() -> None:
    with pytest.raises(DefinitionError, match="workers share a SQLiteStore on one machine, or a PostgresStore"):
        DBOSExecutor(RUNNER, MemoryStore(), database_url="sqlite:///x.db")  # type: ignore[arg-type]


def test_times_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/kept.db") as store:
        assert isinstance(store, SQLStore)
        for lease in (0, float("inf"), "long"):
            with pytest.raises(DefinitionError, match=r"give seconds, 0.1 or more and at most a year"):
                DBOSExecutor(RUNNER, store, database_url="sqlite:///", lease=lease)  # type: ignore[arg-type]
        with pytest.raises(DefinitionError, match="give seconds, 0 or more and at most a year"):
            DBOSExecutor(RUNNER, store, database_url="sqlite:///").work(grace=float("inf"))


def test_asking_makes_no_dbos_in_this_process_and_working_beside_another_is_refused(tmp_path: Path) -> None:
    """There is one DBOS in a process; a second takes the first one's place for whoever made it, and ignores what it is told."""
    with executor_at(f"sqlite:///{tmp_path}/kept.db") as executor:
        executor.submit("c", "hello")
        DBOS(config={"name": "yours", "system_database_url": f"sqlite:///{tmp_path}/yours.db", "executor_id": "yours"})
        try:
            assert DBOS.executor_id == "yours"
            with pytest.raises(DefinitionError, match="this process has a DBOS of its own already"):
                executor.work()
            assert DBOS.executor_id == "yours"
        finally:
            DBOS.destroy(destroy_registry=True)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--store", "memory:"), "would be gone with this command"),
        (("--store", ""), "no store is named"),
        (("--store", "sqlite:///kept.db", "--concurrency", "0"), "concurrency"),
        (("--store", "sqlite:///kept.db", "--dbos", "sqlite:////nowhere/at/all.db"), "the database of DBOS cannot be used"),
    ],
)
def test_a_worker_that_cannot_work_says_why_in_one_line(tmp_path: Path, options: tuple[str, ...], why: str) -> None:
    done = command(tmp_path, "worker", GRAPH, *options, LEDGER=str(tmp_path / "ledger.txt"))

    assert done.returncode == 2, done.stderr
    assert why in done.stderr
    assert is_one_line(done.stderr)
