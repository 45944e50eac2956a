"""The store in SQL: the tables, the statements, and the order of them. A database adds how it is reached.

Two tables. `conversations` has a row for each conversation: where it stands, and who has it. `steps` has a row for each
step, added in the same transaction that moves the conversation on, and only when it stood one step before: compare and
set. Each step has a checksum, so that one which was changed is not believed. Values are bound, never written into
statements. Times are the database's, so that clocks of workers need not agree.

A lease names its holder, where the database can tell whether that lives: one that does not has no lease. One that does loses it
when its time is up, and whoever waits has seen no sign of life for as long by a clock that nobody sets.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cache
from time import monotonic
from typing import Any, Self, TypeVar
from zlib import crc32

import msgspec
from msgspec import Struct, structs

from agentgraph.conversation.store import Entry, Lease, Stored, StoreSize, id_of, key_of, moment_of, page_of
from agentgraph.errors import StoreError
from agentgraph.stores import turns
from agentgraph.stores.conflicts import overtaken

T = TypeVar("T")
Row = TypeVar("Row", "_Held", Stored)
Execute = Callable[..., Any]
"""`execute(statement, values)` within one transaction; gives a cursor."""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE agentgraph_conversations (
            id {text} PRIMARY KEY, born TEXT NOT NULL, seq BIGINT NOT NULL, under_way INTEGER NOT NULL, updated {real} NOT NULL,
            owner TEXT, until {real} NOT NULL)""",
        """CREATE TABLE agentgraph_steps (
            conversation {text} NOT NULL, seq BIGINT NOT NULL,
            writer TEXT NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL, whole INTEGER NOT NULL, messages TEXT NOT NULL,
            under_way INTEGER NOT NULL, PRIMARY KEY (conversation, seq))""",
    ),
    turns.TABLES,
    ("ALTER TABLE agentgraph_steps ADD COLUMN checksum BIGINT",),  # NULL in rows of before, which are believed
    (  # rows hold states of version 2 from here on: what reads version 1 alone leaves such a database alone
        "ALTER TABLE agentgraph_conversations ADD COLUMN holder TEXT",  # NULL where nothing is known of it
        "ALTER TABLE agentgraph_conversations ADD COLUMN lasts {real}",
    ),
)
"""The n-th leads from version n to version n + 1; a new database has version 0."""

VERSION = len(UPGRADES)

_HELD = "SELECT owner, born, seq, until - {now}, until, holder, lasts FROM agentgraph_conversations WHERE id = ?"
_LEASE = """INSERT INTO agentgraph_conversations AS kept (id, born, seq, under_way, updated, owner, until, holder, lasts)
    VALUES (?, ?, -1, 0, {now}, ?, {now} + ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until = excluded.until, holder = excluded.holder, lasts = excluded.lasts
    WHERE kept.owner IS NULL OR kept.owner = excluded.owner OR (kept.owner = ? AND kept.until = ?)"""
_RENEW = "UPDATE agentgraph_conversations SET until = {now} + ?, holder = ?, lasts = ? WHERE id = ? AND owner = ?"
_RELEASE = "UPDATE agentgraph_conversations SET owner = NULL, holder = NULL WHERE id = ? AND owner = ?"
_MOVE = """UPDATE agentgraph_conversations SET seq = ?, under_way = ?, updated = {now}, until = {now} + ?, holder = ?, lasts = ?,
    owner = CASE WHEN ? THEN owner END WHERE id = ? AND seq = ? AND owner = ?"""
