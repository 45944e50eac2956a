"""What keeping costs: linear storage, reading that does not depend on the number of steps, little beside the disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from agentgraph import Context, Entry, MemoryStore, SQLiteStore
from agentgraph.engine.journal import Place, begun, latest
from tests.stores.test_writers import RUNNER

STEPS = 200
OURS = 0.0015
"""Seconds that a step may take beside what the disk takes."""


def test_storage_is_linear() -> None:
    """A turn takes the same at 1,000 turns as at 100."""
    store = MemoryStore()
    conversation = RUNNER.conversation("c", store)
    text: dict[int, int] = {}
    for turn in range(1, 1001):
        assert conversation.run("What is my balance, please?").error is None
        if turn in (100, 1000):
            text[turn] = sum(len(entry.event) + len(entry.state) + len(entry.messages) for entry in store.entries("c"))

    assert text[1000] / 1000 <= 1.2 * text[100] / 100


def test_few_states_are_read_however_many_there_are() -> None:
    """What is read of the states is at most twice what a whole one takes, and one step more."""
    store = MemoryStore()
    conversation = RUNNER.conversation("c", store)
    for _ in range(300):
        conversation.run("go")
    entries = store.entries("c")
    for end in range(1, len(entries) + 1):
        at = max(i for i, entry in enumerate(entries[:end]) if entry.whole)
        behind = [len(entry.state) for entry in entries[at + 1 : end]]
        assert sum(behind[:-1]) < len(entries[at].state)


def test_the_latest_context_is_read_from_as_much_text_however_long_the_conversation() -> None:
    """But for its messages, which are read when somebody looks at them."""
    store, read = MemoryStore(), dict[int, int]()
    conversation = RUNNER.conversation("c", store)
    for turn in range(1, 1001):
        result = conversation.run("What is my balance, please?")
        if turn % 9 == 1:
            entries = store.latest("c")
            read[turn] = sum(len(entry.event) + len(entry.state) + len(entry.messages) for entry in entries)
            context = RUNNER.conversation("c", store).context
            assert len(context.messages) == len(result.context.messages)
            assert context == result.context

    assert max(read[turn] for turn in read if turn > 500) <= 1.2 * max(read[turn] for turn in read if turn < 100)


def test_a_state_that_grows_is_stored_in_linear_space() -> None:
    """Data with a new key in each step: not copied whole each time."""
    place, total, context = Place(), 0, Context()
    entries: list[Entry] = []
    for n in range(2000):
        context = context.with_data(**{f"k{n}": "x" * 20})
        entry, place = begun(place, context)
        entries.append(entry)
        total += len(entry.state)

    assert total <= 4 * len(entries[-1].state) + 4 * sum(len(f'"k{n}":"{"x" * 20}"') for n in range(2000))
    assert latest("c", Place(), entries).context == context


def median(function: Callable[[int], object]) -> float:
    took: list[float] = []
    for n in range(STEPS):
        began = time.perf_counter()
        function(n)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def test_beside_the_disk_a_step_takes_little(tmp_path: Path) -> None:
    with SQLiteStore(tmp_path / "kept.db") as store:
        assert store._open is not None
        store._open.execute("PRAGMA synchronous = OFF")
        store.lease("c", "me", 30)
        took = median(lambda n: store.append("c", "me", [Entry(n, "x" * 200, "x" * 150, n == 0, "x" * 100, under_way=True)], 30))

    assert took <= OURS
