"""Connections to PostgreSQL that are interrupted, or that nothing comes back on; and ctrl-C, wherever a turn is."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agentgraph import Agent, AgentRunner, DefinitionError, RunConfig, ScriptedModel, StoreError, call, tool
from agentgraph.stores.postgres import PostgresStore
from tests.stores.cluster import Cluster
from tests.stores.silence import Network, network
from tests.waiting import WATCHDOG

LEAST = 5  # seconds that an answer is given, however little patience there is
BOUND = 4 * LEAST  # a turn asks, gives back, and connects for both; the processor may be elsewhere


@pytest.fixture
def between(postgres: Cluster) -> Any:
    with network(postgres.folder) as silent:
        yield silent


def opened(between: Network, postgres: Cluster, patience: float = 1, connections: int = 10) -> PostgresStore:
    return PostgresStore(between.url(postgres.database()), connections, patience=patience)


def are_idle(store: PostgresStore) -> bool:
    return all(connection.is_idle for connection in store._free) and store._places._value == store._most


# -- ctrl-C ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["a", "b"])
def test_a_turn_that_is_interrupted_anywhere_leaves_nothing_that_the_next_has_to_wait_for(database: str, seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.stores.interrupted", database, seed, "40"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_connection_that_was_interrupted_is_closed_and_that_one_alone(postgres: Cluster) -> None:
    with PostgresStore(postgres.database()) as store:
        with store._transaction(writing=False), store._transaction(writing=False):
            pass
        _, used = store._free
        for writing in (True, False):
            with pytest.raises(KeyboardInterrupt), store._transaction(writing=writing) as execute:
                execute("SELECT 1")
                raise KeyboardInterrupt
            assert used.closed
            assert are_idle(store)
            used = store._free[-1] if store._free else used
        assert list(store.list()) == []
        assert are_idle(store)


def test_a_question_that_was_refused_leaves_its_connection_as_it_was(postgres: Cluster) -> None:
    with PostgresStore(postgres.database()) as store:
        (used,) = store._free
        for writing in (True, False):
            with pytest.raises(psycopg.errors.UndefinedTable), store._transaction(writing=writing) as execute:
                execute("SELECT 1 FROM nowhere")
        assert store._free == [used]
        assert are_idle(store)


def test_who_is_interrupted_waiting_for_a_silent_server_waits_no_longer(between: Network, postgres: Cluster) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with opened(between, postgres, patience=WATCHDOG) as store:
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            between.fall_silent()
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.2)
                store.list()
        finally:
            signal.signal(signal.SIGALRM, before)
            between.go_on()
        assert list(store.list()) == []
        assert are_idle(store)


# -- silence ---------------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_server_that_falls_silent_in_mid_turn_ends_it_and_it_goes_on_when_it_is_back(between: Network, postgres: Cluster) -> None:
    @tool
    def note() -> str:
        between.fall_silent()
        return "noted"

    with opened(between, postgres) as store:
        held = AgentRunner(Agent("Desk", tools=(note,)), RunConfig(model=ScriptedModel([call("note"), "done"])))
        conversation = held.conversation("c", store)
        began = time.monotonic()
        result = conversation.run("go")
        took = time.monotonic() - began

        assert isinstance(result.error, StoreError)
        assert str(result.error).endswith("; what it holds is as it was")
        assert took < BOUND
        between.go_on()
        assert conversation.resume().output == "done"
        assert [message.outcome for message in conversation.context.messages if message.role == "tool"] == ["unknown"]
        assert are_idle(store)


@pytest.mark.long
def test_a_server_that_is_silent_is_not_waited_for_by_the_threads_that_renew_and_give_back(between: Network, postgres: Cluster) -> None:
    with opened(between, postgres) as store:
        assert store.lease("c", "owner", 30).owner == "owner"
        between.fall_silent()
        for ask in (lambda: store.renew("c", "owner", 30), lambda: store.release("c", "owner")):
            began = time.monotonic()
            errors: list[StoreError] = []

            def asked(ask: Any = ask, errors: Any = errors) -> None:
                try:
                    ask()
                except StoreError as error:
                    errors.append(error)

            thread = threading.Thread(target=asked)
            thread.start()
            thread.join(WATCHDOG)
            assert len(errors) == 1
            assert time.monotonic() - began < BOUND


def test_what_waits_in_the_server_is_ended_there(postgres: Cluster) -> None:
    """Else each attempt would leave one behind, until it takes no more."""
    url = postgres.database()
    with PostgresStore(url, patience=1) as store, psycopg.connect(url) as other:
        other.execute("LOCK TABLE agentgraph_conversations")
        with pytest.raises(StoreError, match="statement timeout"):
            store.list()
        (waiting,) = other.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone() or (None,)
        assert waiting == 0
        other.rollback()
        assert list(store.list()) == []


@pytest.mark.long
def test_connections_that_are_all_in_use_are_waited_for_no_longer_than_an_answer(postgres: Cluster) -> None:
    refused = pytest.raises(StoreError, match="all 1 connections are in use; open it with connections=2")
    with PostgresStore(postgres.database(), 1, patience=1) as store, store._transaction(writing=False), refused:
        store.list()


# -- what is said to a server ------------------------------------------------------------------------------------------------


def shown(store: PostgresStore, name: str) -> str:
    ((value,),) = store._read(f"SHOW {name}")
    return str(value)


def kernel(store: PostgresStore) -> tuple[str, str]:
    """What a connection was opened with."""
    said = store._free[0].info.get_parameters()
    return said["tcp_user_timeout"], said["connect_timeout"]


def test_the_url_goes_before_what_is_said_by_default(between: Network, postgres: Cluster) -> None:
    url = between.url(postgres.database())
    with PostgresStore(url) as store:
        assert (shown(store, "statement_timeout"), shown(store, "idle_in_transaction_session_timeout")) == ("30s", "30s")
        assert kernel(store) == ("10000", "5")
    with PostgresStore(f"{url}&options=-c%20statement_timeout%3D7s&tcp_user_timeout=20000&connect_timeout=9") as store:
        assert (shown(store, "statement_timeout"), shown(store, "idle_in_transaction_session_timeout")) == ("7s", "30s")
        assert kernel(store) == ("20000", "9")


def test_a_pooler_that_takes_no_options_of_a_session(postgres: Cluster) -> None:
    """As PgBouncer says it."""
    said = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"

    def refusal(message: bytes) -> bytes | None:
        return b"E" + (len(said) + 4).to_bytes(4, "big") + said if b"options\0" in message else None

    with network(postgres.folder, refusal) as pooler, opened(pooler, postgres) as store:
        assert shown(store, "statement_timeout") == "0"
        store.close()
        assert list(store.list()) == []


@pytest.mark.parametrize("given", [0, 0.5, -1, True, "30", None, float("nan"), float("inf")])
def test_a_patience_that_is_none(given: Any) -> None:
    with pytest.raises(DefinitionError, match=r"patience=.*; give seconds, 1 or more"):
        PostgresStore("postgresql://localhost/x", patience=given)
