"""Streams: runs one watches while they happen. The latest context is there at any time, also after abandoning one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.runtime.observations import Observation
    from agentgraph.runtime.result import RunResult
    from agentgraph.runtime.run import Run


class RunStream(Iterator["Observation"]):
    """The observations of a run, in a thread. The last is `RunCompleted`. Use `with`, or let it run to its end."""

    def __init__(self, run: Run, observations: Generator[Observation, None, None]) -> None:
        self._run, self._observations = run, observations

    @property
    def context(self) -> Context:
        """The latest snapshot. It can be continued, wherever the stream was left."""
        return self._run.context

    @property
    def result(self) -> RunResult:
        """What the run has come to so far."""
        return self._run.result()

    def __next__(self) -> Observation:
        return next(self._observations)

    def close(self) -> None:
        """Stop here: what is under way is let go."""
        self._observations.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncRunStream(AsyncIterator["Observation"]):
    """The observations of a run, in asyncio. The last is `RunCompleted`. Use `async with`, or let it run to its end."""

    def __init__(self, run: Run, observations: AsyncGenerator[Observation, None]) -> None:
        self._run, self._observations = run, observations

    @property
    def context(self) -> Context:
        """The latest snapshot. It can be continued, wherever the stream was left."""
        return self._run.context

    @property
    def result(self) -> RunResult:
        """What the run has come to so far."""
        return self._run.result()

    async def __anext__(self) -> Observation:
        return await anext(self._observations)

    async def aclose(self) -> None:
        """Stop here: what is under way is cancelled."""
        await self._observations.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
