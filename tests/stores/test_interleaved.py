"""What a memory store promises to several threads, without chance: of two calls each is interrupted by the other at each of its lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event, Lock, Thread
from types import FrameType
from typing import Any

import pytest

from agentgraph import Entry
from agentgraph.stores import memory
from agentgraph.stores.memory import MemoryStore
from tests.waiting import WATCHDOG

LEASE = 1_000.0
Call = Callable[[MemoryStore, str], Any]


def lease(store: MemoryStore, owner: str) -> Any:
    taken = store.lease("c", owner, LEASE)
    return taken.owner, taken.seq


def append(store: MemoryStore, owner: str) -> Any:
    """Write the step behind the first, which was there before."""
    return store.append("c", owner, [Entry(1, f'"{owner}"', "{}", False, "", under_way=True)], LEASE)


CALLS: dict[str, Call] = {
    "lease": lease,
    "renew": lambda store, owner: store.renew("c", owner, LEASE),
    "release": lambda store, owner: store.release("c", owner),
    "append": append,
    "delete": lambda store, _: store.delete("c"),
    "list": lambda store, _: [(kept.id, kept.seq, kept.leased is None) for kept in store.list()],
    "latest": lambda store, _: list(store.latest("c")),
}


class Door:
    """A lock that says when somebody has to wait for it."""

    def __init__(self, came: Event) -> None:
        self.lock, self.came = Lock(), came

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            self.came.set()
            self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()


BEGUN = {"leased": LEASE, "run out": -LEASE, "free": 0.0}
"""How long "mine" has what is there at the beginning."""


def begun(seconds: float) -> MemoryStore:
    """A store with one conversation of one step."""
    store = MemoryStore()
    store.lease("c", "mine", LEASE)
    store.append("c", "mine", [Entry(0, '"first"', "{}", True, "", under_way=False)], seconds)
    return store


def done(call: Call, store: MemoryStore, owner: str) -> Any:
    """What `call` gives, or the type of what it raises."""
    try:
        return call(store, owner)
    except Exception as error:
        return type(error)


def left(store: MemoryStore) -> Any:
    """What is there when both are through, and who has it."""
    entries = [entry.event for entry in store.entries("c")]
    return entries, [kept.leased is None for kept in store.list()], store.lease("c", "somebody else", LEASE).owner


def one_after_the_other(mine: Call, yours: Call, seconds: float) -> list[Any]:
    orders = []
    for first in ("mine", "yours"):
        store = begun(seconds)
        outcome = {}
        for owner, call in sorted([("mine", mine), ("yours", yours)], key=lambda one: one[0] != first):
            outcome[owner] = done(call, store, owner)
        orders.append((outcome, left(store)))
    return orders


def interrupted(mine: Call, yours: Call, line: int, seconds: float) -> tuple[Any, bool]:
    """What comes of `mine` when `yours` comes in before the n-th line that it executes, as far as it can; and whether it has so many."""
    came, outcome, lines = Event(), dict[str, Any](), 0
    store = begun(seconds)
    store._lock = Door(came)  # type: ignore[assignment]

    def other() -> None:
        outcome["yours"] = done(yours, store, "yours")
        came.set()

    second = Thread(target=other, daemon=True)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        if frame.f_code.co_filename != memory.__file__:
            return None
        if event == "line":
            if lines == line:
                second.start()
                assert came.wait(WATCHDOG), "it neither ends nor waits for the lock"
            lines += 1
        return trace

    def one() -> None:
        sys.settrace(trace)
        outcome["mine"] = done(mine, store, "mine")
        sys.settrace(None)

    first = Thread(target=one, daemon=True)
    first.start()
    first.join(WATCHDOG)
    if second.ident is None:
        return None, False
    second.join(WATCHDOG)
    return (outcome, left(store)), True


@pytest.mark.parametrize("seconds", BEGUN.values(), ids=BEGUN)
@pytest.mark.parametrize("yours", CALLS)
@pytest.mark.parametrize("mine", CALLS)
def test_two_at_once_are_as_one_after_the_other(mine: str, yours: str, seconds: float) -> None:
    """So of two who ask for a lease one is the owner, and both are told the same."""
    possible, line = one_after_the_other(CALLS[mine], CALLS[yours], seconds), 0
    while True:
        came_of_it, more = interrupted(CALLS[mine], CALLS[yours], line, seconds)
        if not more:
            break
        assert came_of_it in possible, f"{yours} before line {line} of {mine}"
        line += 1
    assert line > 1
