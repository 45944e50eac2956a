"""The messages of a conversation: a sequence that only grows, and whose past is shared by all that follow from it.

A tuple would be copied whole for each message added. Here messages lie in blocks of 64; adding one copies at most the
last block, so a turn costs the same after ten thousand messages as after ten, and two conversations that fork from one
share what they have in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from agentgraph.conversation.message import Message

_BLOCK = 64
_NO_IDS: frozenset[str] = frozenset()


class History(Sequence["Message"]):
    """An immutable sequence of messages. It equals any sequence that holds equal messages."""

    __slots__ = ("_blocks", "_ids", "_tail", "_tail_ids")

    _blocks: tuple[tuple[Message, ...], ...]
    _tail: tuple[Message, ...]
    _ids: tuple[frozenset[str], ...]  # call ids in the blocks, in sets of doubling size: few sets, rarely merged
    _tail_ids: frozenset[str]

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        every = tuple(messages)
        cut = len(every) - len(every) % _BLOCK
        self._blocks = tuple(every[i : i + _BLOCK] for i in range(0, cut, _BLOCK))
        self._tail = every[cut:]
        self._ids = (_call_ids(every[:cut]),) if cut else ()
        self._tail_ids = _call_ids(self._tail)

    def add(self, message: Message) -> History:
        """This history and then `message`. O(1), whatever the length of this history (amortised)."""
        new = object.__new__(History)
        tail = (*self._tail, message)
        if len(tail) < _BLOCK:
            new._blocks, new._tail, new._ids, new._tail_ids = self._blocks, tail, self._ids, self._tail_ids
            if message.tool_calls:
                new._tail_ids |= {call.id for call in message.tool_calls}
        else:
            new._blocks, new._ids = (*self._blocks, tail), _merged(self._ids, _call_ids(tail))
            new._tail, new._tail_ids = (), _NO_IDS
        return new

    def first(self, count: int) -> History:
        """The first `count` messages. O(1) where that cuts off a few, as for a step or two ago."""
        whole, rest = divmod(count, _BLOCK)
        if whole >= len(self._blocks):
            new = object.__new__(History)
            new._blocks, new._ids, new._tail = self._blocks, self._ids, self._tail[:rest]
        else:
            new = History()
            new._blocks, new._tail = self._blocks[:whole], self._blocks[whole][:rest]
            new._ids = (_call_ids(chain.from_iterable(new._blocks)),)
        new._tail_ids = _call_ids(new._tail)
        return new

    def has_call(self, call_id: str) -> bool:
        """Whether a call with this id was ever made. O(log n)."""
        return call_id in self._tail_ids or (bool(self._ids) and any(call_id in ids for ids in self._ids))

    @property
    def has_calls(self) -> bool:
        """Whether any tool was ever called."""
        return bool(self._tail_ids) or any(self._ids)

    def __len__(self) -> int:
        return len(self._blocks) * _BLOCK + len(self._tail)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Message, ...]: ...
    def __getitem__(self, index: int | slice) -> Message | tuple[Message, ...]:
        if isinstance(index, slice):
            start, stop, stride = index.indices(len(self))
            behind = len(self._blocks) * _BLOCK
            if start >= behind and stride == 1:
                return self._tail[start - behind : stop - behind]
            return tuple(self)[index]
        at = index if index >= 0 else index + len(self)
        block, place = divmod(at, _BLOCK)
        if 0 <= block < len(self._blocks):
            return self._blocks[block][place]
        if block == len(self._blocks) and place < len(self._tail):
            return self._tail[place]
        raise IndexError(f"message {index} of {len(self)}")

    def __iter__(self) -> Iterator[Message]:
        return chain(chain.from_iterable(self._blocks), self._tail)

    def __reversed__(self) -> Iterator[Message]:
        return chain(reversed(self._tail), chain.from_iterable(map(reversed, reversed(self._blocks))))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History):
            return self._tail == other._tail and self._blocks == other._blocks
        if isinstance(other, list | tuple):
            return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))
        return NotImplemented

    def __hash__(self) -> int:
        return hash((len(self), self._tail))

    def __add__(self, other: Iterable[Message]) -> History:
        return reduce(History.add, other, self)

    def __repr__(self) -> str:
        few = ", ".join(map(repr, self[:3]))
        return f"History({few}{f', ... {len(self)} messages' if len(self) > 3 else ''})"  # noqa: PLR2004

    def __reduce__(self) -> tuple[type[History], tuple[tuple[Message, ...]]]:
        return (History, (tuple(self),))


def _call_ids(messages: Iterable[Message]) -> frozenset[str]:
    return frozenset(call.id for message in messages if message.tool_calls for call in message.tool_calls) or _NO_IDS


def _merged(ids: tuple[frozenset[str], ...], new: frozenset[str]) -> tuple[frozenset[str], ...]:
    while ids and len(ids[-1]) <= len(new):
        new, ids = new | ids[-1], ids[:-1]
    return (*ids, new)


NOTHING_SAID = History()
