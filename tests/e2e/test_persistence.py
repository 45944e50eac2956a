"""Asking again: how often, how long after, whom else; and when not."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agentgraph import Agent, AgentRunner, RunConfig, tool
from tests.e2e.asking import ANSWERS, DESK, cause, held, provider_of
from tests.e2e.faults import ANSWER, FAULTS, HALF, TOLD, Happens, breaks_down, half, late, pay_call, refuses, says
from tests.e2e.raw_provider import PROTOCOLS, Protocol, RawProvider, Reply, Saying
from tests.e2e.ways import STREAMED, WAYS
from tests.waiting import WATCHDOG, until

pytestmark = pytest.mark.wire

protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
way = pytest.mark.parametrize("way", WAYS)
streamed = pytest.mark.parametrize("way", STREAMED)
sync_or_not = pytest.mark.parametrize("way", ["run", "astream"])

# -- how often ---------------------------------------------------------------------------------------------------------


@protocol
@sync_or_not
def test_a_failure_that_may_pass_is_tried_again_as_often_as_allowed(protocol: str, way: str) -> None:
    with provider_of(protocol, refuses(503)) as provider:
        result = held(provider, way, retries=1).result

    assert (cause(result).reason, cause(result).status) == ("unavailable", 503)
    assert len(provider.asked) == 2
    assert provider.bodies[0] == provider.bodies[1]


@protocol
@sync_or_not
@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(protocol: str, way: str, status: int) -> None:
    with provider_of(protocol, refuses(status)) as provider:
        result = held(provider, way).result

    assert (cause(result).reason, cause(result).status) == ("rejected", status)
    assert len(provider.asked) == 1


@protocol
@sync_or_not
@pytest.mark.parametrize("fault", ["the output limit", "a content filter"])
def test_an_answer_that_would_be_the_same_is_not_asked_for_again(protocol: str, way: str, fault: str) -> None:
    with provider_of(protocol, FAULTS[fault].happens) as provider:
        held(provider, way)

    assert len(provider.asked) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass(status: int) -> None:
    with provider_of("openai", refuses(status), ANSWERS) as provider:
        assert held(provider, "run").result.output == ANSWER

    assert len(provider.asked) == 2


@pytest.mark.parametrize(
    "fault",
    ["a body that is no JSON", "a clean end in the text", "a reset in the text", "no finish after the text", "an error in the text"],
)
@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_what_was_lost_on_the_way_is_asked_for_again(protocol: str, fault: str) -> None:
    """Where nothing was shown."""
    with provider_of(protocol, FAULTS[fault].happens, ANSWERS) as provider:
        assert held(provider, "run").result.output == ANSWER

    assert len(provider.asked) == 2


@protocol
@streamed
@pytest.mark.parametrize("fault", ["a clean end in the arguments", "no finish after a call", "a reset in the arguments"])
def test_a_call_that_was_cut_is_asked_for_again_and_runs_once(protocol: str, way: str, fault: str) -> None:
    paid: list[int] = []

    @tool
    def pay(amount: int = 100) -> str:
        """Pay. Half a call would pay, too."""
        paid.append(amount)
        return "paid"

    with provider_of(protocol, FAULTS[fault].happens, says(Saying("", (pay_call('{"amount": 1000}'),))), ANSWERS) as provider:
        result = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,)))).result

    assert (result.error, result.output) == (None, ANSWER)
    assert paid == [1000]
    assert len(provider.asked) == 3
    assert provider.violations == []


@protocol
@streamed
@pytest.mark.parametrize("lost", [half(Saying(TOLD), end="reset"), breaks_down(Saying(TOLD))], ids=["by a reset", "by an error"])
def test_a_stream_is_not_begun_again_once_text_was_shown(protocol: str, way: str, lost: Happens) -> None:
    """Nor is another model asked: who watches has already read the beginning."""
    with provider_of(protocol, lost, ANSWERS) as provider, provider_of("openai", ANSWERS) as other:
        shown = held(provider, way, fallbacks=[other.model()])

    assert "".join(delta.text for delta in shown.deltas) == HALF
    assert cause(shown.result).reason == "cut_short"
    assert (len(provider.asked), len(other.asked)) == (1, 0)


# -- how long after ----------------------------------------------------------------------------------------------------


def test_the_waits_grow() -> None:
    """At least half a second, then twice as long each time."""
    with provider_of("openai", refuses(500)) as provider:
        held(provider, "run", retries=3)

    assert [wait >= least for wait, least in zip(provider.waits, [0.5, 1.0, 2.0], strict=True)] == [True] * 3, provider.waits


@protocol
@sync_or_not
def test_retry_after_is_waited_for(protocol: str, way: str) -> None:
    """It is longer than the first pause would be."""
    with provider_of(protocol, refuses(429, {"retry-after": "1.2"}), ANSWERS) as provider:
        assert held(provider, way).result.output == ANSWER

    (wait,) = provider.waits
    assert wait >= 1.2


@protocol
def test_retry_after_may_be_a_date(protocol: str) -> None:
    """A date has whole seconds, so three from now are at least two."""

    def refuses_until(spoken: Protocol) -> Reply:
        return lambda _: refuses(429, {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)})(spoken)(
            False
        )

    with provider_of(protocol, refuses_until, ANSWERS) as provider:
        assert held(provider, "run").result.output == ANSWER

    (wait,) = provider.waits
    assert wait >= 1.95


@pytest.mark.parametrize("nonsense", ["soon", "-5", "", "nan", "inf"])
def test_a_retry_after_that_says_nothing_is_no_harm(nonsense: str) -> None:
    with provider_of("openai", refuses(429, {"retry-after": nonsense}), ANSWERS) as provider:
        started = time.monotonic()
        result = held(provider, "run").result

    assert time.monotonic() - started < WATCHDOG / 2
    assert result.output == ANSWER or cause(result).reason == "rate_limited"


@protocol
@sync_or_not
def test_a_retry_after_beyond_the_deadline_is_not_waited_for(protocol: str, way: str) -> None:
    with provider_of(protocol, refuses(429, {"retry-after": "3600"}), ANSWERS) as provider:
        started = time.monotonic()
        result = held(provider, way, timeout=WATCHDOG).result

    assert time.monotonic() - started < WATCHDOG / 2
    assert (cause(result).reason, cause(result).status) == ("rate_limited", 429)
    assert len(provider.asked) == 1


@sync_or_not
def test_another_is_asked_instead_of_waiting_too_long(way: str) -> None:
    with provider_of("openai", refuses(429, {"retry-after": "3600"})) as provider, provider_of("anthropic", ANSWERS) as other:
        started = time.monotonic()
        result = held(provider, way, timeout=WATCHDOG, fallbacks=[other.model()]).result

    assert time.monotonic() - started < WATCHDOG / 2
    assert result.output == ANSWER
    assert (len(provider.asked), len(other.asked)) == (1, 1)


@way
def test_the_time_is_of_all_attempts_together(way: str) -> None:
    with provider_of("openai", refuses(500)) as provider:
        started = time.monotonic()
        result = held(provider, way, retries=1000, timeout=2.0).result

    assert time.monotonic() - started < WATCHDOG / 2
    assert cause(result).reason in ("unavailable", "timeout")
    assert len(provider.asked) <= 3, "after 0.5 and 1 seconds; the next would be too late"


# -- whom else ---------------------------------------------------------------------------------------------------------


@protocol
@way
def test_another_provider_is_asked_when_one_has_failed_for_good(protocol: str, way: str) -> None:
    """Also one of another protocol, and in the middle of a conversation that the first began."""
    paid: list[int] = []

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    others = {"openai": "anthropic", "anthropic": "gemini", "gemini": "openai"}
    asks = says(Saying("Let me pay.", (pay_call('{"amount": 1000}'),)))
    with provider_of(protocol, asks, refuses(401)) as provider, provider_of(others[protocol], ANSWERS) as other:
        result = held(provider, way, AgentRunner(Agent("Desk", tools=(pay,))), fallbacks=[other.model()]).result

    assert (result.error, result.output) == (None, ANSWER)
    assert paid == [1000]
    assert (len(provider.asked), len(other.asked)) == (2, 1)
    assert provider.violations == other.violations == []


@sync_or_not
def test_a_fallback_is_asked_while_there_is_time(way: str) -> None:
    """One that hangs may not use up the time of those after it."""
    with provider_of("openai", late) as provider, provider_of("gemini", ANSWERS) as other:
        result = held(provider, way, timeout=6.0, fallbacks=[other.model()]).result

    assert result.output == ANSWER


@sync_or_not
def test_when_none_answers_the_error_tells_of_each(way: str) -> None:
    with provider_of("openai", refuses(401)) as provider, provider_of("anthropic", refuses(500)) as other:
        result = held(provider, way, fallbacks=[other.model(retries=0)]).result

    assert (cause(result).reason, cause(result).status) == ("unavailable", 500)
    assert "openai/gpt-4o" in str(result.error)
    assert "anthropic/claude-sonnet-4-5" in str(result.error)
    assert [message.role for message in result.messages] == ["user"]


# -- left alone --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streaming", [False, True])
def test_cancelling_a_pause_ends_it(streaming: bool) -> None:
    """No one waits for the pause to be over, nothing is asked after it, and the next message gets its answer."""

    async def turn(config: RunConfig) -> None:
        if not streaming:
            await DESK.arun("Was it approved?", config=config)
        async for _ in DESK.astream("Was it approved?", config=config):
            pass

    async def given_up(provider: RawProvider, config: RunConfig) -> None:
        task = asyncio.create_task(turn(config))
        await asyncio.to_thread(until, lambda: provider.asked)
        await asyncio.sleep(0.3)  # the answer has come, and the pause has begun
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with provider_of("openai", refuses(429, {"retry-after": "3"}), ANSWERS) as provider:
        config = RunConfig(model=provider.model())
        started = time.monotonic()
        asyncio.run(asyncio.wait_for(given_up(provider, config), WATCHDOG))
        assert time.monotonic() - started < WATCHDOG / 2
        assert not until(lambda: len(provider.asked) > 1, 4)
        assert held(provider, "run").result.output == ANSWER


# -- what is told ------------------------------------------------------------------------------------------------------


@protocol
@sync_or_not
def test_the_cause_is_kept(protocol: str, way: str) -> None:
    with provider_of(protocol, refuses(500)) as provider:
        failed = cause(held(provider, way, retries=0).result)

    assert type(failed.__cause__).__module__.startswith("litellm")


@protocol
def test_a_status_is_what_the_provider_sent(protocol: str) -> None:
    with provider_of(protocol, FAULTS["a body that is no JSON"].happens) as provider:
        failed = cause(held(provider, "run", retries=0).result)

    assert failed.status in (None, 200)