_WRITER = "SELECT writer FROM agentgraph_steps WHERE conversation = ? AND seq = ?"
_STANDS = "SELECT seq FROM agentgraph_conversations WHERE id = ?"
_ADD = """INSERT INTO agentgraph_steps (conversation, seq, writer, event, state, whole, messages, under_way, checksum)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ENTRIES = """SELECT seq, writer, event, state, whole, messages, under_way, checksum FROM agentgraph_steps
    WHERE conversation = ? AND seq >= ? AND seq <= ? ORDER BY seq"""
_WHOLE = "SELECT seq FROM agentgraph_steps WHERE conversation = ? AND seq <= ? AND whole = 1 ORDER BY seq DESC LIMIT 1"
_LISTED = """SELECT id, seq, under_way, updated, CASE WHEN owner IS NULL THEN NULL ELSE until - {now} END, holder
    FROM agentgraph_conversations
    WHERE id >= ? AND id <> ? AND substr(id, 1, ?) = ? AND seq >= 0"""  # one lower bound, since SQLite takes the first of two
_LIST = f"{_LISTED} ORDER BY id LIMIT ?"
_LIST_BELOW = f"{_LISTED} AND id < ? ORDER BY id LIMIT ?"
_FORGET = "DELETE FROM agentgraph_conversations WHERE id = ?"
_FORGET_BEHIND = (turns.FORGET, "DELETE FROM agentgraph_steps WHERE conversation = ?")  # in the order of an append
_IS_OLD = """kept.updated < ? AND (kept.owner IS NULL OR kept.until <= {now}) AND NOT EXISTS
    (SELECT 1 FROM agentgraph_turns WHERE conversation = kept.id AND outcome IS NULL AND submitted >= ?)"""
_OLD = f"SELECT id, CAST(seq AS BIGINT), {_IS_OLD} FROM agentgraph_conversations AS kept WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - ours
_FORGET_OLD = f"DELETE FROM agentgraph_conversations AS kept WHERE id = ? AND {_IS_OLD}"  # noqa: S608 - ours
_SIZE = "SELECT count(*), CAST(coalesce(sum(seq + 1), 0) AS BIGINT) FROM agentgraph_conversations WHERE seq >= 0"
_LAST = 2**62
_REMEMBERED = 10_000  # signs of life; who is forgotten is waited for anew
_PAGE = 1_000
"""Conversations that are looked at in one statement."""
_LOT = 1_000
"""Steps that are deleted in one transaction, or those of one conversation: others wait for it, milliseconds."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS agentgraph_schema (version INTEGER NOT NULL)"
_VERSION = "SELECT version FROM agentgraph_schema"
_BEGUN = "INSERT INTO agentgraph_schema (version) VALUES (0)"
_UPGRADED = "UPDATE agentgraph_schema SET version = ?"


class Dialect(Struct, frozen=True):
    """How a database says what the statements leave open."""

    now: str
    """Seconds since 1970, by its clock."""
    text: str
    """Text that is compared byte by byte."""
    real: str
    mark: str
    """Where a value is bound."""
    schema: str
    """Asks whether the table `agentgraph_schema` is there."""
    alone: str
    """Keeps others from making the tables at the same time, where writing does not."""


class _Held(Struct, frozen=True, gc=False):
    """Who has a conversation, as its row says."""

    owner: str | None
    born: str
    seq: int
    seconds: float
    until: float
    holder: str | None
    lasts: float | None


class _Seen(Struct, frozen=True, gc=False):
    """A sign of life."""

    owner: str
    until: float | None
    """As it stands in the row; None where it was given here, and not read yet."""
    at: float
    """By a clock that nobody sets."""


def _as(kind: type[Row], row: Sequence[Any]) -> Row:
    """A row as one of our values. SQLite keeps what it is given, of whatever type, and others may have given it.

    Raises:
        StoreError: for a row that this library has not written.
    """
    try:
        return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)
    except msgspec.ValidationError as wrong:
        raise StoreError(f"a conversation is kept in a row that was not written by this library: {wrong}") from wrong


def _lease(held: _Held, left: float) -> Lease:
    return Lease(held.owner or "", held.born, held.seq, left)


def _row(key: str, writer: str, entry: Entry) -> tuple[Any, ...]:
    row = (key, entry.seq, writer, entry.event, entry.state, int(entry.whole), entry.messages, int(entry.under_way))
    return *row, _checksum(*row)


def _entry(
    key: str, seq: int, writer: str, event: str, state: str, whole: int, messages: str, under_way: int, checksum: int | None
) -> Entry:
    intact = checksum is None or checksum == _checksum(key, seq, writer, event, state, whole, messages, under_way)
    return Entry(seq, event, state, bool(whole), messages, bool(under_way), intact)


def _checksum(key: str, seq: int, writer: str, event: str, state: str, whole: int, messages: str, under_way: int) -> int:
    """Of a row, as it was or as somebody has made it. The lengths tell rows apart whose texts, one behind the other, are the same."""
    lengths = f"{seq} {whole} {under_way} {len(key)} {len(writer)} {len(event)} {len(state)} "
    return crc32(f"{lengths}{key}{writer}{event}{state}{messages}".encode(errors="surrogatepass"))


