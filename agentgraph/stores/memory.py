"""A store that lasts as long as it is referred to: for tests, demos, and conversations that need no file."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic, time
from typing import Self

from agentgraph.conversation.store import Entry, Lease, Stored, StoreSize, key_of, moment_of, page_of
from agentgraph.stores.conflicts import overtaken


@dataclass(slots=True)
class _Kept:
    id: str
    born: str
    owner: str | None = None
    until: float = 0.0
    updated: float = 0.0
    entries: list[tuple[str, Entry]] = field(default_factory=list)
    """Who wrote it, and what."""

    @property
    def seq(self) -> int:
        return len(self.entries) - 1

    @property
    def is_free(self) -> bool:
        return self.owner is None or self.until <= monotonic()


class MemoryStore:
    """Conversations in memory: the same promises as a database gives, but for surviving the process."""

    instant = True

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def lease(self, conversation: str, owner: str, seconds: float) -> Lease:
        """See `Store.lease`."""
        key = key_of(conversation)
        with self._lock:
            kept = self._kept.setdefault(key, _Kept(conversation, owner))
            if kept.is_free or kept.owner == owner:
                kept.owner, kept.until = owner, monotonic() + seconds
            return Lease(kept.owner or "", kept.born, kept.seq, kept.until - monotonic())

    def renew(self, conversation: str, owner: str, seconds: float) -> bool:
        """See `Store.renew`."""
        with self._lock:
            kept = self._kept.get(key_of(conversation))
            if kept is None or kept.owner != owner:
                return False
            kept.until = monotonic() + seconds
            return True

    def release(self, conversation: str, owner: str) -> None:
        """See `Store.release`."""
        with self._lock:
            kept = self._kept.get(key_of(conversation))
            if kept is not None and kept.owner == owner:
                kept.owner = None

    def append(self, conversation: str, owner: str, entries: Sequence[Entry], seconds: float) -> None:
        """See `Store.append`."""
        first, last = entries[0].seq, entries[-1].seq
        with self._lock:
            kept = self._kept.get(key_of(conversation))
            if kept is None or kept.seq != first - 1 or kept.owner != owner:
                if kept is not None and kept.seq >= last and kept.entries[last][0] == owner:
                    return
                raise overtaken(conversation, first - 1, -1 if kept is None else kept.seq)
            kept.entries.extend((owner, entry) for entry in entries)
            kept.until, kept.updated = monotonic() + seconds, time()
            if not seconds:
                kept.owner = None

    def entries(self, conversation: str, first: int = 0, last: int | None = None) -> Sequence[Entry]:
        """See `Store.entries`."""
        with self._lock:
            kept = self._kept.get(key_of(conversation))
            behind = None if last is None else max(last + 1, 0)
            return [] if kept is None else [entry for _, entry in kept.entries[max(first, 0) : behind]]

    def latest(self, conversation: str, last: int | None = None) -> Sequence[Entry]:
        """See `Store.latest`."""
        with self._lock:
            kept = self._kept.get(key_of(conversation))
            written = [] if kept is None else kept.entries
            end = len(written) if last is None else min(last + 1, len(written))
            whole = next((at for at in range(end - 1, 0, -1) if written[at][1].whole), 0)
            return [entry for _, entry in written[whole:end]]

    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Sequence[Stored]:
        """See `Store.list`."""
        begins, behind, most = page_of(prefix, after, limit)
        with self._lock:
            keys = sorted(key for key, kept in self._kept.items() if kept.entries and key.startswith(begins) and key > behind)
            return [self._stored(self._kept[key]) for key in keys[:most]]

    def _stored(self, kept: _Kept) -> Stored:
        leased = None if kept.owner is None else kept.until - monotonic()
        return Stored(kept.id, kept.seq, kept.entries[-1][1].under_way, kept.updated, leased)

    def delete(self, conversation: str) -> bool:
        """See `Store.delete`."""
        with self._lock:
            kept = self._kept.pop(key_of(conversation), None)
            return kept is not None and bool(kept.entries)

    def delete_before(self, time: datetime) -> int:
        """See `Store.delete_before`."""
        moment = moment_of(time)
        with self._lock:
            old = [key for key, kept in self._kept.items() if kept.updated < moment and kept.is_free]
            return sum(bool(self._kept.pop(key).entries) for key in old)

    def size(self) -> StoreSize:
        """See `Store.size`."""
        with self._lock:
            kept = [one.entries for one in self._kept.values() if one.entries]
            text = sum(len(entry.event) + len(entry.state) + len(entry.messages) for entries in kept for _, entry in entries)
            return StoreSize(len(kept), sum(map(len, kept)), text)

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._kept)} conversations)"
