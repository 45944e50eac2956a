"""A store between a conversation and its store: it says each time what is about to be asked, and what was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from agentgraph import Entry, Lease, Store, Stored, StoreError, StoreSize

At = Callable[[str, str, Sequence[Entry]], None]


class Between:
    """Passes everything on, and tells `at` the name of each point: "before append 3", "after append 3"."""

    def __init__(self, store: Store, at: At) -> None:
        self.inner, self.at = store, at

    @property
    def instant(self) -> bool:
        return self.inner.instant

    def lease(self, conversation: str, owner: str, seconds: float) -> Lease:
        self.at("before lease", conversation, ())
        lease = self.inner.lease(conversation, owner, seconds)
        self.at("after lease", conversation, ())
        return lease

    def renew(self, conversation: str, owner: str, seconds: float) -> bool:
        self.at("before renew", conversation, ())
        renewed = self.inner.renew(conversation, owner, seconds)
        self.at("after renew", conversation, ())
        return renewed

    def release(self, conversation: str, owner: str) -> None:
        self.at("before release", conversation, ())
        self.inner.release(conversation, owner)
        self.at("after release", conversation, ())

    def append(self, conversation: str, owner: str, entries: Sequence[Entry], seconds: float) -> None:
        self.at(f"before append {entries[-1].seq}", conversation, entries)
        self.inner.append(conversation, owner, entries, seconds)
        self.at(f"after append {entries[-1].seq}", conversation, entries)

    def entries(self, conversation: str, first: int = 0, last: int | None = None) -> Sequence[Entry]:
        return self.inner.entries(conversation, first, last)

    def latest(self, conversation: str, last: int | None = None) -> Sequence[Entry]:
        return self.inner.latest(conversation, last)

    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Sequence[Stored]:
        return self.inner.list(prefix, after, limit)

    def delete(self, conversation: str) -> bool:
        return self.inner.delete(conversation)

    def delete_before(self, time: datetime) -> int:
        return self.inner.delete_before(time)

    def size(self) -> StoreSize:
        return self.inner.size()

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def failing(store: Store, *points: str) -> Between:
    """`store`, which fails at `points`."""

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point in points:
            raise StoreError(f"the store failed {point}")

    return Between(store, at)