def _end_of(prefix: str) -> str:
    """The first text behind all that begin with `prefix`: a key is printable ASCII, so that one is ASCII too. There is none behind all texts."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else ""


def _lots(found: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """The keys, in lots that have about as many steps."""
    lot: list[str] = []
    steps = 0
    for key, seq in found:
        lot.append(key)
        steps += seq + 1
        if steps >= _LOT or len(lot) >= _LOT:
            yield lot
            lot, steps = [], 0
    if lot:
        yield lot


@cache
def _in_dialect(statement: str, dialect: Dialect) -> str:
    return statement.format(now=dialect.now, text=dialect.text, real=dialect.real).replace("?", dialect.mark)


class SQLStore(turns.TurnRows):
    """A store in a database."""

    instant = False
    dialect: Dialect
    where: str
    """The database, for messages."""
    create: bool
    """Whether what is missing is made."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        """The last sign of life of whoever has a conversation, by its key."""

    # -- what a database adds --------------------------------------------------------------------------------------------

    @abstractmethod
    def _transaction(self, *, writing: bool) -> AbstractContextManager[Execute]:
        """One transaction, committed at the end of the block."""

    @abstractmethod
    def _performed(self, work: Callable[[], T], patience: float | None = None) -> T:
        """What `work` gives, tried again where that helps: for `patience` seconds, or as long as the database may take.

        Raises:
            StoreError: for whatever the database refuses.
        """

    @abstractmethod
    def _holder(self, *, at_a_step: bool = False) -> str | None:
        """By what others can tell whether this process lives; None where they cannot. At a step it costs next to nothing."""

    @abstractmethod
    def _gone(self, holders: Collection[str]) -> Collection[str]:
        """Those of `holders` that do not live any more, for certain."""

    @abstractmethod
    def _bytes(self) -> int:
        """What it takes on the disk."""

    @abstractmethod
    def close(self) -> None:
        """See `Store.close`."""

    # -- the tables ------------------------------------------------------------------------------------------------------

    def _version(self, execute: Execute) -> int:
        """Of the tables that are there; 0 where there are none.

        Raises:
            StoreError: when a newer version of this library has made them, and when there are none and none are to be made.
        """
        found = execute(_VERSION, ()).fetchone() if execute(self.dialect.schema, ()).fetchone()[0] else None
        version = 0 if found is None else int(found[0])
        if not version and not self.create:
            raise StoreError(f"{self.where} holds no conversations; give a store that does")
        if version > VERSION:
            raise StoreError(
                f"{self.where} has tables of version {version}, and this library knows {VERSION}: upgrade it; nothing was touched"
            )
        return version

    def _upgrade(self, execute: Execute) -> None:
        """Make the tables what this version knows."""
        if self.dialect.alone:
            execute(self.dialect.alone, ())
        execute(_SCHEMA, ())
        if execute(_VERSION, ()).fetchone() is None:
            execute(_BEGUN, ())
        for statements in UPGRADES[self._version(execute) :]:
            for statement in statements:
                execute(self._said(statement), ())
        execute(self._said(_UPGRADED), (VERSION,))

    # -- the store -------------------------------------------------------------------------------------------------------

    def lease(self, conversation: str, owner: str, seconds: float) -> Lease:
        """See `Store.lease`."""
        key = key_of(conversation)
        rows = self._read(_HELD, key)  # who only waits for another writes nothing
        held = _as(_Held, rows[0]) if rows else None
        if held is not None and held.owner not in (None, owner) and (left := self._left(key, held)) > 0:
            return _lease(held, left)
        over = (None, None) if held is None else (held.owner, held.until)

        def work() -> _Held:
            holder = self._holder()
            with self._transaction(writing=True) as execute:
                execute(self._said(_LEASE), (key, owner, owner, seconds, holder, seconds, *over))
                return _as(_Held, execute(self._said(_HELD), (key,)).fetchone())

        taken = self._performed(work)
        if taken.owner == owner:
            self._see(key, owner, taken.until)
        return _lease(taken, taken.seconds)

    def renew(self, conversation: str, owner: str, seconds: float) -> bool:
        """See `Store.renew`."""
        key = key_of(conversation)

        def work() -> bool:
            holder = self._holder()
            with self._transaction(writing=True) as execute:
                return int(execute(self._said(_RENEW), (seconds, holder, seconds, key, owner)).rowcount) > 0

        renewed = self._performed(work)
        if renewed:
            self._see(key, owner)
        return renewed

    def release(self, conversation: str, owner: str) -> None:
        """See `Store.release`."""
        key = key_of(conversation)
        self._forget(key, owner)
        self._wrote(_RELEASE, key, owner, patience=0.0)

    def append(self, conversation: str, owner: str, entries: Sequence[Entry], seconds: float) -> None:
        """See `Store.append`."""
        key, before, last = key_of(conversation), entries[0].seq - 1, entries[-1]
        rows = [_row(key, owner, entry) for entry in entries]

        def work() -> None:
            holder = self._holder(at_a_step=True) if seconds > 0 else None
            with self._transaction(writing=True) as execute:
                moves = (last.seq, int(last.under_way), seconds, holder, seconds, seconds > 0, key, before, owner)
                if not execute(self._said(_MOVE), moves).rowcount:
                    writer = execute(self._said(_WRITER), (key, last.seq)).fetchone()
                    if writer is not None and writer[0] == owner:
                        return
                    stands = execute(self._said(_STANDS), (key,)).fetchone()
                    raise overtaken(conversation, before, -1 if stands is None else stands[0])
                for row in rows:
                    execute(self._said(_ADD), row)

        self._performed(work)
        if seconds > 0:
            self._see(key, owner)
        else:
            self._forget(key, owner)

    def entries(self, conversation: str, first: int = 0, last: int | None = None) -> Sequence[Entry]:
        """See `Store.entries`."""
        key = key_of(conversation)
        rows = self._read(_ENTRIES, key, first, _LAST if last is None else min(last, _LAST))
        return [_entry(key, *row) for row in rows]

    def latest(self, conversation: str, last: int | None = None) -> Sequence[Entry]:
        """See `Store.latest`."""
        whole = self._read(_WHOLE, key_of(conversation), _LAST if last is None else min(last, _LAST))
        return self.entries(conversation, whole[0][0] if whole else 0, last)

    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Sequence[Stored]:
        """See `Store.list`."""
        begins, behind, most = page_of(prefix, after, limit)
        end = _end_of(begins)
        given = (max(begins, behind), behind, len(begins), begins, *([end] if end else []), min(most, _LAST))
        rows = self._read(_LIST_BELOW if end else _LIST, *given)
        gone = self._gone({holder for *_, holder in rows if isinstance(holder, str)})
        listed = [(_as(Stored, (id_of(key), seq, bool(under_way), *times)), holder) for key, seq, under_way, *times, holder in rows]
        return [
            structs.replace(one, leased=min(one.leased, 0.0)) if one.leased is not None and holder in gone else one
            for one, holder in listed
        ]

    def delete(self, conversation: str) -> bool:
        """See `Store.delete`."""
        key = key_of(conversation)

        def work() -> bool:
            with self._transaction(writing=True) as execute:
                execute(self._said(_FORGET), (key,))
                return self._forgot_steps(execute, key)

        return self._performed(work)

    def delete_before(self, time: datetime) -> int:
        """See `Store.delete_before`."""
        moment, behind, gone = moment_of(time), "", 0
        while page := self._read(_OLD, moment, moment, behind, _PAGE):
            behind = page[-1][0]
            for lot in _lots((key, seq) for key, seq, is_old in page if is_old):
                gone += self._forgot_old(lot, moment)
        self.forget_abandoned(moment)
        return gone

    def _forgot_old(self, keys: Sequence[str], moment: float) -> int:
        """How many of these were still old, and are forgotten."""

        def work() -> int:
            with self._transaction(writing=True) as execute:
                old = [key for key in keys if execute(self._said(_FORGET_OLD), (key, moment, moment)).rowcount]
                return sum(self._forgot_steps(execute, key) for key in old)

        return self._performed(work)

    def _forgot_steps(self, execute: Execute, key: str) -> bool:
        return int([execute(self._said(statement), (key,)).rowcount for statement in _FORGET_BEHIND][-1]) > 0

    def size(self) -> StoreSize:
        """See `Store.size`."""
        conversations, steps = self._read(_SIZE)[0]
        return StoreSize(conversations, steps, self._bytes())

    # -- who lives -------------------------------------------------------------------------------------------------------

    def _left(self, key: str, held: _Held) -> float:
        """Seconds for which whoever has a conversation keeps it, when it gives no sign of life; none when it is gone."""
        seen = self._seen.get(key)
        if seen is None or seen.owner != held.owner or seen.until != held.until:
            at = seen.at if seen is not None and seen.owner == held.owner and seen.until is None else monotonic()
            seen = self._see(key, held.owner or "", held.until, at)
        if held.holder is None or held.lasts is None:
            return held.seconds
        if self._gone({held.holder}):
            return 0.0
        return max(held.seconds, seen.at + held.lasts - monotonic())

    def _see(self, key: str, owner: str, until: float | None = None, at: float | None = None) -> _Seen:
        self._seen.pop(key, None)  # the last that was seen stands last
        seen = self._seen[key] = _Seen(owner, until, monotonic() if at is None else at)
        if len(self._seen) > _REMEMBERED:
            for forgotten in list(self._seen)[: _REMEMBERED // 2]:
                self._seen.pop(forgotten, None)
        return seen

    def _forget(self, key: str, owner: str) -> None:
        if (seen := self._seen.get(key)) is not None and seen.owner == owner:
            self._seen.pop(key, None)

    # -- statements ------------------------------------------------------------------------------------------------------

    def _said(self, statement: str) -> str:
        return _in_dialect(statement, self.dialect)

    def _read(self, statement: str, *values: Any) -> Sequence[Any]:
        def work() -> Sequence[Any]:
            with self._transaction(writing=False) as execute:
                return list(execute(self._said(statement), values).fetchall())

        return self._performed(work)

    def _wrote(self, statement: str, *values: Any, patience: float | None = None) -> int:
        def work() -> int:
            with self._transaction(writing=True) as execute:
                return int(execute(self._said(statement), values).rowcount)

        return self._performed(work, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where!r})"
