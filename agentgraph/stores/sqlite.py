"""The store in a file: SQLite, which Python brings. For any number of threads, and for several processes on one machine.

Committed means on the disk: WAL with synchronous=FULL. A process has one connection and its threads take turns; other
processes are waited for. That somebody else writes is no error here, so nobody reads "database is locked".

Committed means in the file of that name, too: a file goes on to be written after it was deleted, and nobody would hear of it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

from agentgraph.conversation.whole import make_private
from agentgraph.errors import DefinitionError, StoreError
from agentgraph.stores import locks
from agentgraph.stores.sql import VERSION, Dialect, Execute, SQLStore
from agentgraph.stores.undisturbed import undisturbed

T = TypeVar("T")
_PATIENCE = 60.0  # seconds for other processes to finish what they write
_PAUSE = 0.005
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CLEANING = 5.0  # seconds for others to end what they read of rows that are gone
_NUDGE = 0.1  # seconds of those for which they are kept from beginning anew
_COPIED = 64 * 2**20
"""Bytes of rows that are written anew to clean the pages they lie in; that takes half a second."""
_REFUSED = (sqlite3.Error, ValueError, OverflowError, OSError)
"""What sqlite3 raises, the next two for text and numbers that no file has, such as a path with NUL; and what a folder raises."""
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
        self._files: dict[str, _File | None] = {}
        """What `_open` has open, by the name it had."""
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
                if writing:
                    connection.execute("BEGIN IMMEDIATE")
                    self._refuse_other_files(connection)  # who writes beside others to a log of his own writes over what they write
                yield connection.execute
                if writing:
                    connection.execute("COMMIT")
                self._refuse_other_files(connection)
            except BaseException as wrong:
                if self._open is connection and isinstance(wrong, sqlite3.Error) and not _is_busy(wrong):
                    self._open = None  # one that was opened while the file might not be written never writes
                    with closing(connection):
                        self._refuse_other_files(connection)  # which may be what is wrong
                elif self._open is connection and connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _holder(self, *, at_a_step: bool = False) -> str | None:
        self._leave_the_parents()
        if self._name is None or not at_a_step:
            self._name = locks.own_name(self._leases, self.path)
        return self._name

    def _gone(self, holders: Collection[str]) -> Collection[str]:
        return locks.ended(self._leases, holders) if holders else ()

    def _refuse_other_files(self, connection: sqlite3.Connection) -> None:
        """Acknowledge nothing that is in no file of our name any more. It costs a look at three names."""
        now = {name: _file(name) for name in self._files}
        if now == self._files:
            return
        name = next(name for name in now if now[name] != self._files[name])
        self._open = None
        with closing(connection), suppress(sqlite3.Error, OSError):
            self._bring_in_the_log(connection, now)
        raise StoreError(
            f"{name} was deleted or replaced while it was open here, so what was asked is not kept, or was read from what is gone; "
            "ask again, and what is there now is opened. Close all that has it open before you put another file in its place"
        )

    def _bring_in_the_log(self, connection: sqlite3.Connection, now: dict[str, _File | None]) -> None:
        """Write what is in the log into the file that it belongs to, wherever that is now, and take the log away: the next file of that
        name would be read with it. What others have put in the place of ours is theirs.
        """
        database, *beside = self._files
        ours = [name for name in beside if now[name] == self._files[name]]
        if any(now[name] is not None and name not in ours for name in beside):
            return
        connection.execute("PRAGMA busy_timeout = 0")
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if _emptied_the_log(connection.execute) and now[database] != self._files[database]:
            for name in ours:
                Path(name).unlink(missing_ok=True)

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
        if self.create:
            make_private(self.path)
        database = _file(str(self.path))
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
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("PRAGMA temp_store = MEMORY")  # what is said is in no file but ours
            beside = [f"{self.path.resolve()}{end}" for end in _BESIDE]
            self._files = {str(self.path): database, **{name: _file(name) for name in beside}}
        except BaseException:
            connection.close()
            raise
        return connection

    def _bytes(self) -> int:
        return sum(Path(name).stat().st_size for name in self._files if _file(name) is not None)

    # -- what was deleted ------------------------------------------------------------------------------------------------

    def delete(self, conversation: str) -> bool:
        """See `Store.delete`. Nothing of it is left in any file."""
        gone = super().delete(conversation)
        self._clean()
        return gone

    def delete_before(self, time: datetime) -> int:
        """See `Store.delete_before`. Nothing of them is left in any file."""
        gone = super().delete_before(time)
        self._clean()
        return gone

    def _clean(self) -> None:
        """Leave nothing of what was deleted. SQLite zeroes rows and pages where they are, but not where they were before it moved them to
        another place of a page or to another page; so what is left is written anew, if it is not too much. Then nothing is left in the log.
        """
        until = monotonic() + _CLEANING
        for step in (_written_anew, _emptied_the_log):
            while not self._done_alone(step):
                if monotonic() > until:
                    raise StoreError(self._unclean(f"others were reading or writing it for {_CLEANING:g} seconds"))
                sleep(_PAUSE)

    def _done_alone(self, step: Callable[[Execute], bool]) -> bool:
        """Whether it was done: not while others are at work."""
        try:
            with self._transaction(writing=False) as execute:
                execute(f"PRAGMA busy_timeout = {_NUDGE * 1_000:.0f}")
                try:
                    return step(execute)
                finally:
                    execute(f"PRAGMA busy_timeout = {_PATIENCE * 1_000:.0f}")
        except _REFUSED as wrong:
            if _is_busy(wrong):
                return False
            raise StoreError(self._unclean(str(wrong))) from wrong

    def _unclean(self, why: str) -> str:
        return f"what was deleted is gone from {self.where}, but text of it may be left in the file and beside it: {why}; delete it again"

    def _leave_the_parents(self) -> None:
        """After a fork: a connection must not be carried over, nor closed, and the lock may be held by a thread that is not here."""
        if self._process != os.getpid():
            self._of_the_parent.append(self._open)
            self._process, self._turn, self._open, self._name = os.getpid(), threading.Lock(), None, None


_File = tuple[int, ...]
"""Inode and device: which file it is, whatever it is called. No other has them while somebody has it open."""


def _file(name: str) -> _File | None:
    """The file that has this name; None where none has."""
    try:
        return os.stat(name)[1:3]  # noqa: PTH116 - on the way of each step
    except OSError:
        return None


def _written_anew(execute: Execute) -> bool:
    pages, free, size = (execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "freelist_count", "page_size"))
    if (pages - free) * size <= _COPIED:
        execute("VACUUM")
    return True


def _emptied_the_log(execute: Execute) -> bool:
    """Whether all of it is in the database, and on the disk, and the log has no byte."""
    return not execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


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
