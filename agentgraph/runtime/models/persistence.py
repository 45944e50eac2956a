"""Asking again: the same provider after a failure that may pass, the next one after one that will not, and all of it in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_before_delay, wait_exponential_jitter

from agentgraph.errors import ProviderError
from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.runtime.models.litellm import LiteLLMModel

T = TypeVar("T")
_backoff = wait_exponential_jitter(multiplier=0.5, max=8, jitter=0.25)  # seconds: 0.5, 1, 2, 4, 8, 8 and up to a quarter more


async def answered(models: Sequence[LiteLLMModel], ask: Callable[[LiteLLMModel, float], Awaitable[T]], deadline: float) -> T:
    """What the first of `models` that answers does. Each may use its share of the time that is left until `deadline`.

    `deadline` and what `ask` is given are times of the running loop.

    Raises:
        ProviderError: when none answers; it tells of each.
    """
    failed: list[ProviderError] = []
    now = asyncio.get_running_loop().time
    for left, model in zip(range(len(models), 0, -1), models, strict=True):
        until = now() + min(max(deadline - now(), 0.0) / left, model.timeout)
        try:
            return await _persistently(model, ask, until)
        except ProviderError as error:
            failed.append(error)
            if left > 1:
                logger.warning("%s; asking %r instead", error, models[len(failed)].name)
    last = failed[-1]
    if len(failed) == 1:
        raise last
    raise ProviderError("; ".join(map(str, failed)), last.reason, last.status, last.retry_after) from last


async def _persistently(model: LiteLLMModel, ask: Callable[[LiteLLMModel, float], Awaitable[T]], until: float) -> T:
    asking = AsyncRetrying(
        retry=retry_if_exception(lambda error: isinstance(error, ProviderError) and error.is_transient),
        stop=stop_after_attempt(model.retries + 1) | stop_before_delay(until - asyncio.get_running_loop().time()),
        wait=_pause,
        before_sleep=_log,
        reraise=True,
    )
    return await asking(ask, model, until)


def _pause(state: RetryCallState) -> float:
    """Seconds until the next attempt: as many as the provider asks for, at least those of the backoff."""
    return max(_backoff(state), _failed(state).retry_after or 0.0)


def _log(state: RetryCallState) -> None:
    logger.info("%s; asking again in %.1f seconds", _failed(state), state.upcoming_sleep)


def _failed(state: RetryCallState) -> ProviderError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, ProviderError)
    return error
