"""A program that leaves sixty streams unfinished, in the way its argument says, and counts what is still open. Run by `test_streams.py`."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import sys
from pathlib import Path
from typing import Any

from agentgraph import Agent, AgentRunner, TextDelta
from tests.e2e.raw_provider import chunk, raw_provider
from tests.waiting import until

MANY = 60
SPARE = 20
"""Files that a few kept connections and a loop may hold. A leak would hold one for each stream."""

HELLO = [chunk({"role": "assistant", "content": "Hello"})]
left_open: list[Any] = []


def begun(runner: AgentRunner) -> Any:
    """A stream that has given its first piece of text."""
    stream = runner.stream("Hello?")
    assert any(isinstance(seen, TextDelta) for seen in stream)
    return stream


def closed(runner: AgentRunner) -> None:
    begun(runner).close()


def in_a_cycle(runner: AgentRunner) -> None:
    """Only the garbage collector will find it, in whichever thread it runs."""
    cycle: list[Any] = [begun(runner)]
    cycle.append(cycle)


def dropped(runner: AgentRunner) -> None:
    begun(runner)


async def in_asyncio(runner: AgentRunner, *, kept: bool = False) -> None:
    stream = runner.astream("Hello?")
    async for seen in stream:
        if isinstance(seen, TextDelta):
            break
    if kept:
        left_open.append(stream)


async def all_in_asyncio(runner: AgentRunner, *, kept: bool = False) -> None:
    for _ in range(MANY // 4):
        await asyncio.gather(*(in_asyncio(runner, kept=kept) for _ in range(4)))


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def main(how: str) -> None:
    with raw_provider(HELLO, end="hang") as provider:
        runner = AgentRunner(Agent("Desk", model=provider.model()))
        closed(runner)
        before = open_files()
        if how == "in asyncio":
            asyncio.run(all_in_asyncio(runner))
        elif how == "open at exit in asyncio":
            asyncio.run(all_in_asyncio(runner, kept=True))
        elif how == "open at exit":
            left_open.extend(begun(runner) for _ in range(MANY))
        else:
            leave = {"dropped": dropped, "closed": closed, "in a cycle": in_a_cycle}[how]
            for _ in range(MANY):
                leave(runner)
        gc.collect()
        if how != "open at exit" and not until(lambda: open_files() < before + SPARE, 10):
            print(f"{open_files() - before} more files are open than before", file=sys.stderr)
        print(f"left {MANY} streams")


if __name__ == "__main__":
    faulthandler.dump_traceback_later(float(sys.argv[2]), exit=True)
    main(sys.argv[1])
