"""A turn with a model that asks a raw provider, and what came of it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from agentgraph import Agent, AgentRunner, ModelError, ProviderError, RunConfig, RunResult
from tests.e2e.faults import ANSWER, Happens, says
from tests.e2e.raw_provider import PROTOCOLS, RawProvider, Saying, raw_provider
from tests.e2e.ways import WAYS, Held

DESK = AgentRunner(Agent("Desk", instructions="You are Desk."))
ANSWERS = says(Saying(ANSWER))


def provider_of(protocol: str, *script: Happens) -> AbstractContextManager[RawProvider]:
    """A server that does these in turn."""
    return raw_provider(*(happens(PROTOCOLS[protocol]) for happens in script), protocol=protocol)


def held(provider: RawProvider, way: str, runner: AgentRunner = DESK, **options: object) -> Held:
    """A turn with a model that asks `provider`."""
    return WAYS[way](runner, "Was it approved?", None, RunConfig(model=provider.model(**options)))


def cause(result: RunResult) -> ProviderError:
    """Why the provider gave no answer."""
    assert type(result.error) is ModelError, result.output
    assert isinstance(result.error.__cause__, ProviderError)
    return result.error.__cause__
