"""A program that begins many streams through litellm and leaves half of them unfinished. Run by `test_streams.py`.

    python -m tests.load.streams HOW EACH SECONDS

Sixteen threads or tasks, EACH streams a piece. It says what it did, and ends itself when it hangs for SECONDS.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from agentgraph import Agent, AgentRunner, LiteLLMModel, RunCompleted, TextDelta
from agentgraph.runtime.stream import AsyncRunStream, RunStream
from tests.load.provider import GO_ON, STORY, provider
from tests.waiting import until

MANY = 16
"""Threads or tasks."""
FORKS = 4
"""Children that are made while the parent is streaming."""
SPARE = 32
"""Files that kept connections and a loop may hold beyond those of the first stream. A leak would hold one for each stream."""

PATIENCE = float(sys.argv[3]) if __name__ == "__main__" and len(sys.argv) > 3 else 0.0
"""Seconds after which something hangs."""

Runners = Mapping[str, AgentRunner]


def runners(models: Mapping[str, LiteLLMModel]) -> Runners:
    return {name: AgentRunner(Agent("Desk", model=model)) for name, model in models.items()}


def watchdog(seconds: float) -> None:
    """End this process, saying where each thread is, when it takes longer. A signal, since a watchdog thread does not survive a fork."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


# -- one stream, read to its end or left in the middle -------------------------------------------------------------------


def read(stream: RunStream) -> None:
    *_, last = stream
    assert isinstance(last, RunCompleted)
    assert last.result.raise_for_error().output == STORY


def begun(stream: RunStream) -> RunStream:
    """A stream that has given its first piece of text."""
    assert any(isinstance(seen, TextDelta) for seen in stream), stream.result.error
    return stream


def closed(stream: RunStream) -> None:
    begun(stream).close()


def dropped(stream: RunStream) -> None:
    begun(stream)


def in_a_cycle(stream: RunStream) -> None:
    """Only the garbage collector will find it, in whichever thread it runs."""
    cycle: list[Any] = [begun(stream)]
    cycle.append(cycle)


LEAVE: tuple[Callable[[RunStream], None], ...] = (closed, dropped, in_a_cycle)


async def aread(stream: AsyncRunStream) -> None:
    last = [seen async for seen in stream][-1]
    assert isinstance(last, RunCompleted)
    assert last.result.raise_for_error().output == STORY


async def abegun(stream: AsyncRunStream) -> AsyncRunStream:
    async for seen in stream:
        if isinstance(seen, TextDelta):
            return stream
    raise AssertionError(stream.result.error)


async def aclosed(stream: AsyncRunStream) -> None:
    await (await abegun(stream)).aclose()


async def adropped(stream: AsyncRunStream) -> None:
    await abegun(stream)


async def acycle(stream: AsyncRunStream) -> None:
    cycle: list[Any] = [await abegun(stream)]
    cycle.append(cycle)


async def cancelled(stream: AsyncRunStream) -> None:
    """Its task is cancelled while it waits for the rest."""
    begins = asyncio.Event()

    async def watch() -> None:
        async for seen in stream:
            if isinstance(seen, TextDelta):
                begins.set()

    task = asyncio.create_task(watch())
    await begins.wait()
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return
    raise AssertionError("it ended before it was cancelled")


ALEAVE = (aclosed, adropped, acycle, cancelled)


# -- many ----------------------------------------------------------------------------------------------------------------


def one_thread(asked: Runners, each: int, number: int) -> int:
    """The streams of one thread, every second of them left; how many were."""
    names, left = list(asked), 0
    for at in range(each):
        stream = asked[names[(number + at // 2) % len(names)]].stream(GO_ON if at % 2 else "Hello?")
        if at % 2:
            LEAVE[at // 2 % len(LEAVE)](stream)
            left += 1
        else:
            read(stream)
    return left


async def one_task(asked: Runners, each: int, number: int) -> int:
    names, left = list(asked), 0
    for at in range(each):
        stream = asked[names[(number + at // 2) % len(names)]].astream(GO_ON if at % 2 else "Hello?")
        if at % 2:
            await ALEAVE[at // 2 % len(ALEAVE)](stream)
            left += 1
        else:
            await aread(stream)
    return left


def in_threads(asked: Runners, each: int, many: int = MANY) -> int:
    with ThreadPoolExecutor(many) as pool:
        return sum(pool.map(partial(one_thread, asked, each), range(many)))


def in_asyncio(asked: Runners, each: int) -> int:
    async def together() -> int:
        return sum(await asyncio.gather(*(one_task(asked, each, number) for number in range(MANY))))

    return asyncio.run(together())


# -- forks ---------------------------------------------------------------------------------------------------------------


def forked(work: Callable[[], object]) -> int:
    """Do `work` in a child that ends as programs do, with its exit handlers; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    watchdog(PATIENCE / 2)
    work()
    sys.exit(0)


def after_a_fork(asked: Runners, each: int) -> int:
    """As gunicorn does with preload: the parent has used the loop and the clients, and goes on to."""
    in_threads(asked, 2)
    for _ in range(2):
        assert forked(partial(in_threads, asked, each)) == 0
    return in_threads(asked, each)


def while_streaming(asked: Runners, each: int) -> int:
    """Children are made while threads of the parent are in the middle of streams, which nothing happens to."""
    with ThreadPoolExecutor(MANY) as pool:
        parents = [pool.submit(one_thread, asked, each, number) for number in range(MANY)]
        for _ in range(FORKS):
            assert forked(partial(in_threads, asked, 4, 4)) == 0
        return sum(parent.result() for parent in parents)


HOW: Mapping[str, Callable[[Runners, int], int]] = {
    "in threads": in_threads,
    "in asyncio": in_asyncio,
    "after a fork": after_a_fork,
    "while streaming": while_streaming,
}


def main(how: str, each: int) -> None:
    with provider() as models:
        asked = runners(models)
        for runner in asked.values():
            read(runner.stream("Hello?"))
        before = open_files()
        left = HOW[how](asked, each)
        gc.collect()
        if not until(lambda: open_files() <= before + SPARE, 10):
            print(f"{open_files() - before} more files are open than before", file=sys.stderr)
        print(f"left {left} of {MANY * each} streams; {open_files() - before} more files are open than before", flush=True)


if __name__ == "__main__":
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # with -X dev it tells of every step that takes long
    watchdog(PATIENCE)
    main(sys.argv[1], int(sys.argv[2]))
