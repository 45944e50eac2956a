"""Limits: how long after its start a run that would never end has ended, beside the time it was given. Wall time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

from agentgraph import Agent, AgentRunner, Budget, LimitReached, ModelRequest, Reply, RunConfig, ScriptedModel, call, tool
from benchmarks.measure import Effort
from benchmarks.table import Row

LIMIT = 1.0
"""Seconds that are given."""
MOST = 1.10
"""Times the limit after which a run has to be over."""
_GOAL = f"at most {MOST:.2f}x"
_GIVEN_UP = 5.0
"""Times the limit after which nobody waits for a run any more."""

_BUDGET = RunConfig(budget=Budget(seconds=LIMIT))
_RELEASE = threading.Event()
"""Lets go of the threads that wait for ever, once they have been measured."""


def limits(effort: Effort) -> Iterator[Row]:
    """Everything that does not end by itself, with a limit on it."""
    for what, play in CASES.items():
        try:
            times = median(_wall(play) for _ in range(min(effort.repeats, 3))) / LIMIT
        except Exception as error:  # noqa: BLE001 - a limit that fails is a row of the table, not its end
            yield Row("limits", what, "", f"{type(error).__name__}: {error:.60}", "", _GOAL, met=False)
            continue
        shown = f"{times * LIMIT:.3f} s" if times < _GIVEN_UP else f"not stopped after {_GIVEN_UP * LIMIT:g} s"
        yield Row("limits", what, "", shown, f"{times:.3f}x", _GOAL, times <= MOST)


def _wall(play: Callable[[], None]) -> float:
    """Seconds until `play` has ended, or until nobody waits any more. What it raises is raised."""
    raised: list[BaseException] = []

    def playing() -> None:
        try:
            play()
        except BaseException as error:  # noqa: BLE001 - handed on to who measures
            raised.append(error)

    thread = threading.Thread(target=playing, daemon=True)
    start = perf_counter()
    thread.start()
    thread.join(_GIVEN_UP * LIMIT)
    took = perf_counter() - start
    _RELEASE.set()
    _RELEASE.clear()
    if raised:
        raise raised[0]
    return took


# -- what does not end by itself -------------------------------------------------------------------------------------------


@tool
def never() -> str:
    """Blocks its thread."""
    _RELEASE.wait()
    return "released"


@tool(name="never")
async def anever() -> str:
    """Waits in the event loop."""
    await asyncio.Event().wait()
    return "released"


@tool(name="never", timeout=LIMIT)
def timed_never() -> str:
    """Blocks its thread, and has a limit of its own."""
    _RELEASE.wait()
    return "released"


@tool(name="never", timeout=LIMIT)
async def timed_anever() -> str:
    """Waits in the event loop, and has a limit of its own."""
    await asyncio.Event().wait()
    return "released"


class SilentModel:
    """Blocks its thread."""

    def reply(self, _: ModelRequest, /) -> Reply:
        _RELEASE.wait()
        return Reply("released")


class AwaitedSilentModel:
    """Waits in the event loop."""

    async def reply(self, _: ModelRequest, /) -> Reply:
        await asyncio.Event().wait()
        return Reply("released")


class DrippingModel(AwaitedSilentModel):
    """Streams a piece every 20 ms, for ever."""

    async def stream(self, _: ModelRequest, /) -> AsyncIterator[str | Reply]:
        while True:
            await asyncio.sleep(0.020)
            yield "drip "


# -- the runs --------------------------------------------------------------------------------------------------------------


def _runner(tools: tuple[Any, ...], model: Any = None, config: RunConfig = _BUDGET) -> AgentRunner:
    model = model or ScriptedModel([call("never"), "It did not answer."])
    return AgentRunner(Agent("waiting", tools=tools, model=model), config)


def _limited(result: Any) -> None:
    assert isinstance(result.error, LimitReached), result.error


def _answered(result: Any) -> None:
    assert result.raise_for_error().output == "It did not answer."
    assert result.messages[2].content.startswith("error"), result.messages[2]


def _sync(make: Callable[[], AgentRunner], check: Callable[[Any], None] = _limited) -> Callable[[], None]:
    return lambda: check(make().run("Go on."))


def _awaited(make: Callable[[], AgentRunner], check: Callable[[Any], None] = _limited) -> Callable[[], None]:
    async def play() -> None:
        check(await make().arun("Go on."))

    return lambda: asyncio.run(play())


def _streamed() -> None:
    stream = _runner((), DrippingModel()).stream("Go on.")
    for _ in stream:
        pass
    _limited(stream.result)


def _astreamed() -> None:
    async def play() -> None:
        stream = _runner((), DrippingModel()).astream("Go on.")
        async for _ in stream:
            pass
        _limited(stream.result)

    asyncio.run(play())


CASES: dict[str, Callable[[], None]] = {
    "Budget(seconds=1), a tool that blocks; sync": _sync(lambda: _runner((never,))),
    "Budget(seconds=1), a tool that blocks": _awaited(lambda: _runner((never,))),
    "Budget(seconds=1), an async tool that waits; sync": _sync(lambda: _runner((anever,))),
    "Budget(seconds=1), an async tool that waits": _awaited(lambda: _runner((anever,))),
    "Budget(seconds=1), a model that blocks; sync": _sync(lambda: _runner((), SilentModel())),
    "Budget(seconds=1), a model that blocks": _awaited(lambda: _runner((), SilentModel())),
    "Budget(seconds=1), an async model that waits; sync": _sync(lambda: _runner((), AwaitedSilentModel())),
    "Budget(seconds=1), an async model that waits": _awaited(lambda: _runner((), AwaitedSilentModel())),
    "Budget(seconds=1), a stream that drips; sync": _streamed,
    "Budget(seconds=1), a stream that drips": _astreamed,
    "@tool(timeout=1), a tool that blocks; sync": _sync(lambda: _runner((timed_never,), config=RunConfig()), _answered),
    "@tool(timeout=1), a tool that blocks": _awaited(lambda: _runner((timed_never,), config=RunConfig()), _answered),
    "@tool(timeout=1), an async tool that waits; sync": _sync(lambda: _runner((timed_anever,), config=RunConfig()), _answered),
    "@tool(timeout=1), an async tool that waits": _awaited(lambda: _runner((timed_anever,), config=RunConfig()), _answered),
}
