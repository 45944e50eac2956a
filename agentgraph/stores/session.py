"""A session with a PostgreSQL server that says nothing: the server tells others whether it is there, and so whether this process lives.

It is apart from those that ask, which come and go. A server that was started anew has ended all sessions, and none of that says that
somebody has died; so a name has the start of the server in it.
"""

from __future__ import annotations

import os
import selectors
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    import psycopg

_SERVER = "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text"
_BEGAN = "(extract(epoch FROM backend_start) * 1000000)::bigint::text"
_NAME = f"SELECT pid, {_SERVER} || ' ' || pid || ' ' || {_BEGAN} FROM pg_stat_activity WHERE pid = pg_backend_pid()"  # noqa: S608
GONE = f"""SELECT holder FROM unnest(?::text[]) AS asked (holder) WHERE split_part(holder, ' ', 1) = {_SERVER} AND NOT EXISTS (
    SELECT FROM pg_stat_activity WHERE pid::text = split_part(holder, ' ', 2)
    AND coalesce({_BEGAN}, split_part(holder, ' ', 3)) = split_part(holder, ' ', 3))"""  # noqa: S608
"""Those of some names whose sessions are over; one whose beginning may not be seen is not."""
_KEPT = """SELECT set_config(name, meant.value, false) FROM pg_settings JOIN (VALUES ('tcp_keepalives_idle', '5'),
    ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '2'), ('tcp_user_timeout', '10s'), ('idle_session_timeout', '0'))
    AS meant (called, value) ON called = name"""
"""The server asks a machine that is silent, and ends the session of one that is gone; it ends none for being idle. Older ones know less."""
_KEEPALIVES = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 10_000}
"""The same from this side: who was cut off learns that its session has ended."""


class Session:
    """The session of one store in one process; opened when it is asked for, and again when it was lost."""

    def __init__(self, connect: Callable[..., psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._again = monotonic()
        """When one is tried again that could not be had: a server that is silent costs each thread no wait of its own."""
        self._turn = threading.Lock()
        self._open: psycopg.Connection[Any] | None = None
        self._name: str | None = None
        _sessions.add(self)

    def name(self) -> str | None:
        """What others know it by; None where it cannot be had, and where somebody stands between who has sessions of their own."""
        with self._turn:
            if self._open is not None and self._is_lost(self._open):
                self._end()
            if self._open is None and monotonic() >= self._again:
                self._begin()
            return self._name

    def close(self) -> None:
        """End it: what it holds is anybody's."""
        with self._turn:
            self._end()

    def leave(self) -> None:
        """In a forked child: end it when the parent does, who alone may say goodbye."""
        if self._open is not None:
            _of_parents.append(self._open)
            with suppress(Exception):
                os.close(self._open.fileno())
        self._open = self._name = None

    def _begin(self) -> None:
        began, is_begun = monotonic(), False
        try:
            with suppress(Exception):  # what is wrong with the server is told to whoever asks it for more than this
                self._open = self._connect(**_KEEPALIVES)
                pid, name = self._open.execute(_NAME).fetchone() or (None, None)
                if pid == self._open.info.backend_pid:  # a pooler in between gives a number of its own, and sessions that end when it likes
                    self._open.execute(_KEPT)
                    self._name = name
                is_begun = True
        finally:
            if not is_begun:
                self._end()
                self._again = 2 * monotonic() - began

    def _end(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open = self._name = None

    def _is_lost(self, opened: psycopg.Connection[Any]) -> bool:
        """Asked of this machine alone, as long as the server has said nothing."""
        if opened.closed:
            return True
        with _Selector() as selector:
            selector.register(opened, selectors.EVENT_READ)
            if not selector.select(0):
                return False
        try:
            opened.execute("SELECT 1")
        except Exception:  # noqa: BLE001 - it is lost, for whatever reason
            return True
        return False


_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
_sessions: WeakSet[Session] = WeakSet()
_of_parents: list[Any] = []
"""Never touched again: their numbers may be those of other files by now."""


def _leave() -> None:
    for session in list(_sessions):
        session.leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave)
