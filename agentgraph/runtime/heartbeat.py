"""Renews the leases of turns that take long: one thread for all of them, while there are any."""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import TYPE_CHECKING

from agentgraph.errors import AgentGraphError
from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.runtime.journal import Journal

_OFTEN = 3
"""Times that a lease is renewed before it would run out, so that one or two may fail."""


class Heartbeat:
    """Holds leases while their turns last."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: after a fork the thread and the turns are the parent's."""
        self._changed = threading.Condition()
        self._due: dict[Journal, float] = {}
        self._thread: threading.Thread | None = None

    def hold(self, journal: Journal) -> None:
        """Renew the lease of `journal` from now on."""
        with self._changed:
            due = monotonic() + journal.seconds / _OFTEN
            soonest = not self._due or due < min(self._due.values())
            self._due[journal] = due
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="agentgraph-leases", daemon=True)
                self._thread.start()
            elif soonest:
                self._changed.notify()

    def let_go(self, journal: Journal) -> None:
        """Renew it no longer. One that is being renewed is waited for by nobody: the store asks who has it."""
        with self._changed:
            self._due.pop(journal, None)

    def _beat(self) -> None:
        while True:
            with self._changed:
                journal = min(self._due, key=self._due.__getitem__, default=None)
                if journal is None:
                    if not self._changed.wait(_IDLE) and not self._due:
                        self._thread = None
                        return
                    continue
                wait = self._due[journal] - monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                self._due[journal] = monotonic() + journal.seconds / _OFTEN
            try:
                journal.renew()
            except AgentGraphError:
                logger.warning("the lease of %.60r could not be renewed; the next step will tell", journal.conversation)


_IDLE = 5.0  # seconds until the thread ends when there is nothing to hold
HEARTBEAT = Heartbeat()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HEARTBEAT.forget)
