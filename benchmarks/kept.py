"""What W11 measures of ours alone: many callers at once, and how storage and reading grow with a conversation."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

from agentgraph import Agent, AgentRunner, Conversation, ModelRequest, Reply, Store, call, open_store
from benchmarks.measure import Effort, clock, side_by_side
from benchmarks.ours import TOOLS
from benchmarks.table import Row, shown
from benchmarks.yardstick import MODEL_CALL

CALLERS, CONVERSATIONS, TURNS = 64, 1_000, 10
LEAST = {"memory": 500, "SQLite, synchronous=FULL": 150}
"""Turns a second."""
MOST_AROUND = 0.020
"""Seconds that 99 of 100 turns may take beside their model."""
SHORT, LONG = 100, 1_000
"""Turns of a conversation that is read from the beginning."""
MOST_STORED, MOST_LATEST, MOST_READ = 1.2, 1.2, 1.5
"""Times as much a turn, a context, or a message, in the longer one; reading is not only ours: a database and caches are in it."""


class Clerk:
    """Looks up a balance and says it: user, tool, text. Each call takes `pause` seconds, which are noted for the thread that waits."""

    def __init__(self, pause: float = 0.0) -> None:
        self.instant, self._pause = not pause, pause
        self.waited = threading.local()

    def reply(self, request: ModelRequest, /) -> Reply:
        if self._pause:
            start = perf_counter()
            sleep(self._pause)
            self.waited.seconds = getattr(self.waited, "seconds", 0.0) + perf_counter() - start
        last = request.messages[-1]
        return Reply(last.text) if last.role == "tool" else Reply(None, (call("check_balance", account_id="ACC-17"),))


class Served(NamedTuple):
    """What came of all callers together."""

    seconds: float
    around: list[float]
    """Seconds of each turn beside those of its model, in order of size."""
    errors: int

    @property
    def rate(self) -> float:
        """Turns a second."""
        return len(self.around) / self.seconds


def served(store: Store, clerk: Clerk) -> Served:
    """Every conversation has its first turn, then its second, and so on, from all callers at once."""
    runner = AgentRunner(Agent("Clerk", "Say what the balance is.", model=clerk, tools=[TOOLS[False]]))
    conversations = [runner.conversation(f"c{number}", store, wait=60.0) for number in range(CONVERSATIONS)]
    around: list[float] = []
    errors: list[Exception] = []

    def turn(number: int) -> None:
        clerk.waited.seconds = 0.0
        start = perf_counter()
        result = conversations[number % CONVERSATIONS].run("What is the balance of ACC-17?")
        around.append(perf_counter() - start - clerk.waited.seconds)
        if result.error is not None:
            errors.append(result.error)

    with ThreadPoolExecutor(CALLERS) as callers:
        start = perf_counter()
        list(callers.map(turn, range(CONVERSATIONS * TURNS)))
        seconds = perf_counter() - start
    return Served(seconds, sorted(around), len(errors))


def load() -> Iterator[Row]:
    """1,000 conversations of 10 turns, 64 callers."""
    crowd = f"{CONVERSATIONS:,} conversations x {TURNS} turns, {CALLERS} callers"
    for where, least in LEAST.items():
        found = _in(where, Clerk())
        told = f"{found.rate:,.0f} turns/s, {found.errors} errors"
        yield Row("W11", f"{crowd}; {where}", "", told, "", f"at least {least} turns/s, 0 errors", found.rate >= least and not found.errors)
    found = _in("memory", Clerk(MODEL_CALL))
    worst = found.around[len(found.around) * 99 // 100]
    what = f"the same with a {MODEL_CALL * 1_000:g} ms model; beside it, 99 of 100 turns take at most"
    yield Row("W11", what, "", shown(worst), "", f"under {shown(MOST_AROUND)}", worst < MOST_AROUND and not found.errors)


def _in(where: str, clerk: Clerk) -> Served:
    with tempfile.TemporaryDirectory() as folder, open_store("memory:" if where == "memory" else f"sqlite:///{folder}/kept.db") as store:
        return served(store, clerk)


# -- growth --------------------------------------------------------------------------------------------------------------


def growth(effort: Effort) -> Iterator[Row]:
    """Bytes and seconds of a conversation ten times as long as another."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        files = [Path(folder) / f"{turns}.db" for turns in (SHORT, LONG)]
        short, long = (stack.enter_context(_grown(file, turns)) for file, turns in zip(files, (SHORT, LONG), strict=True))
        before, after = (file.stat().st_size / turns for file, turns in zip(files, (SHORT, LONG), strict=True))
        messages = [len(conversation.context.messages) for conversation in (short, long)]
        latest = side_by_side(clock(lambda: short.context), clock(lambda: long.context), effort)
        read = side_by_side(clock(lambda: short.context.messages[0]), clock(lambda: long.context.messages[0]), effort)
    what = f"{SHORT} turns, and {LONG:,}"
    yield _grows(f"bytes in a file of SQLite, a turn: {what}", f"{before:,.0f} B, {after:,.0f} B", after / before, MOST_STORED)
    yield _grows(f"the latest context: {what}", f"{shown(latest.first)}, {shown(latest.second)}", latest.ratio.median, MOST_LATEST)
    times = f"{shown(read.first / messages[0])}, {shown(read.second / messages[1])}"
    yield _grows(f"its messages too, a message: {what}", times, read.ratio.median * messages[0] / messages[1], MOST_READ)
    yield Row("W11", f"the latest context of {LONG:,} turns, with all {messages[1]:,} messages", "", shown(read.second), "")


def _grows(what: str, figures: str, times: float, most: float) -> Row:
    return Row("W11", what, "", figures, f"{times:.2f}x", f"at most {most:g}x", times <= most)


@contextmanager
def _grown(file: Path, turns: int) -> Iterator[Conversation]:
    """A conversation that was held, in a store that was opened anew."""
    runner = AgentRunner(Agent("Clerk", "Say what the balance is.", model=Clerk(), tools=[TOOLS[False]]))
    with open_store(f"sqlite:///{file}") as store:
        conversation = runner.conversation("c", store)
        for _ in range(turns):
            conversation.run("What is the balance of ACC-17?").raise_for_error()
    with open_store(f"sqlite:///{file}") as store:
        yield runner.conversation("c", store)
