"""The store in PostgreSQL: for workers on many machines.

What was asked is asked again, on another connection, when the connection breaks: an answer that was lost is no answer,
and every method of a store may be asked twice. A server that comes back within the patience is not noticed by a turn.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar

from agentgraph.errors import DefinitionError, StoreError
from agentgraph.stores.session import GONE, Session
from agentgraph.stores.sql import VERSION, Dialect, Execute, SQLStore

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
_PATIENCE = 30.0  # seconds for a server to come back
_PAUSE = 0.1
_CONNECTING = 5  # seconds


class PostgresStore(SQLStore):
    """Conversations in the database at `url`, in tables that are made when they are missing and `create` is not false.

    `connections` is how many are open at most; threads beyond that wait for one.

    Raises:
        StoreError: when it cannot be reached, or was made by a newer version.
        DefinitionError: when psycopg is not installed, for a URL that it cannot read, and for less than one connection.
    """

    dialect = Dialect(
        now="extract(epoch FROM clock_timestamp())::float8",
        text='TEXT COLLATE "C"',
        real="DOUBLE PRECISION",
        mark="%s",
        schema="SELECT to_regclass('agentgraph_schema') IS NOT NULL",
        alone="SELECT pg_advisory_xact_lock(7310867)",
    )

    def __init__(self, url: str, connections: int = 10, *, create: bool = True) -> None:
        try:
            import psycopg
        except ImportError as missing:
            raise DefinitionError('a store in PostgreSQL needs psycopg; pip install "agentgraph-fsm[postgres]"') from missing
        given: Any = connections
        if type(given) is not int or given < 1:
            raise DefinitionError(f"a store in PostgreSQL was given connections={connections!r:.40}; give an int, 1 or more")
        super().__init__()
        self._psycopg, self._url, self._most = psycopg, url, connections
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except (psycopg.Error, ValueError, AttributeError):  # none of which is repeated: what cannot be read may be a password
            raise DefinitionError(
                "a store in PostgreSQL was given a URL that cannot be read; give 'postgresql://user@host/database', and % as %25"
            ) from None
        self.create = create
        self.where = f"the database {parts.get('dbname', '')!r} at {parts.get('host', 'localhost')!s}"
        self._begin()
        self._performed(self._made, patience=0.0)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._free: list[psycopg.Connection[Any]] = []
        self._session = Session(self._connected)
        self._places = threading.BoundedSemaphore(self._most)

    def close(self) -> None:
        """See `Store.close`."""
        if self._process == os.getpid():
            self._let_go()
            self._session.close()

    def _let_go(self) -> None:
        with suppress(IndexError):  # by which it ends: several threads may be at it
            while True:
                self._free.pop().close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()

    def _made(self) -> None:
        with self._transaction(writing=True) as execute:
            if self._version(execute) < VERSION:
                self._upgrade(execute)

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Execute]:
        self._leave_the_parents()
        with self._places:
            connection = self._taken()
            try:
                if not writing:
                    yield connection.execute
                else:
                    with connection.transaction():
                        yield connection.execute
            finally:
                if connection.closed or connection.broken:
                    connection.close()
                    self._let_go()  # a server that is gone is gone for the others too
                else:
                    self._free.append(connection)

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

    def _taken(self) -> psycopg.Connection[Any]:
        with suppress(IndexError):
            return self._free.pop()
        return self._connected()

    def _connected(self, **options: Any) -> psycopg.Connection[Any]:
        return self._psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECTING, **options)

    def _performed(self, work: Callable[[], T], patience: float | None = None) -> T:
        until = monotonic() + (_PATIENCE if patience is None else patience)
        once_more = bool(self._free)  # connections of before may be broken, and the server well
        while True:
            try:
                return work()
            except (self._psycopg.Error, UnicodeError) as wrong:
                lost = isinstance(wrong, (self._psycopg.OperationalError, self._psycopg.InterfaceError))
                if not lost or (monotonic() >= until and not once_more):
                    raise StoreError(f"{self.where} cannot be used: {wrong}; what it holds is as it was") from wrong
            once_more = False
            sleep(_PAUSE)
