"""Ways of holding one turn. What must hold, must hold in each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agentgraph import AgentRunner, RunCompleted, RunResult
from tests.waiting import WATCHDOG

Hold = Callable[..., RunResult]


def _run(runner: AgentRunner, said: Any, **options: Any) -> RunResult:
    return runner.run(said, **options)


def _arun(runner: AgentRunner, said: Any, **options: Any) -> RunResult:
    async def held() -> RunResult:
        return await asyncio.wait_for(runner.arun(said, **options), 5)

    return asyncio.run(held())


def _stream(runner: AgentRunner, said: Any, **options: Any) -> RunResult:
    last = list(runner.stream(said, **options))[-1]
    assert isinstance(last, RunCompleted)
    return last.result


def _astream(runner: AgentRunner, said: Any, **options: Any) -> RunResult:
    async def held() -> RunResult:
        last = [seen async for seen in runner.astream(said, **options)][-1]
        assert isinstance(last, RunCompleted)
        return last.result

    async def in_time() -> RunResult:
        return await asyncio.wait_for(held(), WATCHDOG)

    return asyncio.run(in_time())


WAYS: dict[str, Hold] = {"run": _run, "arun": _arun, "stream": _stream, "astream": _astream}


@pytest.fixture(params=["run", "arun"])
def hold(request: pytest.FixtureRequest) -> Hold:
    """`hold(runner, said, context=..., config=...)`: one turn, waiting in this thread, then in asyncio."""
    return WAYS[request.param]


@pytest.fixture(params=list(WAYS))
def hold_anyway(request: pytest.FixtureRequest) -> Hold:
    """One turn, in each of the four ways there are."""
    return WAYS[request.param]
