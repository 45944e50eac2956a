"""A history that is read when it is looked at: what is asked of a stored conversation is mostly who holds it, and its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message


class Unread(History):
    """`count` messages, which `read` gives when the first of them is wanted. Equal to the history that has them."""

    __slots__ = ("_count", "_read")

    def __init__(self, count: int, read: Callable[[], Iterable[Message]]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def __add__(self, other: Iterable[Message]) -> History:
        more = tuple(other)
        return Unread(self._count + len(more), lambda: (*self, *more)) if more else self

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there yet."""
        if name not in History.__slots__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        history = History(self._read())
        for part in History.__slots__:
            setattr(self, part, getattr(history, part))
        return getattr(history, name)
