"""What lies on the disk: whose it is, that it is where it is said to be, and that nothing stays of what was deleted."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentgraph import Agent, AgentRunner, Conversation, Entry, RunConfig, ScriptedModel, SQLiteStore, StoreError
from agentgraph.stores import sqlite

ME = "me"


def entry(seq: int, text: str = "{}") -> Entry:
    return Entry(seq, text, "{}", seq == 0, "", under_way=False)


def filled(store: SQLiteStore, conversation: str, steps: int = 3, text: str = "{}") -> None:
    store.lease(conversation, ME, 30)
    for seq in range(steps):
        store.append(conversation, ME, [entry(seq, text)], 30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with SQLiteStore(tmp_path / "kept.db") as opened:
        yield opened


# -- deleted and replaced ------------------------------------------------------------------------------------------------


def take_away(folder: Path, *ends: str) -> None:
    for end in ends:
        (folder / f"kept.db{end}").unlink()


def replace(folder: Path, *ends: str) -> None:
    """By another store, as a backup is put back."""
    with SQLiteStore(folder / "other.db") as other:
        filled(other, "theirs")
    take_away(folder, *ends)
    (folder / "other.db").replace(folder / "kept.db")


def move_away(folder: Path) -> None:
    (folder / "kept.db").rename(folder / "moved.db")


def switch(folder: Path) -> None:
    """A link that leads to another file from now on."""
    move_away(folder)
    with SQLiteStore(folder / "other.db"):
        (folder / "kept.db").symlink_to("other.db")


LOST: dict[str, Callable[[Path], None]] = {
    "deleted": lambda folder: take_away(folder, ""),
    "deleted with its log": lambda folder: take_away(folder, "", "-wal", "-shm"),
    "its log deleted": lambda folder: take_away(folder, "-wal", "-shm"),
    "its index deleted": lambda folder: take_away(folder, "-shm"),
    "replaced": replace,
    "replaced, and its log deleted": lambda folder: replace(folder, "-wal", "-shm"),
    "moved away": move_away,
    "another by its name": switch,
}
lost = pytest.mark.parametrize("how", LOST.values(), ids=LOST)
REFUSED = "was deleted or replaced while it was open"


def kept_at(path: Path, conversation: str) -> int:
    """The steps in the file that has this name, read by somebody else."""
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(file.execute("SELECT count(*) FROM agentgraph_steps WHERE conversation = ?", (conversation,)).fetchone()[0])


def works(store: SQLiteStore) -> None:
    filled(store, "new", 5)
    assert kept_at(store.path, "new") == 5
    assert "new" in [found.id for found in store.list()]


@lost
def test_a_file_that_is_gone_is_noticed_before_a_step_is_acknowledged(
    how: Callable[[Path], None], store: SQLiteStore, tmp_path: Path
) -> None:
    filled(store, "c")
    how(tmp_path)

    with pytest.raises(StoreError, match=REFUSED):
        store.append("c", ME, [entry(3)], 30)
    works(store)


@lost
def test_a_file_that_is_gone_is_not_read(how: Callable[[Path], None], store: SQLiteStore, tmp_path: Path) -> None:
    filled(store, "c")
    how(tmp_path)

    with pytest.raises(StoreError, match=REFUSED):
        store.entries("c")
    works(store)


@lost
def test_a_store_that_is_opened_by_its_name_works(how: Callable[[Path], None], store: SQLiteStore, tmp_path: Path) -> None:
    filled(store, "c")
    how(tmp_path)
    with pytest.raises(StoreError, match=REFUSED):
        store.renew("c", ME, 30)

    with SQLiteStore(tmp_path / "kept.db") as again:
        works(again)


@lost
@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "INSERT INTO", "COMMIT"])
def test_a_file_that_goes_in_the_middle_of_a_step(statement: str, how: Callable[[Path], None], store: SQLiteStore, tmp_path: Path) -> None:
    """What was not acknowledged may be kept or not; what was acknowledged is kept."""
    filled(store, "c")
    assert store._open is not None
    left = [how]

    def on(asked: str) -> None:
        if asked.startswith(statement) and left:
            left.pop()(tmp_path)

    store._open.set_trace_callback(on)
    with pytest.raises(StoreError, match=REFUSED):
        store.append("c", ME, [entry(3)], 30)
    assert not left
    works(store)


def test_a_turn_does_not_end_as_if_it_were_kept(store: SQLiteStore, tmp_path: Path) -> None:
    talk = conversation(store, "c")
    assert talk.run("hello").error is None
    take_away(tmp_path, "")

    result = talk.run("again")
    assert isinstance(result.error, StoreError)
    assert REFUSED in str(result.error)
    assert [message.text for message in result.messages][-1] != "again"
    assert talk.run("and now").error is None
    assert [message.text for message in talk.context.messages] == ["and now", "ok"]


@pytest.mark.parametrize("how", ["moved away", "its log deleted", "its index deleted"])
def test_what_was_acknowledged_is_where_the_file_is(how: str, store: SQLiteStore, tmp_path: Path) -> None:
    filled(store, "c", 20)
    LOST[how](tmp_path)
    with pytest.raises(StoreError, match=REFUSED):
        store.append("c", ME, [entry(20)], 30)

    assert kept_at(tmp_path / ("moved.db" if how == "moved away" else "kept.db"), "c") == 20


def test_two_stores_of_one_file_each_notice(store: SQLiteStore, tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "kept.db") as other:
        filled(other, "c")
        filled(store, "d")
        take_away(tmp_path, "-wal", "-shm")
        for opened, name in ((store, "d"), (other, "c")):
            with pytest.raises(StoreError, match=REFUSED):
                opened.append(name, ME, [entry(3)], 30)
        works(store)
        filled(other, "e")
    assert [kept_at(tmp_path / "kept.db", name) for name in "cde"] == [3, 3, 3]


# -- rights --------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[0o000, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.usefixtures("umask")
def test_a_file_is_its_users_alone_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, int]] = []
    connect = sqlite3.connect

    def watched(*given: object, **named: object) -> sqlite3.Connection:
        found.append(modes(tmp_path))
        connection: sqlite3.Connection = connect(*given, **named)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda _: found.append(modes(tmp_path)))
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    with SQLiteStore(tmp_path / "kept.db") as store:
        filled(store, "c")
        found.append(modes(tmp_path))

    assert set().union(*found) >= {"kept.db", "kept.db-wal", "kept.db-shm"}
    assert {mode for each in found for mode in each.values()} == {0o600}


def test_a_file_that_is_there_has_the_rights_that_its_user_gave_it(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "kept.db"):
        pass
    (tmp_path / "kept.db").chmod(0o660)
    with SQLiteStore(tmp_path / "kept.db") as store:
        filled(store, "c")
        assert modes(tmp_path) == {"kept.db": 0o660, "kept.db-wal": 0o660, "kept.db-shm": 0o660, "kept.db-leases": 0o660}


def test_a_link_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "kept.db").symlink_to(tmp_path / "elsewhere" / "real.db")
    with SQLiteStore(tmp_path / "kept.db") as store:
        works(store)
        assert modes(tmp_path / "elsewhere") == {"real.db": 0o600, "real.db-wal": 0o600, "real.db-shm": 0o600, "real.db-leases": 0o600}


# -- deletion ------------------------------------------------------------------------------------------------------------


def conversation(store: SQLiteStore, name: str) -> Conversation:
    return AgentRunner(Agent("Desk"), RunConfig(model=ScriptedModel(["ok"] * 100))).conversation(name, store)


def bytes_in(folder: Path) -> bytes:
    """Of all files, one behind the other; a text lies in one of them."""
    return b"\x00".join(file.read_bytes() for file in sorted(folder.iterdir()))


def test_nothing_is_left_of_what_was_deleted(store: SQLiteStore, tmp_path: Path) -> None:
    """The text, the id, and what waited for its turn."""
    for name in ("one", "two"):
        conversation(store, f"CANARY-{name}").run(f"CANARY-{name} " * 1_000)
        store.submit(f"run {name}", f"CANARY-{name}", f'"CANARY-{name} is waiting"')
        store.submit(f"over {name}", f"CANARY-{name}", f'"CANARY-{name} is over"')
        store.settle(f"over {name}", f'"CANARY-{name} has an outcome"')
    assert bytes_in(tmp_path).count(b"CANARY-one") > 10

    assert store.delete("CANARY-one") is True
    left = bytes_in(tmp_path)
    assert b"CANARY-one" not in left
    assert b"CANARY-two" in left


def test_what_a_fork_carries_is_left_and_nothing_else(store: SQLiteStore, tmp_path: Path) -> None:
    talk = conversation(store, "mother")
    talk.run("EARLY")
    talk.fork(2, "child")
    talk.run("LATE")
    talk.delete()

    left = bytes_in(tmp_path)
    assert b"EARLY" in left
    assert b"LATE" not in left
    assert b"mother" not in left


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_left_wherever_sqlite_has_moved_it(seed: int, store: SQLiteStore, tmp_path: Path) -> None:
    """Pages that are split and joined leave copies of what was on them, which zeroing rows and pages does not reach."""
    chance = random.Random(seed)
    assert store._open is not None
    store._open.execute("PRAGMA synchronous = OFF")
    names = [f"{chance.randrange(10**6)}{'-' * chance.choice([1, 80])}{n:04d}" for n in range(120)]
    steps = dict.fromkeys(names, 0)
    for _ in range(1_000):
        name = chance.choice(names)
        store.lease(name, ME, 30)
        text = f"T{name[-4:]}T" * chance.choice([8, 20, 200, 1_000])
        store.append(name, ME, [entry(steps[name], text)], chance.choice([0, 30]))
        steps[name] += 1
    for name in chance.sample(names, 60):
        assert store.delete(name) is (steps[name] > 0)
        left = bytes_in(tmp_path)
        assert name.encode() not in left
        assert f"T{name[-4:]}T".encode() not in left
        names.remove(name)
    left = bytes_in(tmp_path)
    assert all(name.encode() in left for name in names if steps[name])


@pytest.mark.parametrize("small", [True, False])
def test_who_reads_meanwhile_is_waited_for(small: bool, store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not small:  # nothing is written anew
        monkeypatch.setattr(sqlite, "_COPIED", 0)
    monkeypatch.setattr(sqlite, "_CLEANING", 0.3)
    filled(store, "c", text="CANARY")
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM agentgraph_steps").fetchone()

        with pytest.raises(StoreError, match=r"what was deleted is gone from .*kept\.db, but text of it may be left .* delete it again"):
            store.delete("c")
        assert list(store.entries("c")) == []
        filled(store, "d")
        other.execute("COMMIT")

    assert store.delete("c") is False
    assert b"CANARY" not in bytes_in(tmp_path)
    assert len(store.entries("d")) == 3


def test_a_disk_that_fails_while_a_file_is_cleaned(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store, "c")

    def fail(_: object) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite, "_written_anew", fail)
    with pytest.raises(StoreError, match=r"what was deleted is gone .* disk I/O error; delete it again"):
        store.delete("c")
    assert list(store.entries("c")) == []


def test_a_file_that_is_large_is_not_written_anew_and_deleted_rows_are_zeroed(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_COPIED", 0)
    for name in ("c", "d"):
        filled(store, name, 20, text=f"CANARY-{name}" * 2_000)
    size = store.path.stat().st_size

    store.delete("c")
    assert store.path.stat().st_size >= size
    assert b"CANARY-c" not in bytes_in(tmp_path)
