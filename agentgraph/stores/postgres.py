"""The store in PostgreSQL: for workers on many machines.

What was asked is asked again, on another connection, when the connection breaks: an answer that was lost is no answer,
and every method of a store may be asked twice. A server that comes back within the patience is not noticed by a turn; one
that does not, or says nothing, ends the method with an error soon after. A connection is used again only if it is idle.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from traceback import clear_frames
from typing import TYPE_CHECKING, Any, TypeVar

from agentgraph.errors import DefinitionError, StoreError
from agentgraph.stores.session import GONE, Session
from agentgraph.stores.sql import VERSION, Dialect, Execute, SQLStore
from agentgraph.stores.undisturbed import undisturbed

if TYPE_CHECKING:
    from agentgraph.stores.bounded import BoundedConnection, Question

T = TypeVar("T")
_PATIENCE = 30.0  # seconds for a server to come back, and to answer
_PAUSE = 0.1
_CONNECTING = 5  # seconds, and what an answer is given at least
_LONGEST = 3_600  # seconds
_UPGRADING = 600.0  # seconds: tables may be large
_CONNECTION = {
    "connect_timeout": _CONNECTING,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""By which the kernel notices that a server is gone; what the URL says goes before."""
_OPTIONS = "-c statement_timeout={patience:.0f} -c idle_in_transaction_session_timeout={patience:.0f}"
"""By which the server notices that nobody waits any more, and lets go of what it holds for that."""
_WITHOUT_OPTIONS = ("options", "startup parameter")
"""What a pooler says that takes no options of sessions, since it shares these."""
_BYTES = """SELECT coalesce(sum(pg_total_relation_size(to_regclass(name))), 0)
    FROM unnest(ARRAY['agentgraph_conversations', 'agentgraph_steps', 'agentgraph_turns']) AS name"""


