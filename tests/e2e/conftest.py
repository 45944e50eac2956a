"""Fixtures of the wire tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from agentgraph import LiteLLMModel, RunConfig
from tests.e2e.provider_rules import violations
from tests.e2e.server import MockProvider, Request, running


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MockProvider]:
    """The mock provider; with xdist, one for each worker."""
    with running(tmp_path_factory.mktemp("provider") / "log.txt") as server:
        yield server


@dataclass(frozen=True)
class Wire:
    """One test's line to the mock provider."""

    provider: MockProvider
    test_id: str

    @property
    def config(self) -> RunConfig:
        """Every agent asks the mock provider, once for each call, and says whose test it is."""
        model = LiteLLMModel("openai/gpt-4o", api_base=self.provider.api_base, api_key="sk-test", retries=0)
        return RunConfig(model=model, headers={"X-Test-Id": self.test_id})

    @property
    def sent(self) -> list[Request]:
        """What this test has sent, in order."""
        return self.provider.requests(self.test_id)


@pytest.fixture
def wire(provider: MockProvider) -> Iterator[Wire]:
    """A line of the test's own. Whatever the test was about, all that it sent must be acceptable to every provider."""
    line = Wire(provider, uuid4().hex)
    yield line
    assert [str(found) for request in line.sent for found in violations(request.body)] == []
