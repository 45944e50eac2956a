"""A turn's hold on a kept conversation: the lease, where it stands, and the steps that are written."""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
from functools import partial
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from msgspec.structs import replace

from agentgraph.engine.events import Cancelled
from agentgraph.engine.journal import MISSING, NOWHERE, begun, latest, places, unread, written
from agentgraph.errors import AgentGraphError, Conflict, Damaged, DefinitionError
from agentgraph.runtime.heartbeat import HEARTBEAT
from agentgraph.runtime.leaving import HANDED_OVER, Open
from agentgraph.runtime.log import logger
from agentgraph.runtime.loop import running_loop
from agentgraph.runtime.tasks import called_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.store import Lease, Store
    from agentgraph.engine.journal import Place
    from agentgraph.engine.trace import Taken

T = TypeVar("T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.1  # seconds between two questions whether the lease is free
_GIVING_BACK = 5.0  # seconds for one to be given back that was left here
_LATE = 60.0  # seconds behind the end of a lease for an answer that was on its way
_A_YEAR = 31_536_000.0  # seconds: a thread that is to wait for much longer ends with an OverflowError


def refuse_other_than_seconds(who: str, name: str, given: Any, least: float) -> None:
    """A lease, or the time that is waited for one.

    Raises:
        DefinitionError: for what is no number of seconds from `least` to a year.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= _A_YEAR:
        raise DefinitionError(f"{who} given {name}={given!r:.40}; give seconds, {least:g} or more and at most a year")


LEFT: dict[str, Journal] = {}
"""The journals of turns that are over, by owner, until it is known that their lease was given back: the next turn of this process
gives it back. To put one in is one step, which no interrupt divides."""


class Journal(Open):
    """One turn's own. `owner` is unlike that of any other turn, so a step that was written says which turn wrote it."""

    def __init__(self, store: Store, conversation: str, seconds: float, start: Context) -> None:
        self.store, self.conversation, self.seconds, self.start = store, conversation, seconds, start
        self.owner = uuid4().hex
        self.place = NOWHERE
        self.is_held = False
        """Whether the lease is still to be given back."""
        self._is_doubtful = False
        """Whether it was asked for, and no answer was heard: it may be taken later, whatever is said before."""
        self.forgotten = inf
        """When whoever was to give it back need not be remembered any more."""
        self._order = threading.RLock()
        self._is_closed = False

    # -- the lease -------------------------------------------------------------------------------------------------------

    def open(self, known: Place, wait: float) -> Context:
        """Take the conversation, waiting up to `wait` seconds for its turn; where it stands. What is `known` of it is not read again.

        Raises:
            Conflict: when another turn still has it then.
            StoreError: when it cannot be read.
        """
        until, pause, left = monotonic() + wait, _FIRST_PAUSE, set(LEFT)
        while (taken := self._taken()).owner != self.owner:
            if self._is_in_vain(taken, until, left):
                raise self._conflict(taken)
            left = set(LEFT)
            self._give_back_what_was_left(taken)
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return self._read(taken, known)

    async def aopen(self, known: Place, wait: float) -> Context:
        """`open`, in asyncio."""
        running_loop()  # asked before anything is done
        until, pause, left = monotonic() + wait, _FIRST_PAUSE, set(LEFT)
        try:
            while (taken := await self._apart(self._taken)).owner != self.owner:
                if self._is_in_vain(taken, until, left):
                    raise self._conflict(taken)
                left = set(LEFT)
                await self._apart(partial(self._give_back_what_was_left, taken))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            return await self._apart(lambda: self._read(taken, known))
        except asyncio.CancelledError:
            await self.aclose()  # it may have been taken meanwhile
            raise

    def seize(self, known: Place) -> tuple[Context, bool]:
        """Take the conversation from whoever has it; where it stands, and whether anybody had it. A turn that had it cannot write any more.

        Raises:
            StoreError: when it cannot be read.
        """
        was_held = False
        while (taken := self._taken()).owner != self.owner:
            was_held = True
            self.store.release(self.conversation, taken.owner)
        return self._read(taken, known), was_held

    async def aclose(self) -> None:
        """`close`, in asyncio: it is done also when the waiting is cancelled."""
        await self._apart(self.close)

    def renew(self) -> None:
        """Hold it for as long again."""
        self.store.renew(self.conversation, self.owner, self.seconds)

    @property
    def is_over(self) -> bool:
        """Whether its turn is over, and it is not known that the lease was given back."""
        return self.owner in LEFT

    def close(self) -> None:
        """Give it back, after whatever a cancelled `aopen` has left behind. A lease that cannot be given back runs out."""
        LEFT[self.owner] = self
        try:
            with self._order:
                if self._is_doubtful:  # and not waited for a second time
                    self.let_go()
                else:
                    self.give_back()
        except BaseException:  # an interrupt: somebody else does it
            self.let_go()
            raise

    def let_go(self) -> None:
        """See `Open.let_go`. What is given back may wait for a server, and for whoever writes a file."""
        LEFT[self.owner] = self
        HANDED_OVER.put(self.give_back)

    def give_back(self) -> bool:
        """Release the lease, if it is held; whether that is done."""
        if sys.is_finalizing():
            return False  # threads stand still now, with whatever locks they have
        with self._order:
            self._is_closed = True
            HEARTBEAT.let_go(self)
            is_done = not self.is_held or self._is_released()
            if is_done and not self._is_doubtful:
                LEFT.pop(self.owner, None)
            else:
                self.forgotten = monotonic() + self.seconds + _LATE
                _forget_what_ran_out()
            return is_done

    def _is_released(self) -> bool:
        try:
            self.store.release(self.conversation, self.owner)
        except AgentGraphError:
            logger.warning("the lease of %.60r could not be given back; it runs out in %g seconds", self.conversation, self.seconds)
            return False
        self.is_held = False
        return True

    def _is_in_vain(self, taken: Lease, until: float, left: Collection[str]) -> bool:
        """Whether there is nothing to wait for any more. One that was left in this process is not another's turn: it is given back, and may
        have been since it was seen; so what was `left` is what was before that.
        """
        now = monotonic()
        return now >= until and (now >= until + _GIVING_BACK or taken.owner not in left)

    def _give_back_what_was_left(self, taken: Lease) -> None:
        """Whoever was to give it back may have been interrupted too."""
        if taken.owner in LEFT:
            self.store.release(self.conversation, taken.owner)

    def _taken(self) -> Lease:
        with self._order:
            self._refuse_late()
            self.is_held = self._is_doubtful = True
            taken = self.store.lease(self.conversation, self.owner, self.seconds)
            self.is_held, self._is_doubtful = taken.owner == self.owner, False
            return taken

    def _refuse_late(self) -> None:
        """Nothing is taken once it is closed: nobody would give it back."""
        if self._is_closed:
            raise asyncio.CancelledError

    def _read(self, taken: Lease, known: Place) -> Context:
        try:
            self._hold()
            place = known if known.born == taken.born and known.seq <= taken.seq else NOWHERE
            if place.seq < taken.seq:
                place = latest(self.conversation, place, self.store.entries(self.conversation, place.seq + 1, taken.seq))
            if place.seq < taken.seq:
                raise unread(self.conversation, place.seq + 1, Damaged(MISSING))
            self.place = replace(place, born=taken.born)
        except BaseException:
            self.close()
            raise
        return self.place.context if self.place.seq >= 0 else self.start

    def _hold(self) -> None:
        with self._order:
            self._refuse_late()
            HEARTBEAT.hold(self)

    def _conflict(self, taken: Lease) -> Conflict:
        return Conflict(
            f"another turn of {self.conversation!r:.60} is under way at step {taken.seq}; its lease runs out in {max(taken.seconds, 0):.1f} s: try again, or wait your turn with wait=seconds",
            self.conversation,
            None,
            taken.seq,
        )

    async def _apart(self, function: Callable[[], T]) -> T:
        return function() if self.store.instant else (await called_apart(function)).open()

    # -- the steps -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Write down where the conversation begins, for one that nobody has spoken in yet.

        Raises:
            Conflict: when it has begun already.
            StoreError: when it cannot be written.
        """
        if self.place.seq >= 0:
            there = f"there is a conversation {self.conversation!r:.60} already, at step {self.place.seq}; give another id, or delete it"
            raise Conflict(there, self.conversation, None, self.place.seq)
        entry, place = begun(self.place, self.start)
        self.store.append(self.conversation, self.owner, [entry], self.seconds)
        self.place = place

    def overruled(self) -> Taken | None:
        """The step that somebody has taken in place of this turn's, where it has cancelled the turn; None for any other, and for none."""
        seq = self.place.seq + 1
        for event, place in places(self.conversation, self.place, self.store.entries(self.conversation, seq, seq)):
            if isinstance(event, Cancelled):
                return place.taken(event)
        return None

    def keep(self, taken: Taken) -> None:
        """Write a step down. The first one brings the beginning with it.

        Raises:
            Conflict: when the conversation has moved on without this turn.
            StoreError: when it cannot be written.
        """
        entries, place = [], self.place
        if place.seq < 0:
            beginning, place = begun(place, self.start)
            entries.append(beginning)
        entry, place = written(place, taken)
        self.store.append(self.conversation, self.owner, [*entries, entry], self.seconds if entry.under_way else 0.0)
        self.place, self.is_held = place, entry.under_way


def _forget_what_ran_out() -> None:
    """Of a server that is away, else ever more would be remembered."""
    now = monotonic()
    for owner, journal in tuple(LEFT.items()):
        if now > journal.forgotten:
            LEFT.pop(owner, None)


def _give_back_all() -> None:
    """Give back what turns have that were left open, while there are still threads: when the process ends it is too late.

    A store that is away is asked once, and not for each of them.
    """
    away = set[int]()
    for journal in (*HEARTBEAT.held(), *LEFT.values()):
        if id(journal.store) not in away and not journal.give_back():
            away.add(id(journal.store))


atexit.register(_give_back_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LEFT.clear)  # the turns are the parent's
