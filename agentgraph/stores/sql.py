"""The store in SQL: the tables, the statements, and the order of them. A database adds how it is reached.

Two tables. `conversations` has a row for each conversation: where it stands, and who has it. `steps` has a row for each
step, added in the same transaction that moves the conversation on, and only when it stood one step before: compare and
set. Each step has a checksum, so that one which was changed is not believed. Values are bound, never written into
statements. Times are the database's, so that clocks of workers need not agree.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, Self, TypeVar
from zlib import crc32

import msgspec
from msgspec import Struct

from agentgraph.conversation.store import Entry, Lease, Stored, id_of, key_of, page_of
from agentgraph.errors import StoreError
from agentgraph.stores import turns
from agentgraph.stores.conflicts import overtaken

T = TypeVar("T")
Row = TypeVar("Row", Lease, Stored)
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
    (),  # rows hold states of version 2 from here on: what reads version 1 alone leaves such a database alone
)
"""The n-th leads from version n to version n + 1; a new database has version 0."""

VERSION = len(UPGRADES)

_HELD = "SELECT owner, born, seq, until - {now} FROM agentgraph_conversations WHERE id = ?"
_LEASE = """INSERT INTO agentgraph_conversations AS kept (id, born, seq, under_way, updated, owner, until)
    VALUES (?, ?, -1, 0, {now}, ?, {now} + ?)
    ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, until = excluded.until
    WHERE kept.owner IS NULL OR kept.owner = excluded.owner OR kept.until <= {now}"""
_RENEW = "UPDATE agentgraph_conversations SET until = {now} + ? WHERE id = ? AND owner = ?"
_RELEASE = "UPDATE agentgraph_conversations SET owner = NULL WHERE id = ? AND owner = ?"
_MOVE = """UPDATE agentgraph_conversations SET seq = ?, under_way = ?, updated = {now}, until = {now} + ?,
    owner = CASE WHEN ? THEN owner END WHERE id = ? AND seq = ? AND owner = ?"""
_WRITER = "SELECT writer FROM agentgraph_steps WHERE conversation = ? AND seq = ?"
_STANDS = "SELECT seq FROM agentgraph_conversations WHERE id = ?"
_ADD = """INSERT INTO agentgraph_steps (conversation, seq, writer, event, state, whole, messages, under_way, checksum)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_ENTRIES = """SELECT seq, writer, event, state, whole, messages, under_way, checksum FROM agentgraph_steps
    WHERE conversation = ? AND seq >= ? AND seq <= ? ORDER BY seq"""
_WHOLE = "SELECT seq FROM agentgraph_steps WHERE conversation = ? AND seq <= ? AND whole = 1 ORDER BY seq DESC LIMIT 1"
_LISTED = """SELECT id, seq, under_way, updated, CASE WHEN owner IS NULL THEN NULL ELSE until - {now} END FROM agentgraph_conversations
    WHERE id >= ? AND id <> ? AND substr(id, 1, ?) = ? AND seq >= 0"""  # one lower bound, since SQLite takes the first of two
_LIST = f"{_LISTED} ORDER BY id LIMIT ?"
_LIST_BELOW = f"{_LISTED} AND id < ? ORDER BY id LIMIT ?"
_FORGET = (
    turns.FORGET,
    "DELETE FROM agentgraph_conversations WHERE id = ?",
    "DELETE FROM agentgraph_steps WHERE conversation = ?",
)  # in the order of an append
_LAST = 2**62

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


def _as(kind: type[Row], row: Sequence[Any]) -> Row:
    """A row as one of our values. SQLite keeps what it is given, of whatever type, and others may have given it.

    Raises:
        StoreError: for a row that this library has not written.
    """
    try:
        return msgspec.convert(dict(zip(kind.__struct_fields__, row, strict=True)), kind)
    except msgspec.ValidationError as wrong:
        raise StoreError(f"a conversation is kept in a row that was not written by this library: {wrong}") from wrong


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
        held = self._read(_HELD, key)  # who only waits for another writes nothing
        if held and held[0][0] not in (None, owner) and held[0][3] > 0:
            return _as(Lease, held[0])

        def work() -> Lease:
            with self._transaction(writing=True) as execute:
                execute(self._said(_LEASE), (key, owner, owner, seconds))
                return _as(Lease, execute(self._said(_HELD), (key,)).fetchone())

        return self._performed(work)

    def renew(self, conversation: str, owner: str, seconds: float) -> bool:
        """See `Store.renew`."""
        return self._wrote(_RENEW, seconds, key_of(conversation), owner) > 0

    def release(self, conversation: str, owner: str) -> None:
        """See `Store.release`."""
        self._wrote(_RELEASE, key_of(conversation), owner, patience=0.0)

    def append(self, conversation: str, owner: str, entries: Sequence[Entry], seconds: float) -> None:
        """See `Store.append`."""
        key, before, last = key_of(conversation), entries[0].seq - 1, entries[-1]
        rows = [_row(key, owner, entry) for entry in entries]

        def work() -> None:
            with self._transaction(writing=True) as execute:
                moved = execute(self._said(_MOVE), (last.seq, int(last.under_way), seconds, seconds > 0, key, before, owner)).rowcount
                if not moved:
                    writer = execute(self._said(_WRITER), (key, last.seq)).fetchone()
                    if writer is not None and writer[0] == owner:
                        return
                    stands = execute(self._said(_STANDS), (key,)).fetchone()
                    raise overtaken(conversation, before, -1 if stands is None else stands[0])
                for row in rows:
                    execute(self._said(_ADD), row)

        self._performed(work)

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
        return [_as(Stored, (id_of(key), seq, bool(under_way), *times)) for key, seq, under_way, *times in rows]

    def delete(self, conversation: str) -> bool:
        """See `Store.delete`."""
        key = key_of(conversation)

        def work() -> bool:
            with self._transaction(writing=True) as execute:
                return int([execute(self._said(statement), (key,)).rowcount for statement in _FORGET][-1]) > 0

        return self._performed(work)

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
