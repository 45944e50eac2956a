"""The four ways to hold a turn, as one function each with one face, and what could be watched on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple

from agentgraph import AgentRunner, Context, Observation, RunCompleted, RunConfig, RunResult, TextDelta


class Held(NamedTuple):
    """A turn that was held."""

    result: RunResult
    seen: list[Observation]

    @property
    def deltas(self) -> list[TextDelta]:
        """The pieces of text, as they came."""
        return [observation for observation in self.seen if isinstance(observation, TextDelta)]


Way = Callable[[AgentRunner, str, Context | None, RunConfig | None], Held]


def _run(runner: AgentRunner, said: str, context: Context | None = None, config: RunConfig | None = None) -> Held:
    return Held(runner.run(said, context, config), [])


def _arun(runner: AgentRunner, said: str, context: Context | None = None, config: RunConfig | None = None) -> Held:
    return Held(asyncio.run(runner.arun(said, context, config)), [])


def _stream(runner: AgentRunner, said: str, context: Context | None = None, config: RunConfig | None = None) -> Held:
    return _watched(list(runner.stream(said, context, config)))


def _astream(runner: AgentRunner, said: str, context: Context | None = None, config: RunConfig | None = None) -> Held:
    async def collected() -> list[Observation]:
        return [observation async for observation in runner.astream(said, context, config)]

    return _watched(asyncio.run(collected()))


def _watched(seen: list[Observation]) -> Held:
    last = seen[-1]
    assert isinstance(last, RunCompleted)
    return Held(last.result, seen)


STREAMED: Mapping[str, Way] = {"stream": _stream, "astream": _astream}
WAYS: Mapping[str, Way] = {"run": _run, "arun": _arun, **STREAMED}
