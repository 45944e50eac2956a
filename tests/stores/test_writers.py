"""Many who write at once: nothing is lost, and who loses is told so. Small by default, full-sized where `CI` is set."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Conflict,
    Conversation,
    ModelRequest,
    Reply,
    RunResult,
    Store,
    ToolCall,
    ToolContext,
    open_store,
    tool,
)
from agentgraph.engine import replay

FULL = bool(os.environ.get("CI"))
THREADS, CONVERSATIONS = (200, 20) if FULL else (40, 4)
WRITERS, TURNS = 8, 10


@tool
def count(ctx: ToolContext) -> int:
    """Read and write: a lost update would show."""
    ctx.update(count=ctx.data.get("count", 0) + 1)
    return int(ctx.data["count"])


class Counting:
    """Calls `count`, then says what it gave."""

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        last = request.messages[-1]
        return Reply(last.text) if last.role == "tool" else Reply(None, [ToolCall("", "count", {})])


RUNNER = AgentRunner(AgentGraph.of(Agent("Desk", tools=[count], model=Counting())))


def at_once(work: list[Callable[[], Any]]) -> None:
    """All of it, from threads that begin together."""
    barrier, wrong = threading.Barrier(len(work)), []

    def go(one: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            one()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=go, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def judge(conversation: Conversation, results: list[tuple[str, RunResult]]) -> None:
    """What was acknowledged is there, once and in one piece; all else has a conflict."""
    trace = conversation.history()
    won = [word for word, result in results if result.error is None]
    said = [message.text for message in conversation.context.messages if message.role == "user"]

    assert all(result.succeeded or isinstance(result.error, Conflict) for _, result in results)
    assert Counter(said) == Counter(won)
    assert conversation.context.data.get("count", 0) == len(won)
    assert len(trace) == 4 * len(won)
    assert replay(RUNNER.machine, trace.start, trace.events) == trace


def test_eight_writers_on_one_conversation(database: str) -> None:
    """Each as a process of its own would: with its own store."""
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(database)) for _ in range(WRITERS)]
        results: list[tuple[str, RunResult]] = []

        def write(n: int) -> None:
            conversation = RUNNER.conversation("c", stores[n])
            results.extend([(f"{n}.{turn}", conversation.run(f"{n}.{turn}")) for turn in range(TURNS)])

        at_once([lambda n=n: write(n) for n in range(WRITERS)])  # type: ignore[misc]

        assert len(results) == WRITERS * TURNS
        judge(RUNNER.conversation("c", stores[0]), results)


def test_eight_writers_who_wait_their_turn_all_have_it(database: str) -> None:
    with ExitStack() as stack:
        stores = [stack.enter_context(open_store(database)) for _ in range(WRITERS)]
        results: list[tuple[str, RunResult]] = []

        def write(n: int) -> None:
            conversation = RUNNER.conversation("c", stores[n], wait=120)
            results.extend([(f"{n}.{turn}", conversation.run(f"{n}.{turn}")) for turn in range(TURNS)])

        at_once([lambda n=n: write(n) for n in range(WRITERS)])  # type: ignore[misc]

        assert [result.error for _, result in results] == [None] * (WRITERS * TURNS)
        judge(RUNNER.conversation("c", stores[0]), results)


def test_many_threads_on_few_conversations(store: Store) -> None:
    """One store for all of them."""
    names = [f"c{n % CONVERSATIONS}" for n in range(THREADS)]
    held: dict[str, Conversation] = {name: RUNNER.conversation(name, store) for name in names}
    results: dict[str, list[tuple[str, RunResult]]] = {name: [] for name in names}

    def write(n: int) -> None:
        for turn in range(2):
            results[names[n]].append((f"{n}.{turn}", held[names[n]].run(f"{n}.{turn}")))

    at_once([lambda n=n: write(n) for n in range(THREADS)])  # type: ignore[misc]

    assert sum(map(len, results.values())) == 2 * THREADS
    for name, of_one in results.items():
        judge(held[name], of_one)
        assert any(result.succeeded for _, result in of_one)


def test_many_tasks_on_few_conversations(store: Store) -> None:
    names = [f"c{n % CONVERSATIONS}" for n in range(THREADS)]
    held = {name: RUNNER.conversation(name, store, wait=120) for name in names}
    results: dict[str, list[tuple[str, RunResult]]] = {name: [] for name in names}

    async def write(n: int) -> None:
        results[names[n]].append((str(n), await held[names[n]].arun(str(n))))

    async def all_of_them() -> None:
        await asyncio.gather(*map(write, range(THREADS)))

    asyncio.run(all_of_them())

    for name, of_one in results.items():
        assert [result.error for _, result in of_one] == [None] * len(of_one)
        judge(held[name], of_one)
