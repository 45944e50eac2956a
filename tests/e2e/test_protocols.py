"""The main job in three protocols and four ways: one graph, and whoever answers, it comes to the same.

All that litellm sent is checked at the end, as it was on the wire, by the rules of the provider that would have read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from msgspec.structs import replace

from agentgraph import AgentRunner, Context, LiteLLMModel, RunConfig, RunResult
from tests.e2e.loopback import Asked
from tests.e2e.raw_provider import PROTOCOLS
from tests.e2e.relay import relay
from tests.e2e.server import MockProvider
from tests.e2e.support_desk import ANSWER, QUESTION, graph
from tests.e2e.ways import STREAMED, WAYS

pytestmark = pytest.mark.wire

way = pytest.mark.parametrize("way", WAYS)
protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


class Line(NamedTuple):
    """A test's lines to the mock provider, one a protocol, and what went over them."""

    configs: Mapping[str, RunConfig]
    asked: list[Asked]


@pytest.fixture
def line(provider: MockProvider) -> Iterator[Line]:
    with relay(provider) as between:
        yield Line({name: _config(name, between.url) for name in PROTOCOLS}, between.asked)
    assert [str(found) for asked in between.asked for found in _of(asked).violations(asked.body)] == []


def _config(protocol: str, url: str) -> RunConfig:
    spoken = PROTOCOLS[protocol]
    model = LiteLLMModel(spoken.model, api_base=f"{url}{spoken.base}", api_key="sk-test")
    return RunConfig(model=model, headers={"X-Test-Id": uuid4().hex})


def _of(asked: Asked) -> Any:
    return PROTOCOLS["gemini" if "enerateContent" in asked.path else "anthropic" if asked.path.endswith("/messages") else "openai"]


def _without_ids(context: Context) -> dict[str, Any]:
    """What a context holds, but for ids, which Gemini has none of, and cost, which every provider has of its own."""
    names: dict[str, str] = {}
    said: list[dict[str, Any]] = []
    for message in context.messages:
        one = message.to_openai()
        for call in one.get("tool_calls", ()):
            call["id"] = names.setdefault(call["id"], f"call {len(names)}")
        if "tool_call_id" in one:
            one["tool_call_id"] = names[one["tool_call_id"]]
        said.append(one)
    return {"said": said, "usage": replace(context.usage, cost=None), "data": context.data, "agent": context.agent, "phase": context.phase}


def _job(line: Line, protocol: str, way: str) -> RunResult:
    return WAYS[way](AgentRunner(graph, line.configs[protocol]), QUESTION, None, None).result


@protocol
@way
def test_triage_billing_tool_answer(line: Line, protocol: str, way: str) -> None:
    result = _job(line, protocol, way)

    assert result.error is None
    assert result.output == ANSWER
    assert result.path == ("Triage", "Billing")
    assert result.context.data == {"last_invoice": "INV-7"}
    assert [message.role for message in result.messages] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert [_of(asked).model for asked in line.asked] == [PROTOCOLS[protocol].model] * 3
    assert {call.id for message in result.messages for call in message.tool_calls} == {
        message.tool_call_id for message in result.messages if message.role == "tool"
    }


def test_every_protocol_and_every_way_come_to_the_same(line: Line) -> None:
    """Twelve modes: equal outputs, paths and contexts."""
    first, *others = [_job(line, protocol, way) for protocol in PROTOCOLS for way in WAYS]

    assert len(others) == 11
    for other in others:
        assert (other.output, other.path) == (first.output, first.path)
        assert _without_ids(other.context) == _without_ids(first.context)


@protocol
def test_another_provider_goes_on_where_one_has_stopped(line: Line, protocol: str) -> None:
    """A conversation belongs to no provider: what one has said, every other can read."""
    before = _job(line, protocol, "run").context
    results = [AgentRunner(graph, config).run("Thank you!", before) for config in line.configs.values()]

    assert [(result.output, result.path) for result in results] == [("You are welcome.", ("Billing",))] * 3


@protocol
@pytest.mark.parametrize("way", STREAMED)
def test_what_is_shown_makes_the_answer(line: Line, protocol: str, way: str) -> None:
    held = STREAMED[way](AgentRunner(graph, line.configs[protocol]), QUESTION, None, None)

    assert "".join(delta.text for delta in held.deltas) == "Let me look that up." + ANSWER
