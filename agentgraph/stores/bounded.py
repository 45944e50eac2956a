"""A connection to PostgreSQL that waits no longer for an answer than whoever asks.

The kernel notices a server that is gone, but not one that is there and says nothing: stopped, or behind something that takes
every byte and passes none on. psycopg would wait for that without end.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import waiting

T = TypeVar("T")
_OFTEN = 0.1  # seconds between two looks at the clock
_ALONE = 5.0  # seconds for an answer, where nobody says how long it is waited for


class Silent(psycopg.OperationalError):
    """There was no answer in time, or nobody waits for it any more."""


class Question:
    """What a method of a store asks, and how long it waits: asking again and all answers end together."""

    def __init__(self, patience: float, answers: float, least: float) -> None:
        now = monotonic()
        self.until, self.answered_by, self._answers = now + patience, now + answers, max(answers, least)
        self.is_left = False
        """Whether who asked was interrupted, and waits no longer."""
        self.is_fresh = False
        """Whether it was asked on a connection that was opened for it."""
        self.attempts = 0
        self._least = least

    def begin(self) -> None:
        """It is asked, or asked again, which takes at least so long that a server that is there can answer."""
        self.attempts += 1
        self.answered_by = max(self.answered_by, monotonic() + self._least)

    def leave(self) -> None:
        """Wait no longer."""
        self.is_left = True

    def refuse_late(self) -> None:
        """Ask on only while there is somebody to answer to, and time.

        Raises:
            Silent: when there is not.
        """
        if self.is_left:
            raise Silent("who asked was interrupted")
        if monotonic() >= self.answered_by:
            raise Silent(f"it did not answer within {self._answers:g} seconds")

    @property
    def may_be_repeated(self) -> bool:
        """Whether a question whose answer was lost is asked again. A connection of before may be broken, and the server well."""
        return not self.is_left and (monotonic() < self.until or not self.is_fresh)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection, and the question that is asked on it. Without one each statement has its own few seconds."""

    question: Question | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything that was asked is answered, and no transaction is open."""
        return not self.closed and self.pgconn.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def wait(self, gen: Any, *_: Any, **__: Any) -> Any:
        """What psycopg waits with. An interrupt leaves the question unanswered, so the connection is not idle."""
        question = self.question or Question(0.0, _ALONE, _ALONE)
        return waiting.wait(_while(gen, question.refuse_late), self.pgconn.socket, interval=_OFTEN)


def _while(gen: Generator[Any, Any, T], refuse_late: Callable[[], None]) -> Generator[Any, Any, T]:
    """`gen`, for as long as somebody waits for it: an answer that is there is taken, however late."""
    refuse_late()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            wanted = gen.send(ready)
            refuse_late()
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
