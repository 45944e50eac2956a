"""What a call comes to, carried from the thread or task it was made in to where it is waited for."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from agentgraph.errors import NoThread

T = TypeVar("T")


class Outcome(Generic[T]):
    """What a call came to: a value, or what it raised. Opening it gives the one or raises the other.

    It carries what must not end the thread or task it was raised in: a SystemExit in the background loop would end the loop.
    """

    __slots__ = ("_error", "_value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self._value, self._error = value, error

    @classmethod
    def of(cls, function: Callable[[], T]) -> Outcome[T]:
        """What calling `function` comes to."""
        try:
            return cls(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is opened
            return cls(error=error)

    @classmethod
    async def awaited(cls, answer: Awaitable[T]) -> Outcome[T]:
        """What awaiting `answer` comes to. Only a cancellation of the waiting itself goes through."""
        try:
            return cls(await answer)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return cls(error=error)
        except BaseException as error:  # noqa: BLE001 - raised again where it is opened
            return cls(error=error)

    @property
    def is_awaitable(self) -> bool:
        """Whether the value is still to be awaited."""
        return inspect.isawaitable(self._value)

    @property
    def is_interrupt(self) -> bool:
        """Whether somebody has pressed Ctrl-C, which is nobody's own error."""
        return isinstance(self._error, KeyboardInterrupt)

    def open(self) -> T:
        """The value.

        Raises:
            BaseException: what the call raised.
        """
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]


def started(name: str, work: Callable[[], object]) -> threading.Thread:
    """A daemon thread that does `work`: what never returns must not keep the process from ending.

    Raises:
        NoThread: when none can be had, as in a browser, or at a limit of the system's.
    """
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as wrong:
        raise NoThread(f"no thread can be had here: {wrong}; raise the limit of threads, or do with fewer at once") from wrong
    return thread


def in_thread(function: Callable[[], T], deliver: Callable[[Outcome[T]], object]) -> None:
    """Call `function` in a daemon thread that carries the caller's context variables, and deliver what came of it.

    Raises:
        NoThread: when none can be had. Nothing was called.
    """
    context = contextvars.copy_context()

    def work() -> None:
        deliver(Outcome.of(lambda: context.run(function)))

    started("agentgraph-tool", work)


def within(seconds: float, function: Callable[[], T], *, or_here: bool = False) -> T:
    """Call `function`, but wait no longer than `seconds`. Where no thread can be had, `or_here` it is waited for as long as it takes.

    Raises:
        TimeoutError: when it has not returned by then. Python cannot stop it: it goes on, unheard.
        NoThread: when the wait cannot be bounded. Nothing was called.
    """
    arrived: SimpleQueue[Outcome[T]] = SimpleQueue()
    try:
        in_thread(function, arrived.put)
    except NoThread:
        if not or_here:
            raise
        return function()
    try:
        outcome = arrived.get(timeout=max(seconds, 0.0))
    except Empty:
        raise TimeoutError from None
    return outcome.open()
