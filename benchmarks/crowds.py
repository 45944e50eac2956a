"""W6: many conversations at once, with a model that takes 50 ms a call. Wall time; the ideal is the time that the model takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from agentgraph import ModelRequest, Reply
from benchmarks import ours, yardstick
from benchmarks.cells import AT_ONCE, THREADED
from benchmarks.measure import Effort, one_by_one
from benchmarks.scene import HANDOFF, anext_line, next_line
from benchmarks.table import Row, against_bare
from benchmarks.yardstick import EACH, MODEL_CALL

_IDEAL = EACH * len(HANDOFF.script) * MODEL_CALL


def at_once(effort: Effort) -> Iterator[Row]:
    """Conversations at once, in asyncio and in threads."""
    for cell in AT_ONCE:
        timed = one_by_one(yardstick.crowd(yardstick.talking(), cell.size), yardstick.crowd(our_talking(), cell.size), effort)
        yield against_bare(cell, timed, 1.3 if cell is AT_ONCE[-1] else None)
    timed = one_by_one(yardstick.threaded(yardstick.talking_sync()), yardstick.threaded(our_talking_sync()), effort)
    late = timed.second / _IDEAL - 1
    yield against_bare(THREADED, timed)
    yield Row("W6", "the same beside its ideal", f"{timed.first / _IDEAL - 1:+.1%}", f"{late:+.1%}", "", "within 5 %", late <= 0.05)


class _AwaitedModel:
    async def reply(self, _: ModelRequest, /) -> Reply:
        return ours.reply_of(await anext_line())


class _WaitedForModel:
    def reply(self, _: ModelRequest, /) -> Reply:
        return ours.reply_of(next_line())


def our_talking() -> Callable[[], Awaitable[object]]:
    """A conversation of agentgraph's in asyncio."""
    runner = ours.runner_of(ours.graph_of(HANDOFF, awaited=True).compile(), _AwaitedModel())

    async def converse() -> None:
        (await runner.arun(HANDOFF.said)).raise_for_error()

    return converse


def our_talking_sync() -> Callable[[], object]:
    """A conversation of agentgraph's in a thread."""
    runner = ours.runner_of(ours.graph_of(HANDOFF, awaited=False).compile(), _WaitedForModel())
    return lambda: runner.run(HANDOFF.said).raise_for_error()
