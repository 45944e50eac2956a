"""Why an answer ended: every provider has words of its own for it, and one that was not finished is none."""

from __future__ import annotations

import pytest

from agentgraph import Agent, AgentRunner, TextDelta, tool
from tests.e2e.asking import ANSWERS, cause, held, provider_of
from tests.e2e.faults import ANSWER, pay_call, says
from tests.e2e.raw_provider import DONE, PROTOCOLS, Answer, Protocol, Reply, Saying, chunk, completion
from tests.e2e.ways import STREAMED, WAYS

pytestmark = pytest.mark.wire

protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
streamed = pytest.mark.parametrize("way", STREAMED)
sync_or_not = pytest.mark.parametrize("way", ["run", "astream"])

MEANS = {
    "truncated": {
        "openai": ["length"],
        "anthropic": ["max_tokens"],
        "gemini": ["MAX_TOKENS"],
    },
    "withheld": {
        "openai": ["content_filter"],
        "anthropic": ["refusal"],
        "gemini": ["SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "OTHER"],
    },
}
NO_CALL = ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"]
"""Gemini wanted a call, and there is none: what it had written before is not the answer."""


@sync_or_not
@pytest.mark.parametrize(
    ("reason", "protocol", "word"), [(reason, name, word) for reason, by in MEANS.items() for name, words in by.items() for word in words]
)
def test_an_answer_that_was_not_finished_is_no_answer(reason: str, protocol: str, word: str, way: str) -> None:
    with provider_of(protocol, says(Saying("It was", finish=word))) as provider:
        result = held(provider, way).result

    assert cause(result).reason == reason
    assert len(provider.asked) == 1


@sync_or_not
@pytest.mark.parametrize("word", NO_CALL)
def test_a_call_that_came_to_nothing_is_no_answer(word: str, way: str) -> None:
    @tool
    def pay(amount: int) -> str:
        """Pay."""
        raise AssertionError(amount)

    with provider_of("gemini", says(Saying("I pay that now.", finish=word))) as provider:
        result = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,))), retries=0).result

    assert result.output != "I pay that now."


@protocol
@sync_or_not
def test_a_call_needs_no_word_of_its_own(protocol: str, way: str) -> None:
    """Some servers end an answer with calls as any other."""
    paid: list[int] = []

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    with provider_of(protocol, says(Saying("", (pay_call('{"amount": 1}'),), finish="stop")), ANSWERS) as provider:
        result = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,)))).result

    assert (result.output, paid) == (ANSWER, [1])


@protocol
@sync_or_not
def test_a_text_that_was_cut_at_its_limit_is_accepted_where_that_is_said(protocol: str, way: str) -> None:
    with provider_of(protocol, says(Saying("Once upon a", finish="length"))) as provider:
        result = held(provider, way, accept_truncated=True).result

    assert (result.error, result.output) == (None, "Once upon a")


@protocol
@sync_or_not
def test_a_call_that_was_cut_at_its_limit_is_never_accepted(protocol: str, way: str) -> None:
    @tool
    def pay(amount: int = 100) -> str:
        """Pay."""
        raise AssertionError(amount)

    with provider_of(protocol, says(Saying("I pay.", (pay_call('{"amount": 1}'),), finish="length"))) as provider:
        result = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,))), accept_truncated=True).result

    assert cause(result).reason == "truncated"
    assert [message.role for message in result.messages] == ["user"]


@streamed
@pytest.mark.parametrize("tools", [False, True])
def test_gemini_is_streamed_only_where_no_tool_could_run_on_half_an_answer(way: str, tools: bool) -> None:
    @tool
    def pay(amount: int) -> str:
        """Pay."""
        raise AssertionError(amount)

    with provider_of("gemini", ANSWERS) as provider:
        shown = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,) if tools else ())))

    assert shown.result.output == ANSWER
    assert [asked.streaming for asked in provider.asked] == [not tools]
    assert [delta.text for delta in shown.deltas] == ([ANSWER] if tools else [ANSWER[: len(ANSWER) // 2], ANSWER[len(ANSWER) // 2 :]])
    assert all(isinstance(delta, TextDelta) for delta in shown.deltas)


REFUSAL = "I am sorry, I cannot help with that."


def _refuses(_: Protocol) -> Reply:
    """In the field that OpenAI has for it, beside a content that is null."""
    words = [chunk({"role": "assistant", "refusal": REFUSAL[:8]}), chunk({"refusal": REFUSAL[8:]}), chunk({}, "stop"), DONE]
    return lambda streaming: Answer(words if streaming else [completion({"refusal": REFUSAL}, "stop")])


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_is_an_answer_and_whole(way: str) -> None:
    with provider_of("openai", _refuses, _refuses) as provider:
        result = held(provider, way).result

    assert (result.error, result.output) == (None, REFUSAL)
