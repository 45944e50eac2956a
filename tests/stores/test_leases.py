"""When a lease is over: its holder has died, or its time is up and nobody has seen a sign of life for as long. Nothing else ends one.

`make soak` kills 40 holders and steps the clock 20 times, for each database.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from agentgraph import Agent, AgentRunner, Entry, RunConfig, ScriptedModel, Store, open_store, tool
from agentgraph.stores.postgres import PostgresStore
from agentgraph.stores.sqlite import SQLiteStore
from tests.stores.cluster import Cluster
from tests.stores.test_faults import change
from tests.waiting import WATCHDOG, until

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
KILLS = 40 if SOAK else 4
STEPS = 20 if SOAK else 2
LEASE = 30.0
SHORT = 0.3
A, B = "turn a", "turn b"
FIRST = Entry(0, "", "{}", True, "", under_way=True)


class SQLiteAhead(SQLiteStore):
    """After the clock of the machine was set a minute forward, for one process of it."""

    dialect = replace(SQLiteStore.dialect, now=f"({SQLiteStore.dialect.now} + 60)")


class PostgresAhead(PostgresStore):
    dialect = replace(PostgresStore.dialect, now=f"({PostgresStore.dialect.now} + 60)")


def ahead(database: str) -> Store:
    return SQLiteAhead(database.removeprefix("sqlite:///")) if database.startswith("sqlite") else PostgresAhead(database)


def in_time(happened: Callable[[], bool]) -> float:
    """Wait until it has happened; how long that took."""
    began = time.monotonic()
    assert until(happened)
    return time.monotonic() - began


def takes(store: Store, conversation: str = "c", owner: str = B, seconds: float = LEASE) -> bool:
    return store.lease(conversation, owner, seconds).owner == owner


@contextmanager
def started(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has said a line."""
    command = [sys.executable, "-c", script, *arguments]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


HOLDS = """
import sys
from agentgraph import open_store
store = open_store(sys.argv[1])
owners = [store.lease(name, "another process", float(sys.argv[2])).owner for name in sys.argv[3:]]
print(*owners, flush=True)
for line in sys.stdin:
    print(*[store.renew(name, "another process", float(sys.argv[2])) for name in sys.argv[3:]], flush=True)
"""

TURN = """
import sys, time
from agentgraph import Agent, AgentRunner, RunConfig, ScriptedModel, call, open_store, tool

@tool
def hang() -> str:
    print("within", flush=True)
    time.sleep(600)
    return ""

agent = Agent("Desk", tools=[hang], model=ScriptedModel([call("hang")]))
AgentRunner(agent).conversation(sys.argv[2], open_store(sys.argv[1])).run("go")
"""


@tool
def hang() -> str:
    """The one of the script above."""
    raise AssertionError


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait(WATCHDOG) == -signal.SIGKILL


# -- a holder that has died ------------------------------------------------------------------------------------------------


def test_a_turn_whose_process_was_killed_is_taken_up_at_once(database: str) -> None:
    """With the lease that turns have when nobody says another: nobody waits for its end."""
    runner = AgentRunner(Agent("Desk", tools=[hang]), RunConfig(model=ScriptedModel(["done"] * KILLS)))
    waited = []
    with open_store(database) as store:
        for n in range(KILLS):
            with started(TURN, database, f"c{n}") as process:
                conversation = runner.conversation(f"c{n}", store, wait=LEASE / 2)
                kill(process)
                began = time.monotonic()
                result = conversation.run("and now?")
                waited.append(time.monotonic() - began)
            assert (result.output, result.error) == ("done", None)
    print(f"{KILLS} taken up within {max(waited):.2f} s, half of them within {sorted(waited)[KILLS // 2]:.3f} s")


