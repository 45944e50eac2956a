"""Workers that are killed, at every point there is and at random ones: what was acknowledged is there and is not done again.

Small by default, full-sized where `CI` is set.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from agentgraph import RunResult, Store, open_store
from agentgraph.engine import ModelReplied, ToolReturned, replay
from tests.stores.test_writers import at_once
from tests.stores.working import ANSWER, HANGING, HANGS, LEASE, Worker, read, sum_of
from tests.waiting import WATCHDOG, until

pytestmark = pytest.mark.load

FULL = bool(os.environ.get("CI"))
EVERY = 1 if FULL else 7
KILLS = 100 if FULL else 10
WORKED = 10
"""Kills before other conversations are worked on: what a model is shown is judged whole each time, so long ones make few steps."""
NAMES = tuple(tuple(f"{side}{n}" for side in ("north", "south", "east", "west")) for n in range(KILLS // WORKED))


@contextmanager
def started(url: str, ledger: Path, fatal: str, *names: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in a process of its own, dead at the end of the block."""
    ledger.touch()
    command = [sys.executable, "-m", "tests.stores.working", url, str(ledger), fatal, *names]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def points(folder: Path) -> list[str]:
    """Of a turn that nobody interrupts. Every one has a name that is the same each time."""
    worker = Worker("memory:", folder / "rehearsal")
    assert worker.conversation("c").run("one").output == ANSWER
    worker.close()
    return list(dict.fromkeys(point for point, *_ in read(folder / "rehearsal")))


def completed(worker: Worker, name: str) -> tuple[int, set[str]]:
    """How many replies and which calls the store holds the answers of."""
    events = worker.conversation(name).history().events
    return sum(isinstance(event, ModelReplied) and not event.within for event in events), {
        event.call_id for event in events if isinstance(event, ToolReturned)
    }


@pytest.mark.parametrize("how", ["resume", "next message"])
def test_killed_at_every_point(database: str, tmp_path: Path, how: str) -> None:
    """A turn with handoffs, parallel tools and a group; then another worker takes it up, without the first being started again."""
    every = points(tmp_path)
    assert len(every) > 35
    for at, point in enumerate(every[:: EVERY if how == "resume" else 2 * EVERY]):
        name, ledger = f"c{at}", tmp_path / f"{at}"
        with started(database, ledger, point, name) as process:
            _, errors = process.communicate(timeout=WATCHDOG)
        assert process.returncode == -signal.SIGKILL, (point, errors)
        taken_up(database, ledger, point, name, how)


def taken_up(database: str, ledger: Path, point: str, name: str, how: str) -> None:
    worker = Worker(database, ledger)
    kept, (replies, answered) = list(worker.store.entries(name)), completed(worker, name)
    before = read(ledger)
    asked = [passed for passed, *_ in before if passed.startswith("before model")]

    conversation = worker.conversation(name)
    result = conversation.resume() if how == "resume" and kept else conversation.run("two")

    if result.stop_reason == "error" and "nothing is pending" in str(result.error):  # it was killed when all was written
        assert kept[-1].under_way is False
        result = conversation.run("two")
    assert result.output == ANSWER, (point, result.error)
    assert conversation.run("three").output == ANSWER

    after = read(ledger)[len(before) :]
    assert list(worker.store.entries(name))[: len(kept)] == kept
    again = {passed for passed, *_ in after if passed.startswith("before model")}
    assert not again & set(asked[:replies]), point
    ran = [(passed, more[1], more[2]) for passed, *more in before + after if passed.startswith(("before look", "before fetch"))]
    assert (
        not {call_id for passed, call_id, _ in ran[len([r for r in before if r[0].startswith(("before look", "before fetch"))]) :]}
        & answered
    )
    assert max(Counter(one for one in ran if one[0].startswith("before look")).values(), default=1) == 1, point
    assert len({key for _, _, key in ran}) == len({call_id for _, call_id, _ in ran})
    trace = conversation.history()
    assert replay(worker.runner.machine, trace.start, trace.events) == trace
    assert how != "resume" or [message.outcome for message in conversation.context.messages].count("unknown") <= 1
    worker.close()


