"""How large things may be: what a tool gives, what a model asks for, what a user says. Each is cut or refused with a word, and kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentRunner, Context, LimitReached, Reply, RunConfig, ScriptedModel, ToolCall, call, tool
from agentgraph.conversation.text import longer_than
from agentgraph.engine import ModelReplied, ToolReturned

RAN: list[int] = []


@tool
def measure(text: str) -> int:
    """Say how long a text is."""
    RAN.append(len(text))
    return len(text)


@tool
def flood(size: int) -> str:
    """Give a long text."""
    return "x" * size


DESK = Agent("Desk", tools=[measure, flood])


def held(*script: Any, said: Any = "go", **options: Any) -> Any:
    return AgentRunner(DESK, RunConfig(model=ScriptedModel(script), **options)).run(said)


@pytest.mark.parametrize("limit", [1_000, 100_000])
def test_an_output_of_100_mb_is_cut_for_the_model(limit: int) -> None:
    """To its limit and a word about it, within 10 % of it; the trace has all, and the conversation goes on."""
    result = held(call("flood", size=100_000_000), "done", tool_output_limit=limit)
    (shown,) = [m.text for m in result.messages if m.role == "tool"]
    (given_,) = [event.value for event in result.trace.events if isinstance(event, ToolReturned)]

    assert result.output == "done"
    assert limit <= len(shown) <= 1.1 * limit
    assert shown.endswith(f"[cut: {limit:,} of 100,000,000 characters shown]")
    assert len(given_) == 100_000_000
    assert len(result.context.to_json()) < 1.1 * limit + 1_000


@pytest.mark.parametrize("as_text", [True, False])
def test_arguments_beyond_their_limit_are_answered_as_an_error(as_text: bool) -> None:
    """The tool is not run, the history holds none of it, the trace has it, and the calls beside it are not touched."""
    RAN.clear()
    long: Any = '{"text": "%s"}' % ("y" * 2_000_000) if as_text else {"text": "y" * 2_000_000}
    result = held(Reply(None, [ToolCall("a", "measure", long), call("measure", text="short")]), "done")
    answers = [m.text for m in result.messages if m.role == "tool"]

    assert RAN == [5]
    assert answers == ["error: the arguments of 'measure' have more than 1,000,000 characters", "5"]
    assert len(result.context.to_json()) < 2_000
    assert any(len(str(e.reply)) > 2_000_000 for e in result.trace.events if isinstance(e, ModelReplied))


@pytest.mark.parametrize(("length", "ran"), [(30, [30]), (60, [])])
def test_the_limit_of_arguments_can_be_set(length: int, ran: list[int]) -> None:
    RAN.clear()
    result = held(call("measure", text="y" * length), "done", arguments_limit=50)

    assert (RAN, result.output) == (ran, "done")


@pytest.mark.parametrize("said", ["z" * 101, [{"type": "text", "text": "z" * 60}, {"type": "text", "text": "z" * 60}]])
def test_a_message_beyond_its_limit_begins_no_run(said: Any) -> None:
    """The context is the caller's, unchanged; the same runner takes the next message."""
    context = Context(data={"name": "Ada"})
    model = ScriptedModel(["hello"])
    runner = AgentRunner(DESK, RunConfig(model=model, input_limit=100))

    for result in (runner.run(said, context), asyncio.run(runner.arun(said, context)), list(runner.stream(said, context))[-1].result):  # type: ignore[union-attr]
        assert isinstance(result.error, LimitReached)
        assert (result.stop_reason, result.error.limit, result.error.allowed) == ("budget", "input_limit", 100)
        assert result.context == context
        assert result.error.context == context
    assert model.requests == []
    assert runner.run("z" * 100, result.context).output == "hello"


def test_pictures_do_not_count_as_text() -> None:
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 5_000}"}}

    assert held("seen", said=[{"type": "text", "text": "Look:"}, picture], input_limit=100).output == "seen"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(json_values, st.integers(0, 60))
def test_longer_than_is_what_counting_says(value: Any, limit: int) -> None:
    """Texts count their characters; in lists and objects every item, and every key, counts one more."""
    assert longer_than(value, limit) == (counted(value) > limit)


def counted(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(counted(item) + 1 for item in (*value, *value.values()))
    return sum(counted(item) + 1 for item in value) if isinstance(value, list) else 0
