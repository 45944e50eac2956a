"""How what is open is closed when a generator around it is left.

Who leaves by hand, with `close()` or at the end of a `with`, throws a `Left` into it, and waits. The garbage collector throws a
GeneratorExit, in whatever thread it runs, with whatever locks that holds; so a finaliser never waits: it hands over.
"""

from __future__ import annotations

import _thread
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Self

from agentgraph.runtime.parent import leave_to_the_parent


class Left(BaseException):
    """Thrown into a generator by who leaves it and waits for its end."""


class _HandedOver:
    """What is still to be closed, each by a thread of its own: one that takes for ever is in the way of no other."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: after a fork all that was left is the parent's."""
        self._left: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def at_fork(self) -> None:
        leave_to_the_parent(self._left)
        self.forget()

    def put(self, close: Callable[[], object]) -> None:
        """Have `close` called soon. Takes no lock, and waits for none: not even for the thread to begin, as `threading` does."""
        self._left.put(close)
        with suppress(RuntimeError):  # no thread can be had: the next one that can closes this too
            _thread.start_new_thread(self._close, ())

    def _close(self) -> None:
        while True:
            try:
                close = self._left.get_nowait()
            except Empty:
                return
            close()


HANDED_OVER = _HandedOver()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=HANDED_OVER.at_fork)


class Open:
    """Something that is open while a `with` lasts. Its end waits for the closing, unless it is the garbage collector that ends it."""

    def close(self) -> None:
        """Close it, and wait for that."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Have it closed, without waiting for anything."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, GeneratorExit):
            self.let_go()
        else:
            self.close()


_OPEN: set[Pieces] = set()


class Pieces(Open):
    """What a synchronous model writes. Kept, so that the garbage collector does not find it and close it itself, where it stands."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self._end: Callable[[], object] = getattr(items, "close", tuple)  # an iterator need not have one

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __enter__(self) -> Self:
        _OPEN.add(self)
        return self

    def close(self) -> None:
        """See `Open.close`."""
        _OPEN.discard(self)
        self._end()

    def let_go(self) -> None:
        """See `Open.let_go`."""
        HANDED_OVER.put(self._end)
        _OPEN.discard(self)