def test_killed_at_random_under_load(database: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    chance = random.Random(20261124)
    for kill in range(KILLS):
        before = ledger.stat().st_size if ledger.exists() else 0
        with started(database, ledger, "at random", *NAMES[kill // WORKED]) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "at work\n"
            assert until(partial(has_written, ledger, before))  # once the leases of the one before have run out
            time.sleep(chance.uniform(0.0, 0.5))
            process.kill()
            _, errors = process.communicate(timeout=WATCHDOG)
        assert (process.returncode, errors) == (-signal.SIGKILL, "")

    with open_store(database) as store:
        acknowledged = nothing_lost(store, read(ledger), [*chain(*NAMES)])
    nothing_repeated(read(ledger))
    print(f"{KILLS} kills, {acknowledged:,} steps acknowledged")
    assert acknowledged > 20 * KILLS
    worker = Worker(database, tmp_path / "last")
    for name in chain(*NAMES):
        conversation = worker.conversation(name)
        taken = conversation.resume()
        assert taken.output == ANSWER or "nothing is pending" in str(taken.error)
        assert conversation.run("the last word").output == ANSWER
        trace = conversation.history()
        assert replay(worker.runner.machine, trace.start, trace.events) == trace
    worker.close()


def has_written(ledger: Path, since: int) -> bool:
    """Whether more than twenty steps were acknowledged behind `since`, as the ledger says."""
    with ledger.open("rb") as lines:
        lines.seek(since)
        return lines.read().count(b'["after append') > 20


def nothing_lost(store: Store, ledger: list[list[Any]], names: list[str]) -> int:
    """Every step that a worker was told is written is there, as it was written; how many there are."""
    there = {name: {entry.seq: sum_of(entry) for entry in store.entries(name)} for name in names}
    told = [(more[0], seq, sum_) for point, *more in ledger if point.startswith("after append") for seq, sum_, _ in more[1]]
    lost = [(name, seq) for name, seq, sum_ in told if there[name].get(seq) != sum_]
    assert lost == []
    assert all(list(steps) == list(range(len(steps))) for steps in there.values())
    return len(told)


def nothing_repeated(ledger: list[list[Any]]) -> None:
    """Whatever was answered, and written, is not asked again; what must not be done twice is not begun twice."""
    begun: Counter[str] = Counter()
    done: set[str] = set()
    answered: dict[tuple[str, str], str] = {}
    for point, *more in ledger:
        if point == "begin":
            answered.clear()
        elif point.startswith(("before look", "before fetch")):
            begun[more[2]] += point.startswith("before look")
            assert more[2] not in done
        elif point.startswith(("after look", "after fetch")):
            answered[more[0], more[1]] = more[2]
        elif point.startswith("before model"):
            assert point not in done, point
        elif point.startswith("after model"):
            answered[point.removeprefix("after model ").split("/")[0], ""] = point.replace("after", "before")
        elif point.startswith("after append"):
            for _, _, call_id in more[1]:
                done.add(answered.pop((more[0], call_id or ""), ""))
    assert max(begun.values()) == 1
    assert len(done) > 1


def test_another_worker_takes_over(database: str, tmp_path: Path) -> None:
    """Forty turns of one process, all within a tool or a model when it is killed. The other one has each soon
    after its lease has run out: who waits longer than that has a conflict."""
    names, ledger = [f"t{n}" for n in range(40)], tmp_path / "killed"
    survivor = Worker(database, tmp_path / "survivor")
    with started(database, ledger, HANGING, *names):
        assert until(lambda: sum(point in HANGS for point, *_ in read(ledger)) >= len(names))

    results: list[RunResult] = []
    at_once([lambda name=name: results.append(survivor.conversation(name, LEASE + 10.0).resume()) for name in names])  # type: ignore[misc]

    assert [(result.output, result.error) for result in results] == [(ANSWER, None)] * len(names)
    nothing_repeated([*read(ledger), ["begin"], *read(tmp_path / "survivor")])
    survivor.close()
