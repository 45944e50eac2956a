"""Renews the leases of turns that take long: one thread for all those of a store, while there are any."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from agentgraph.runtime.leaving import HANDED_OVER
from agentgraph.runtime.log import logger
from agentgraph.runtime.outcome import started

if TYPE_CHECKING:
    from agentgraph.runtime.journal import Journal

_OFTEN = 3
"""Times that a lease is renewed before it would run out, so that one or two may fail."""


class _Due:
    """The leases of one store, and when each is to be renewed. Its thread alone is woken when one comes that is due before the others."""

    def __init__(self, changed: threading.Condition) -> None:
        self.changed = changed
        self.at: dict[Journal, float] = {}


class Heartbeat:
    """Holds leases while their turns last."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: after a fork the thread and the turns are the parent's."""
        self._lock = threading.RLock()
        self._due: dict[int, _Due] = {}
        """By store: one that is away for a while keeps the leases of no other waiting."""

    def hold(self, journal: Journal) -> None:
        """Renew the lease of `journal` from now on.

        Raises:
            NoThread: when no thread can be had for it.
        """
        with self._lock:
            due = self._due.get(id(journal.store))
            if due is None:
                due = _Due(threading.Condition(self._lock))
                started("agentgraph-leases", partial(self._beat, id(journal.store), due))
                self._due[id(journal.store)] = due
            due.at[journal] = monotonic() + journal.seconds / _OFTEN
            if due.at[journal] <= min(due.at.values()):
                due.changed.notify()

    def let_go(self, journal: Journal) -> None:
        """Renew it no longer. One that is being renewed is waited for by nobody: the store asks who has it."""
        with self._lock:
            due = self._due.get(id(journal.store))
            if due is not None:
                due.at.pop(journal, None)

    def held(self) -> Sequence[Journal]:
        """Those whose leases are renewed."""
        with self._lock:
            return [journal for due in self._due.values() for journal in due.at]

    def _beat(self, store: int, due: _Due) -> None:
        while True:
            with self._lock:
                journal = min(due.at, key=due.at.__getitem__, default=None)
                if journal is None:
                    if not due.changed.wait(_IDLE) and not due.at:
                        if self._due.get(store) is due:  # else it was made by who was interrupted then, and nobody has it
                            del self._due[store]
                        return
                    continue
                wait = due.at[journal] - monotonic()
                if wait > 0:
                    due.changed.wait(wait)
                    continue
                due.at[journal] = monotonic() + journal.seconds / _OFTEN
                if journal.is_over:  # and who was to give it back was interrupted
                    del due.at[journal]
                    HANDED_OVER.put(journal.give_back)
                    continue
            try:
                journal.renew()
            except Exception:  # noqa: BLE001 - also what a store of the user's raises: the others have still to be renewed
                logger.warning("the lease of %.60r could not be renewed; the next step will tell", journal.conversation)


_IDLE = 5.0  # seconds until the thread ends when there is nothing to hold
HEARTBEAT = Heartbeat()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HEARTBEAT.forget)