class PostgresStore(SQLStore):
    """Conversations in the database at `url`, in tables that are made when they are missing and `create` is not false.

    `connections` is how many are open at most; threads beyond that wait for one. `patience` is how many seconds a server that
    is away, or silent, is waited for: whatever is asked has an answer or a `StoreError` within that and 5 seconds.

    Raises:
        StoreError: when it cannot be reached, or was made by a newer version.
        DefinitionError: when psycopg is not installed, for a URL that it cannot read, for less than one connection, and for a
            patience of less than a second.
    """

    dialect = Dialect(
        now="extract(epoch FROM clock_timestamp())::float8",
        text='TEXT COLLATE "C"',
        real="DOUBLE PRECISION",
        mark="%s",
        schema="SELECT to_regclass('agentgraph_schema') IS NOT NULL",
        alone="SELECT pg_advisory_xact_lock(7310867)",
    )

    def __init__(self, url: str, connections: int = 10, *, create: bool = True, patience: float = _PATIENCE) -> None:
        try:
            import psycopg

            from agentgraph.stores import bounded
        except ImportError as missing:
            raise DefinitionError('a store in PostgreSQL needs psycopg; pip install "agentgraph-fsm[postgres]"') from missing
        given: Any = connections
        if type(given) is not int or given < 1:
            raise DefinitionError(f"a store in PostgreSQL was given connections={connections!r:.40}; give an int, 1 or more")
        wait: Any = patience
        if isinstance(wait, bool) or not isinstance(wait, int | float) or not 1 <= wait <= _LONGEST:
            raise DefinitionError(
                f"a store in PostgreSQL was given patience={patience!r:.40}; give seconds, 1 or more and at most {_LONGEST:,}"
            )
        super().__init__()
        self._psycopg, self._bounded, self._most, self._patience = psycopg, bounded, connections, patience
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except (psycopg.Error, ValueError, AttributeError):  # none of which is repeated: what cannot be read may be a password
            raise DefinitionError(
                "a store in PostgreSQL was given a URL that cannot be read; give 'postgresql://user@host/database', and % as %25"
            ) from None
        self._parts: dict[str, Any] = dict(parts)
        self._options = _OPTIONS.format(patience=patience * 1_000)
        self.create = create
        self.where = f"the database {parts.get('dbname', '')!r} at {parts.get('host', 'localhost')!s}"
        self._begin()
        self._answered(self._made, bounded.Question(0.0, patience, _CONNECTING))

    def _begin(self) -> None:
        self._process = os.getpid()
        self._free: list[BoundedConnection] = []
        self._session = Session(self._connected)
        self._places = threading.BoundedSemaphore(self._most)
        self._asking = threading.local()
        """What a thread asks, as `question`."""

    def _bytes(self) -> int:
        return int(self._read(_BYTES)[0][0])

    def close(self) -> None:
        """See `Store.close`."""
        if self._process == os.getpid():
            with suppress(IndexError):  # by which it ends: several threads may be at it
                while True:
                    self._free.pop().close()
            self._session.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()

    def _made(self) -> None:
        with self._transaction(writing=True) as execute:
            if self._version(execute) < VERSION:
                self._question().answered_by = monotonic() + _UPGRADING
                execute(f"SET LOCAL statement_timeout = '{_UPGRADING:.0f}s'", ())
                self._upgrade(execute)

    # -- connections -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Execute]:
        self._leave_the_parents()
        question, places = self._question(), self._places
        if not places.acquire(timeout=max(question.answered_by - monotonic(), 0.0)):
            raise StoreError(
                f"{self.where} cannot be used: all {self._most} connections are in use; open it with connections={2 * self._most}"
            )
        try:
            connection = self._taken(question)
            try:
                if writing:
                    connection.execute("BEGIN", prepare=False)
                yield connection.execute
                if writing:
                    connection.execute("COMMIT", prepare=False)
            except Exception:
                _roll_back(connection)
                self._put_back(connection)
                raise
            except BaseException:  # whatever it was in, nobody knows
                connection.close()
                raise
            self._put_back(connection)
        finally:
            places.release()

    def _leave_the_parents(self) -> None:
        """After a fork: the connections are the parent's."""
        if self._process != os.getpid():
            self._of_the_parent = self._free
            self._begin()

    def _holder(self, *, at_a_step: bool = False) -> str | None:  # noqa: ARG002 - nobody is asked but this machine
        self._leave_the_parents()
        return self._session.name()

    def _gone(self, holders: Collection[str]) -> Collection[str]:
        return {row[0] for row in self._read(GONE, list(holders))} if holders else ()

    def _taken(self, question: Question) -> BoundedConnection:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = None
        if connection is not None and question.attempts > 1:  # it may be as broken as the one before
            connection.close()
            connection = None
        if connection is None:
            question.is_fresh = True
            connection = self._connected()
        connection.question = question
        return connection

    def _connected(self, **kernel: Any) -> BoundedConnection:
        """One more; `kernel` is how it notices that the server is gone, where it is to be another way than is usual."""
        try:
            return self._opened(self._options, kernel)
        except self._psycopg.OperationalError as refused:
            if not self._options or not any(word in str(refused) for word in _WITHOUT_OPTIONS):
                raise
        connection = self._opened("", kernel)
        self._options = ""
        return connection

    def _opened(self, ours: str, kernel: dict[str, Any]) -> BoundedConnection:
        theirs = self._parts.get("options") or os.environ.get("PGOPTIONS", "")
        options = {"options": f"{ours} {theirs}"} if ours else {}  # of two that say the same the last one counts
        try:
            return self._bounded.BoundedConnection.connect(**{**_CONNECTION, **kernel, **self._parts, **options}, autocommit=True)
        except BaseException as wrong:
            clear_frames(wrong.__traceback__)  # which would hold what is half open for as long as the error is looked at
            raise

    def _put_back(self, connection: BoundedConnection) -> None:
        if connection.is_idle:
            self._free.append(connection)
        else:
            connection.close()

    # -- questions -------------------------------------------------------------------------------------------------------

    def _question(self) -> Question:
        """What this thread asks."""
        asked: Question | None = getattr(self._asking, "question", None)
        return asked or self._bounded.Question(self._patience, self._patience, _CONNECTING)

    def _performed(self, work: Callable[[], T], patience: float | None = None) -> T:
        patience = self._patience if patience is None else patience
        return self._answered(work, self._bounded.Question(patience, patience, _CONNECTING))

    def _answered(self, work: Callable[[], T], question: Question) -> T:
        return undisturbed(lambda: self._asked(work, question), question.leave)

    def _asked(self, work: Callable[[], T], question: Question) -> T:
        self._asking.question = question
        try:
            while True:
                question.begin()
                try:
                    return work()
                except (self._psycopg.Error, UnicodeError) as wrong:
                    if not self._is_lost(wrong) or not question.may_be_repeated:
                        raise StoreError(f"{self.where} cannot be used: {wrong}; what it holds is as it was") from wrong
                sleep(_PAUSE)
        finally:
            self._asking.question = None

    def _is_lost(self, wrong: Exception) -> bool:
        """Whether an answer was lost, and not a question refused."""
        errors = self._psycopg.errors
        return isinstance(wrong, (errors.OperationalError, errors.InterfaceError, errors.IdleInTransactionSessionTimeout))


def _roll_back(connection: BoundedConnection) -> None:
    """End the transaction, if one is open and can be ended; if not, it ends with the connection."""
    if not connection.is_idle:
        with suppress(Exception):
            connection.execute("ROLLBACK", prepare=False)
