"""The store in a file: SQLite, which Python brings. For any number of threads, and for several processes on one machine.

Committed means on the disk: WAL with synchronous=FULL. A process has one connection and its threads take turns; other
processes are waited for. That somebody else writes is no error here, so nobody reads "database is locked".
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from agentgraph.errors import DefinitionError, StoreError
from agentgraph.stores import locks
from agentgraph.stores.sql import VERSION, Dialect, Execute, SQLStore
from agentgraph.stores.undisturbed import undisturbed

T = TypeVar("T")
_PATIENCE = 60.0  # seconds for other processes to finish what they write
_PAUSE = 0.005
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (sqlite3.Error, ValueError, OverflowError)
"""What sqlite3 raises; the last two for text and numbers that no file has, such as a path with NUL."""
_MEANT = {"SQLITE_READONLY_DIRECTORY": "its folder may not be written, where SQLite keeps files beside it"}
"""What sqlite3 says less well: that it attempted to write a database, of one that is to be read."""
_BESIDE = ("-wal", "-shm")  # files that SQLite keeps beside a database
_LEASES = "-leases"  # and the one that we do, in which processes are told apart
_PRIMARY = 0xFF  # the part of an error code that says what, without the details


class SQLiteStore(SQLStore):
    """Conversations in the file at `path`, which is made when it is missing and `create` is not false.

    Raises:
        StoreError: when it cannot be opened, is no database, or was made by a newer version.
        DefinitionError: for what is no path, and for ':memory:'.
    """

    dialect = Dialect(
        now="((julianday('now') - 2440587.5) * 86400.0)",
        text="TEXT",
        real="REAL",
        mark="?",
        schema="SELECT count(*) FROM sqlite_master WHERE name = 'agentgraph_schema'",
        alone="",
    )

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        given: Any = path
        if not isinstance(given, str | Path):
            raise DefinitionError(f"a store in SQLite was given the path {path!r:.60}; give a text or a Path")
        if str(given) == ":memory:":  # which would be a file of that name
            raise DefinitionError("a store in SQLite is a file; for one in memory give open_store('memory:'), or a MemoryStore()")
        super().__init__()
        self.path = Path(path).absolute()
        self.where, self.create = str(self.path), create
        self._process = os.getpid()
        self._turn = threading.Lock()
        self._open: sqlite3.Connection | None = None
        self._of_the_parent: list[sqlite3.Connection | None] = []
        self._name: str | None = None
        with self._transaction(writing=False):
            pass

    def close(self) -> None:
        """See `Store.close`."""
        if self._process == os.getpid():
            with self._turn:
                connection, self._open = self._open, None
                if connection is not None:
                    connection.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Execute]:
        self._leave_the_parents()
        with self._turn:
            if self._open is None:
                self._open = self._performed(self._opened)
            connection = self._open
            try:
                if not writing:
                    yield connection.execute
                    return
                connection.execute("BEGIN IMMEDIATE")
                yield connection.execute
                connection.execute("COMMIT")
            except BaseException as wrong:
                if isinstance(wrong, sqlite3.Error) and not _is_busy(wrong):
                    self._open = None  # one that was opened while the file might not be written never writes
                    connection.close()
                elif connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _holder(self, *, at_a_step: bool = False) -> str | None:
        self._leave_the_parents()
        if self._name is None or not at_a_step:
            self._name = locks.own_name(self._leases, self.path)
        return self._name

    def _gone(self, holders: Collection[str]) -> Collection[str]:
        return locks.ended(self._leases, holders) if holders else ()

    def _performed(self, work: Callable[[], T], patience: float | None = None) -> T:
        return undisturbed(lambda: self._tried(work, patience), lambda: None)

    def _tried(self, work: Callable[[], T], patience: float | None) -> T:
        until = monotonic() + (_PATIENCE if patience is None else patience)
        while True:
            try:
                return work()
            except _REFUSED as wrong:
                busy = _is_busy(wrong)
                if not busy or monotonic() > until:
                    raise StoreError(self._reason(wrong, busy=busy)) from wrong
            sleep(_PAUSE)

    def _reason(self, wrong: Exception, *, busy: bool) -> str:
        if busy:
            return f"{self.where} was being written by others for {_PATIENCE:g} seconds; ask again, or use a server such as PostgreSQL"
        name = getattr(wrong, "sqlite_errorname", type(wrong).__name__)
        return f"{self.where} cannot be used: {_MEANT.get(name, wrong)} ({name}); what it holds is as it was"

    def _opened(self) -> sqlite3.Connection:
        if not self.create and not os.path.exists(self.path):  # noqa: PTH110 - Path.exists raises for paths that no file can have
            raise StoreError(_missing(self.path))
        _unlock(self.path)
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        connection.text_factory = _text
        self._leases = Path(f"{self.path.resolve()}{_LEASES}")  # beside the file itself, where the path is a link to it
        try:
            if self._version(connection.execute) < VERSION:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                self._upgrade(connection.execute)
                connection.execute("COMMIT")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _leave_the_parents(self) -> None:
        """After a fork: a connection must not be carried over, nor closed, and the lock may be held by a thread that is not here."""
        if self._process != os.getpid():
            self._of_the_parent.append(self._open)
            self._process, self._turn, self._open, self._name = os.getpid(), threading.Lock(), None, None


def _is_busy(wrong: Exception) -> bool:
    return getattr(wrong, "sqlite_errorcode", 0) & _PRIMARY in _BUSY


def _unlock(path: Path) -> None:
    """SQLite makes files beside a database with the rights of that; those of a time when it was read-only would keep all from writing ever after."""
    for end in _BESIDE if os.access(path, os.W_OK) else ():
        with suppress(OSError):  # it is not there, or not ours
            if not os.access(beside := Path(f"{path.resolve()}{end}"), os.W_OK):
                beside.chmod(path.stat().st_mode)


def _missing(path: Path) -> str:
    near = get_close_matches(path.name, (file.name for file in path.parent.glob("*") if not file.name.endswith((*_BESIDE, _LEASES))), 1)
    meant = f"did you mean {near[0]!r}?" if near else "give a store that is there"
    return f"there is no file {str(path)!r:.200}; {meant}"


def _text(stored: bytes) -> str:
    """What a disk has made of a text is no reason to read none of the others: its checksum tells."""
    return stored.decode(errors="surrogateescape")