def test_a_process_that_lives_keeps_what_it_holds_and_one_that_was_killed_is_not_listed_as_holding_it(database: str) -> None:
    with open_store(database) as store, started(HOLDS, database, f"{LEASE}", "c", "d") as process:
        change(database, "UPDATE agentgraph_conversations SET seq = 0")
        assert not takes(store)
        assert [(found.leased or 0) > 0 for found in store.list()] == [True, True]

        kill(process)
        assert in_time(lambda: [(found.leased or 0) > 0 for found in store.list()] == [False, False]) < LEASE / 2
        assert [found.leased is None for found in store.list()] == [False, False]
        assert takes(store)
        assert takes(store, "d")


FORKING = """
import os, signal, sys, time
from agentgraph import open_store
url, dies = sys.argv[1:]
store = open_store(url)
assert store.lease("parent", "p", 30.0).owner == "p"
ready, told = os.pipe()
child = os.fork()
if child == 0:
    with open_store(url) as other:
        assert other.lease("parent", "c", 30.0).owner == "p"
    assert store.lease("child", "c", 30.0).owner == "c"
    os.write(told, b"x")
    signal.pause()
os.read(ready, 1)
print(child, flush=True)
if dies == "child":
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print("dead", flush=True)
signal.pause()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("dies", ["parent", "child"])
def test_of_a_forked_child_and_its_parent_the_one_that_dies_loses_what_it_holds(database: str, dies: str) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING, database, dies]
    with (
        open_store(database) as store,
        subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True) as parent,
    ):
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            if dies == "parent":
                kill(parent)
            else:
                assert parent.stdout.readline() == "dead\n"
            lives = "child" if dies == "parent" else "parent"

            assert in_time(lambda: takes(store, dies)) < LEASE / 2
            assert not takes(store, lives)
        finally:
            parent.kill()
            if dies == "parent":
                os.kill(child, signal.SIGKILL)


# -- a clock that is set ------------------------------------------------------------------------------------------------------


def test_a_step_of_the_clock_ends_no_lease_of_a_process_that_lives(database: str) -> None:
    for n in range(STEPS):
        with open_store(database) as store, ahead(database) as other, started(HOLDS, database, f"{LEASE}", f"c{n}") as process:
            assert not takes(store, f"c{n}")
            assert not takes(other, f"c{n}")
            change(database, "UPDATE agentgraph_conversations SET until = until - 60")
            assert not takes(store, f"c{n}")
            assert 0 < store.lease(f"c{n}", B, LEASE).seconds <= LEASE
            assert process.stdin is not None
            assert process.stdout is not None
            print("renew", file=process.stdin, flush=True)
            assert process.stdout.readline() == "True\n"


def test_a_step_of_the_clock_ends_no_lease_within_a_process(database: str) -> None:
    with open_store(database) as store, ahead(database) as other:
        assert takes(store, owner=A)
        store.append("c", A, [FIRST], LEASE)

        assert not takes(other)
        change(database, "UPDATE agentgraph_conversations SET until = until - 60")
        assert not takes(store)
        store.append("c", A, [replace(FIRST, seq=1)], LEASE)


def test_a_holder_that_lives_and_gives_no_sign_of_life_is_waited_for_as_long_as_a_lease_lasts(database: str) -> None:
    """Such as one that was stopped: seen by whoever waits, by a clock that nobody sets."""
    with open_store(database) as store, started(HOLDS, database, f"{SHORT}", "c") as process:
        process.send_signal(signal.SIGSTOP)
        assert in_time(lambda: takes(store)) >= SHORT / 2
    with ahead(database) as other, started(HOLDS, database, f"{SHORT}", "d") as process:
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert not takes(other, "d", seconds=SHORT)
        in_time(lambda: takes(other, "d"))
        assert time.monotonic() - began >= SHORT


def test_who_asks_again_and_again_has_waited_as_long_as_who_stays(database: str) -> None:
    """Each is another turn, which leaves nothing behind that it did not have."""

    def asked() -> bool:
        owner = os.urandom(8).hex()
        taken = takes(other, "c", owner)
        other.release("c", owner)
        return taken

    with ahead(database) as other, started(HOLDS, database, f"{SHORT}", "c") as process:
        process.send_signal(signal.SIGSTOP)
        assert in_time(asked) >= SHORT


def test_who_sees_a_sign_of_life_waits_anew(database: str) -> None:
    with open_store(database) as store, ahead(database) as other:
        assert takes(store, owner=A, seconds=SHORT)
        until = time.monotonic() + 3 * SHORT
        over: list[bool] = []
        while time.monotonic() < until:
            began = time.monotonic()
            assert store.renew("c", A, SHORT)
            taken = takes(other)
            if taken and time.monotonic() - began < SHORT:
                over.append(taken)
            if taken:
                break  # this thread was not given the processor for as long as a lease lasts
            time.sleep(0.01)

        assert over == []


def test_a_row_without_a_holder_goes_by_time(database: str) -> None:
    """As it was written where processes cannot be told apart."""
    with open_store(database) as store:
        assert takes(store, owner=A)
        change(database, "UPDATE agentgraph_conversations SET holder = NULL")
        assert not takes(store)
        change(database, "UPDATE agentgraph_conversations SET until = until - 60")
        assert takes(store)


# -- one process --------------------------------------------------------------------------------------------------------------


def asked_elsewhere(database: str, *names: str) -> list[str]:
    """Who has them, as another process is told."""
    script = 'import sys; from agentgraph import open_store; s = open_store(sys.argv[1]); print(*[s.lease(n, "x", 9.0).owner for n in sys.argv[2:]])'
    done = subprocess.run(
        [sys.executable, "-c", script, database, *names],
        capture_output=True,
        text=True,
        timeout=WATCHDOG,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout.split()


def test_stores_of_one_process_and_its_threads_hold_what_they_have_taken(database: str) -> None:
    """Also while others of them, on the same database, are opened and closed."""
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(database)) for _ in range(4)]
        threads = [threading.Thread(target=takes, args=(store, f"c{n}", f"owner{n}")) for n, store in enumerate(stores)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(3):
            with open_store(database) as another:
                assert not any(takes(another, f"c{n}") for n in range(4))
        stores[3].close()

        assert asked_elsewhere(database, "c0", "c1", "c2") == ["owner0", "owner1", "owner2"]


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    file, link = tmp_path / "kept.db", tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(file)
    with SQLiteStore(file) as store, SQLiteStore(link) as same:
        assert takes(store, "c", "ownera")
        assert takes(same, "d", "ownera")
        assert not takes(same)

        assert asked_elsewhere(f"sqlite:///{file}", "c", "d") == ["ownera", "ownera"]
        assert asked_elsewhere(f"sqlite:///{link}", "c", "d") == ["ownera", "ownera"]
    with started(HOLDS, f"sqlite:///{link}", f"{LEASE}", "e") as process, SQLiteStore(file) as store:
        assert not takes(store, "e")
        kill(process)
        assert in_time(lambda: takes(store, "e")) < LEASE / 2
    assert [found.name for found in link.parent.iterdir()] == ["link.db"]


# -- where processes cannot be told apart ---------------------------------------------------------------------------------


def test_without_a_file_to_lock_leases_go_by_time(tmp_path: Path) -> None:
    (tmp_path / "kept.db-leases").mkdir()  # which nobody can lock
    with SQLiteStore(tmp_path / "kept.db") as store, started(HOLDS, f"sqlite:///{store.path}", f"{LEASE}", "c") as process:
        kill(process)
        assert not takes(store)
        change(f"sqlite:///{store.path}", "UPDATE agentgraph_conversations SET until = until - 60")
        assert takes(store)


def test_a_file_of_locks_that_is_deleted_ends_no_lease(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    with open_store(url) as store, started(HOLDS, url, f"{LEASE}", "c") as process:
        (tmp_path / "kept.db-leases").unlink()
        assert takes(store, "other")  # which makes another one
        assert not takes(store)

        assert process.stdin is not None
        assert process.stdout is not None
        print("renew", file=process.stdin, flush=True)
        assert process.stdout.readline() == "True\n"
        assert not takes(store)
        kill(process)
        assert in_time(lambda: takes(store)) < LEASE / 2


def test_a_file_of_locks_that_somebody_opens_and_closes_is_locked_again_with_the_next_sign_of_life(tmp_path: Path) -> None:
    """By which a process loses all the locks that it has on it."""
    url = f"sqlite:///{tmp_path}/kept.db"
    with open_store(url) as store:
        assert takes(store, owner="ownera")
        (tmp_path / "kept.db-leases").read_bytes()
        assert store.renew("c", "ownera", LEASE)

        assert asked_elsewhere(url, "c") == ["ownera"]


def test_a_server_that_was_started_anew_ends_no_lease(crashing: Cluster) -> None:
    """It ends all sessions, and does not know who has died."""
    database = crashing.database()
    with open_store(database) as store, started(HOLDS, database, f"{LEASE}", "c") as process:
        crashing.crash()
        crashing.start()
        assert not takes(store)

        assert process.stdin is not None
        assert process.stdout is not None
        print("renew", file=process.stdin, flush=True)
        assert process.stdout.readline() == "True\n"
        assert not takes(store)
        kill(process)
        assert in_time(lambda: takes(store)) < LEASE / 2


@pytest.mark.parametrize("sign", ["renew", "append"])
def test_a_session_that_was_ended_is_followed_by_another_with_the_next_sign_of_life(postgres: Cluster, sign: str) -> None:
    database = postgres.database()
    with open_store(database) as store, open_store(database) as other:
        assert takes(store, owner=A)
        with psycopg.connect(database, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(split_part(holder, ' ', 2)::int) FROM agentgraph_conversations")
            in_time(lambda: server.execute(ENDED).fetchone() is not None)
        if sign == "renew":
            assert store.renew("c", A, LEASE)
        else:
            store.append("c", A, [FIRST], LEASE)

        assert not takes(other)


ENDED = """SELECT 1 FROM agentgraph_conversations
    WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid::text = split_part(holder, ' ', 2))"""


def test_who_may_not_see_when_a_session_began_takes_it_for_alive(postgres: Cluster) -> None:
    database = postgres.database()
    role = f"r{os.urandom(8).hex()}"
    with open_store(database) as store:
        assert takes(store, owner=A)
        change(database, f"CREATE ROLE {role} LOGIN")
        change(database, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        with open_store(database.replace("agentgraph@", f"{role}@")) as other:
            assert not takes(other)


@contextmanager
def pooler(server: Path, folder: Path) -> Iterator[None]:
    """Stands between as PgBouncer does: the number of the process that it tells is its own."""

    def forward(source: socket.socket, sink: socket.socket) -> None:
        with source, sink:
            while sent := source.recv(65536):
                at = sent.find(KEY_DATA)
                sink.sendall(sent if at < 0 else sent[: at + 5] + b"\0\0\0\1" + sent[at + 9 :])
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(server / ".s.PGSQL.5432"))
            for source, sink in ((client, upstream), (upstream, client)):
                threading.Thread(target=forward, args=(source.dup(), sink.dup())).start()
            client.close()
            upstream.close()

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / ".s.PGSQL.5432"))
        listening.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


KEY_DATA = b"K\0\0\0\x0c"
"""How a server tells who it is."""


def test_behind_a_pooler_leases_go_by_time(postgres: Cluster) -> None:
    """Its sessions are no worker's."""
    database = postgres.database()
    with (
        tempfile.TemporaryDirectory() as folder,  # short, as the path of a socket has to be
        pooler(postgres.folder, Path(folder)),
        open_store(database) as other,
        open_store(database.replace(str(postgres.folder), folder)) as store,
    ):
        assert takes(store, owner=A)
        assert not takes(other)
        store.close()
        assert not takes(other)
        change(database, "UPDATE agentgraph_conversations SET until = until - 60")
        assert takes(other)


def test_what_is_given_back_has_no_holder(store: Store) -> None:
    assert takes(store, owner=A)
    store.release("c", A)
    assert takes(store, owner=B)
    store.append("c", B, [FIRST], 0.0)
    assert [found.leased for found in store.list()] == [None]
    assert takes(store, owner=A)
