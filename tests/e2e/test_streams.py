"""Streams that go wrong: cut short, too slow, left alone, cancelled. The provider is a raw server on loopback."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from agentgraph import Agent, AgentRunner, Context, ModelError, TextDelta, tool
from tests.e2e.raw_provider import DONE, chunk, raw_provider
from tests.e2e.ways import STREAMED, WAYS
from tests.waiting import WATCHDOG

pytestmark = pytest.mark.wire

way = pytest.mark.parametrize("way", WAYS)
streamed = pytest.mark.parametrize("way", STREAMED)

TEXT = [chunk({"role": "assistant", "content": "The refund is "}), chunk({"content": "NOT "}), chunk({"content": "approved."})]
ENDED = [chunk({}, "stop"), DONE]
CALL = [
    chunk(
        {"role": "assistant", "tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "pay", "arguments": ""}}]}
    ),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"amount": 1'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": "000}"}}]}),
]
OVERLOADED = b'data: {"error": {"message": "Overloaded", "type": "server_error", "code": null}}\n\n'

CUT = {
    "in the text": TEXT[:1],
    "after the text": TEXT,
    "after the text, politely": [*TEXT, DONE],
    "in the arguments of a call": CALL[:2],
    "after the arguments of a call": CALL,
    "before anything": [],
    "with nothing but the end": [DONE],
    "by an error": [*TEXT[:1], OVERLOADED],
    "by something that is no JSON": [*TEXT[:1], b'data: {"choi\n\n'],
}


# -- cut short ---------------------------------------------------------------------------------------------------------


@streamed
@pytest.mark.parametrize("where", CUT)
def test_a_stream_that_is_cut_short_is_no_answer(way: str, where: str) -> None:
    """A clean end of the connection is not the end of the answer. No tool runs on half a call; nothing of it is kept."""
    ran: list[int] = []

    @tool
    def pay(amount: int) -> str:
        """Pay."""
        ran.append(amount)
        return "paid"

    with raw_provider(CUT[where]) as provider:
        model = provider.model(retries=0)
        result = STREAMED[way](AgentRunner(Agent("Desk", tools=(pay,), model=model)), "Was it approved?", None, None).result

    assert isinstance(result.error, ModelError)
    assert result.error.__cause__ is not None
    assert result.output is None
    assert ran == []
    assert [message.role for message in result.messages] == ["user"]
    assert len(provider.bodies) == 1


@streamed
def test_after_a_cut_the_conversation_goes_on(way: str) -> None:
    with raw_provider(TEXT[:1], [*TEXT, *ENDED]) as provider:
        runner = AgentRunner(Agent("Desk", model=provider.model()))
        cut = STREAMED[way](runner, "Was it approved?", None, None).result
        again = STREAMED[way](runner, "Once more, please.", cut.context, None).result

    assert again.output == "The refund is NOT approved."
    assert [message["content"] for message in provider.bodies[1]["messages"]] == ["Was it approved?", "Once more, please."]


# -- too slow ----------------------------------------------------------------------------------------------------------


@way
@pytest.mark.parametrize("end", ["hang", "drip"])
def test_the_timeout_is_of_the_whole_call(way: str, end: str) -> None:
    """Also when there is always another piece: a drop a second would otherwise never be late."""
    with raw_provider(TEXT[:2], end=end) as provider:  # type: ignore[arg-type]
        result = WAYS[way](AgentRunner(Agent("Desk", model=provider.model(timeout=0.5))), "Was it approved?", None, None).result

    assert isinstance(result.error, ModelError)
    assert result.error.__cause__ is not None
    assert "0.5 seconds" in str(result.error) or "imeout" in str(result.error)
    assert result.output is None


# -- left, cancelled ---------------------------------------------------------------------------------------------------


def test_a_cancelled_task_is_cancelled_and_nothing_else() -> None:
    """Cancelling what watches a stream raises CancelledError there, not an error about generators; the context goes on."""

    async def cancelled(number: int) -> Context:
        stream = runner.astream(f"Was it approved? ({number})")
        begun = asyncio.Event()

        async def watch() -> None:
            async with aclosing(stream):
                async for seen in stream:
                    if isinstance(seen, TextDelta):
                        begun.set()

        task = asyncio.create_task(watch())
        await asyncio.wait_for(begun.wait(), WATCHDOG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return stream.context

    async def several() -> list[Context]:
        return await asyncio.gather(*map(cancelled, range(10)))

    with raw_provider(TEXT[:1], end="hang") as provider:
        runner = AgentRunner(Agent("Desk", model=provider.model()))
        contexts = asyncio.run(several())

    assert [len(context.messages) for context in contexts] == [1] * 10
    with raw_provider([*TEXT, *ENDED]) as provider:
        runner = AgentRunner(Agent("Desk", model=provider.model()))
        (again, *_) = [STREAMED["stream"](runner, "And now?", context, None).result for context in contexts[:1]]
    assert again.output == "The refund is NOT approved."


@pytest.mark.parametrize("streaming", [False, True])
def test_a_run_that_is_not_waited_for_any_more(streaming: bool) -> None:
    """`asyncio.timeout` around a run gives TimeoutError, and the run lets go of its connection."""

    async def impatient() -> None:
        async with asyncio.timeout(0.3):
            if not streaming:
                await runner.arun("Was it approved?")
            async for _ in runner.astream("Was it approved?"):
                pass

    with raw_provider(TEXT[:1], end="hang") as provider:
        runner = AgentRunner(Agent("Desk", model=provider.model()))
        with pytest.raises(TimeoutError):
            asyncio.run(impatient())


@pytest.mark.parametrize("how", ["dropped", "closed", "in a cycle", "in asyncio", "open at exit", "open at exit in asyncio"])
def test_streams_that_are_left_leave_nothing_behind(how: str) -> None:
    """No connection, no thread that keeps the process, not a word on stderr. In a process of its own, since it is about its end."""
    program = Path(__file__).with_name("leave_streams.py")
    command = [sys.executable, "-X", "faulthandler", str(program), how, str(WATCHDOG)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * WATCHDOG, env=environment)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "left 60 streams\n"
