"""Streams: runs one watches while they happen. The latest context is there at any time, also after abandoning one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Self

from agentgraph.definition.agent import Output
from agentgraph.runtime.leaving import Left
from agentgraph.runtime.loop import running_loop

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.runtime.observations import Observation
    from agentgraph.runtime.result import RunResult
    from agentgraph.runtime.run import Run


class RunStream(Iterator["Observation"], Generic[Output]):
    """The observations of a run, in a thread. The last is `RunCompleted`. Use `with`, or let it run to its end.

    One that is dropped before its end is closed too, but nobody waits for that.
    """

    def __init__(self, run: Run, observations: Generator[Observation, None, None]) -> None:
        self._run, self._observations = run, observations

    @property
    def context(self) -> Context:
        """The latest snapshot. It can be continued, wherever the stream was left."""
        return self._run.context

    @property
    def result(self) -> RunResult[Output]:
        """What the run has come to so far."""
        return self._run.result()

    def __next__(self) -> Observation:
        return next(self._observations)

    def close(self) -> None:
        """Stop here: what is under way is let go, and what is open is closed."""
        with suppress(Left):
            self._observations.throw(Left())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_UNDER_WAY: set[AsyncGenerator[Observation, None]] = set()
"""The generators of async streams that have begun. They are kept, so that of a stream that is dropped the garbage collector
finds the stream alone: in the generators inside each other it would close the inner ones while the loop closes the outer."""


def _let_go(observations: Any) -> None:
    """Close what is still open. A loop that is ending closes, or has closed, its generators itself, and ends no task that is new."""
    if observations.ag_frame is not None and not observations.ag_running:
        asyncio.ensure_future(_closed(observations))  # noqa: RUF006 - the generator's own waits hold it


async def _closed(observations: AsyncGenerator[Observation, None]) -> None:
    with suppress(RuntimeError):  # the loop began to end meanwhile, and is closing it too
        await observations.aclose()


class AsyncRunStream(AsyncIterator["Observation"], Generic[Output]):
    """The observations of a run, in asyncio. The last is `RunCompleted`. Use `async with`, or let it run to its end."""

    def __init__(self, run: Run, observations: AsyncGenerator[Observation, None]) -> None:
        self._run, self._observations = run, observations
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def context(self) -> Context:
        """The latest snapshot. It can be continued, wherever the stream was left."""
        return self._run.context

    @property
    def result(self) -> RunResult[Output]:
        """What the run has come to so far."""
        return self._run.result()

    async def __anext__(self) -> Observation:
        if self._loop is None:
            self._loop = running_loop()
            _UNDER_WAY.add(self._observations)
        try:
            return await anext(self._observations)
        except BaseException:  # it has come to its end
            _UNDER_WAY.discard(self._observations)
            raise

    async def aclose(self) -> None:
        """Stop here: what is under way is cancelled."""
        try:
            await self._observations.aclose()
        finally:
            _UNDER_WAY.discard(self._observations)

    def __del__(self) -> None:
        if self._loop is not None and self._observations in _UNDER_WAY:
            try:
                self._loop.call_soon_threadsafe(_let_go, self._observations)
            except RuntimeError:  # the loop was closed, and its generators with it, or never
                if self._run.journal is not None:
                    self._run.journal.let_go()
            _UNDER_WAY.discard(self._observations)  # what closes it holds it now

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
