"""A runner keeps nothing of the conversations it has held: no memory, no thread, no task."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, Context, ModelRequest, Reply, ToolCall, ToolContext, tool
from agentgraph.runtime.loop import LOOP
from tests.load.desk import CONFIG, TURNS, desk

CI = bool(os.environ.get("CI"))
CONVERSATIONS, LENGTH = (1000 if CI else 50), 10
TURNS_HELD = 10_000 if CI else 500
A_TURN = 100
"""Bytes that a turn may leave: nothing of it is as small. Its context alone is ten times that."""


@tool
def note(number: int, ctx: ToolContext) -> int:
    """Write something into the shared data."""
    ctx.update(last=number)
    return number


class Quick:
    """A model that calls a tool, hands over, and answers: three replies a turn."""

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        since = 0
        for message in reversed(request.messages):
            if message.role == "user":
                break
            since += message.role == "assistant"
        if since == 0:
            return Reply(None, (ToolCall("", "note", json.dumps({"number": len(request.messages)})),))
        hand_over = next((t["function"]["name"] for t in request.tools if t["function"]["name"].startswith("handoff")), None)
        return Reply(None, (ToolCall("", hand_over, "{}"),)) if since == 1 and hand_over else Reply("done")


def quick() -> AgentRunner:
    graph = AgentGraph("quick")
    for name, other in (("A", "B"), ("B", "A")):
        graph.add_agent(Agent(name, tools=(note,), model=Quick()))
        graph.add_handoff(name, other)
    return AgentRunner(graph)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def in_use() -> tuple[int, int]:
    """Bytes that Python holds, once what can be collected is, and objects that the garbage collector knows of."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0], len(gc.get_objects())


@pytest.mark.usefixtures("traced")
def test_conversations_that_are_stored_between_turns_are_kept_nowhere_else(tmp_path: Path) -> None:
    """However long they have become."""
    runner, held = quick(), list[int]()
    for number in range(LENGTH):
        for conversation in range(CONVERSATIONS):
            kept = tmp_path / f"{conversation}.json"
            context = Context.from_json(kept.read_text()) if number else None
            kept.write_text(runner.run(f"{number}", context).raise_for_error().context.to_json())
        del context
        held.append(in_use()[0])
    print(f"{CONVERSATIONS} conversations of {LENGTH} turns; bytes in use after each: {held}")

    last = held[-5:]
    assert max(last) - min(last) < 4 * CONVERSATIONS * A_TURN


def run(runner: AgentRunner) -> None:
    runner.run("hello").raise_for_error()


def arun(runner: AgentRunner) -> None:
    asyncio.run(runner.arun("hello")).raise_for_error()


def streamed(runner: AgentRunner) -> None:
    list(runner.stream("hello"))


def left(runner: AgentRunner) -> None:
    """A stream that is left in its middle."""
    stream = runner.stream("hello")
    for _ in range(5):
        next(stream)


@pytest.mark.parametrize("way", [run, arun, streamed, left])
@pytest.mark.usefixtures("traced")
def test_a_runner_does_not_grow(way: Callable[[AgentRunner], None]) -> None:
    """In ten rounds of turns, objects do not become more after the second, and bytes hardly: a table of Python's own may once."""
    turns = TURNS_HELD if way is run else min(TURNS_HELD, 2000)
    runner, held = quick(), list[tuple[int, int]]()
    for _ in range(10):
        for _ in range(turns // 10):
            way(runner)
        held.append(in_use())
    print(f"{turns} turns; bytes and objects after each tenth: {held}")

    assert median(after - before for (before, _), (after, _) in pairwise(held)) < turns / 10 * A_TURN
    assert held[-1][1] - held[1][1] < 10


def test_no_thread_and_no_task_is_left() -> None:
    """But the one thread that has the loop. With parallel tools, agents as tools, and streams that are left."""
    runner = AgentRunner(desk(), CONFIG)
    runner.run("1.0")
    before, at_work = set(threading.enumerate()), LOOP.run(tasks())

    def work(number: int) -> None:
        for turn in range(TURNS):
            stream = runner.stream(f"{number}.{turn}")
            for _ in range(number % 9):
                next(stream)
            stream.close()
            runner.run(f"{number}.{turn}")

    async def together() -> int:
        await asyncio.gather(*(runner.arun(f"{number}.{number % TURNS}") for number in range(40)))
        return len(asyncio.all_tasks())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert asyncio.run(together()) == 1
    for thread in set(threading.enumerate()) - before:
        thread.join(10)  # of a tool, whose stream was left meanwhile
    assert set(threading.enumerate()) <= before
    assert LOOP.run(tasks()) <= at_work, "but for those of others, who were there before"


async def tasks() -> set[asyncio.Task[Any]]:
    """Those of the loop, but this one, once those that are ending have ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait(others or {asyncio.ensure_future(asyncio.sleep(0))}, timeout=1)
    return {task for task in others if not task.done()}
