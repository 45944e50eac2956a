"""The bare loop at work on every cell: what all others are measured by. It needs nothing but the standard library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from time import perf_counter

from benchmarks.bare import BareModel, Message, arun, provided, run, team_of
from benchmarks.measure import Clock, aclock, clock
from benchmarks.scene import HANDOFF, LINES, PAUSE, TOOL, Scene, anext_line, next_line

LOOP = asyncio.new_event_loop()
THREADS, EACH = 64, 4
"""How many threads there are in W6, and how many conversations each holds."""
MODEL_CALL = 0.050
"""Seconds that the model of W6 takes."""


def awaited(scene: Scene) -> Clock:
    """A turn in asyncio."""
    team, model, entry = team_of(scene, awaited=True), BareModel(scene.lines()), scene.roles[0].name
    return aclock(LOOP, lambda: arun(team, entry, model, scene.said, []))


def waited_for(scene: Scene) -> Clock:
    """A turn without asyncio."""
    team, model, entry = team_of(scene, awaited=False), BareModel(scene.lines()), scene.roles[0].name
    return clock(lambda: run(team, entry, model, scene.said, []))


def carrying(n: int) -> Clock:
    """A turn with `n` messages behind it; the list grows, and is cut before the next turn."""
    team, messages = team_of(TOOL, awaited=True), list[Message]()
    past = BareModel(chain.from_iterable(map(TOOL.lines, range(1, n))))
    while len(messages) < n:
        LOOP.run_until_complete(arun(team, "billing", past, TOOL.said, messages))
    model, length = BareModel(TOOL.lines()), len(messages)

    async def turn() -> object:
        del messages[length:]
        return await arun(team, "billing", model, TOOL.said, messages)

    return aclock(LOOP, turn)


# -- many conversations at once, on the wall clock -----------------------------------------------------------------------


class PausingModel(BareModel):
    """Says what is next in the conversation that it is asked in, after the pause."""

    def __init__(self) -> None:
        super().__init__(())

    def reply(self, _: object, __: list[Message]) -> Message:
        return provided(next_line())

    async def areply(self, _: object, __: list[Message]) -> Message:
        return provided(await anext_line())


def talking() -> Callable[[], Awaitable[object]]:
    """A conversation of the bare loop, for `crowd`."""
    team, model = team_of(HANDOFF, awaited=True), PausingModel()
    return lambda: arun(team, "triage", model, HANDOFF.said, [])


def talking_sync() -> Callable[[], object]:
    """A conversation of the bare loop, for `threaded`."""
    team, model = team_of(HANDOFF, awaited=False), PausingModel()
    return lambda: run(team, "triage", model, HANDOFF.said, [])


def crowd(converse: Callable[[], Awaitable[object]], many: int) -> Clock:
    """`many` conversations at once in asyncio; they are opened before the clock starts."""

    async def conversation(opened: Awaitable[object]) -> None:
        LINES.set(HANDOFF.lines())
        await opened

    async def all_of_them() -> float:
        PAUSE.set(MODEL_CALL)
        opened = [converse() for _ in range(many)]
        start = perf_counter()
        await asyncio.gather(*map(conversation, opened))
        return perf_counter() - start

    return lambda times: sum(LOOP.run_until_complete(all_of_them()) for _ in range(times))


def threaded(converse: Callable[[], object]) -> Clock:
    """64 threads that hold 4 conversations each, one after the other."""

    def conversations(_: int) -> None:
        PAUSE.set(MODEL_CALL)
        for _ in range(EACH):
            LINES.set(HANDOFF.lines())
            converse()

    def all_of_them() -> float:
        with ThreadPoolExecutor(THREADS) as threads:
            start = perf_counter()
            list(threads.map(conversations, range(THREADS)))
            return perf_counter() - start

    return lambda times: sum(all_of_them() for _ in range(times))
