"""Where no thread can be had, as in a browser or at a limit of the system's, no turn is lost: every way of running, every need of a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import pytest

from agentgraph import (
    Agent,
    AgentRunner,
    Budget,
    MemoryStore,
    ModelRequest,
    NoThread,
    Reply,
    RunCompleted,
    RunConfig,
    RunResult,
    ScriptedModel,
    call,
    tool,
)
from agentgraph.runtime.loop import LOOP
from tests.e2e.ways import WAYS
from tests.waiting import WATCHDOG

ways = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _no_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The interpreter refuses every thread; and no loop has been started before."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    LOOP.close()  # whoever needs it now has to start it
    monkeypatch.setattr(threading, "_start_new_thread", refuse)
    monkeypatch.setattr(threading, "_start_joinable_thread", refuse, raising=False)
    yield
    LOOP.close()


@tool
def look() -> str:
    """Look."""
    return "seen"


@tool
async def alook() -> str:
    """Look, asynchronously."""
    await asyncio.sleep(0)
    return "seen"


@tool(timeout=WATCHDOG)
def bounded() -> str:
    """Look, but not for long."""
    return "seen"


class Plain:
    """A synchronous model that is not `instant`."""

    def __init__(self, *replies: Any) -> None:
        self.scripted = ScriptedModel(list(replies))

    def reply(self, request: ModelRequest) -> Any:
        return self.scripted.reply(request)


class AsyncPlain(Plain):
    async def reply(self, request: ModelRequest) -> Reply:
        reply: Any = self.scripted.reply(request)
        assert isinstance(reply, Reply)
        return reply

    async def stream(self, request: ModelRequest) -> Any:
        yield self.scripted.reply(request)


CALLS: Mapping[str, tuple[list[Any], list[str]]] = {
    "one": ([call("look")], ["seen"]),
    "two": ([call("look"), call("look")], ["seen", "seen"]),
    "agents": ([call("ask", input="?"), call("ask", input="?")], ["seen", "seen"]),
}


@ways
@pytest.mark.parametrize("seconds", [None, 60.0])
@pytest.mark.parametrize("what", CALLS)
def test_calls_are_run_where_they_are_in_order(what: str, seconds: float | None, way: str) -> None:
    calls, said = CALLS[what]
    expert = Agent("Expert", model=Plain(*([[call("look"), call("look")], "seen"] * 2)), tools=[look]).as_tool(name="ask")
    budget = None if seconds is None else Budget(seconds=seconds)
    runner = AgentRunner(Agent("A", model=Plain(calls, "done"), tools=[look, expert]), RunConfig(budget=budget))

    result = WAYS[way](runner, "hi", None, None).result

    assert result.raise_for_error().output == "done"
    assert [message.text for message in result.messages if message.role == "tool"] == said


@ways
@pytest.mark.parametrize("calls", [[call("bounded")], [call("bounded"), call("look")]])
def test_a_call_whose_wait_is_to_be_bounded_is_answered_with_why_it_cannot_be(calls: list[Any], way: str) -> None:
    result = WAYS[way](AgentRunner(Agent("A", model=Plain(calls, "done"), tools=[look, bounded])), "hi", None, None).result

    assert result.raise_for_error().output == "done"
    told = [message.text for message in result.messages if message.role == "tool"]
    assert "no thread can be had" in told[0]
    assert told[1:] == ["seen"] * (len(calls) - 1)


@pytest.mark.parametrize("way", ["run", "stream"])
@pytest.mark.parametrize("calls", [[call("alook")], [call("alook"), call("look")]])
def test_an_async_tool_is_answered_with_why_it_cannot_be_awaited(calls: list[Any], way: str) -> None:
    result = WAYS[way](AgentRunner(Agent("A", model=Plain(calls, "done"), tools=[look, alook])), "hi", None, None).result

    assert result.raise_for_error().output == "done"
    told = [message.text for message in result.messages if message.role == "tool"]
    assert "no thread can be had" in told[0]
    assert told[1:] == ["seen"] * (len(calls) - 1)


@pytest.mark.parametrize("way", ["run", "stream"])
@pytest.mark.parametrize("seconds", [None, 60.0])
def test_an_async_model_that_cannot_be_awaited_is_in_the_result(seconds: float | None, way: str) -> None:
    budget = None if seconds is None else Budget(seconds=seconds)
    result = WAYS[way](AgentRunner(Agent("A", model=AsyncPlain("done")), RunConfig(budget=budget)), "hi", None, None).result

    assert "no thread can be had" in str(result.error)
    assert isinstance(result.error.__cause__ if result.error else None, NoThread)
    assert [message.text for message in result.context.messages] == ["hi"]


@ways
def test_a_lease_that_nobody_can_renew_is_given_back(way: str) -> None:
    store = MemoryStore()
    conversation = AgentRunner(Agent("A", model=Plain("done"))).conversation("c", store)

    async def watched() -> RunResult:
        *_, last = [seen async for seen in conversation.astream("hi")]
        assert isinstance(last, RunCompleted)
        return last.result

    if way == "run":
        result = conversation.run("hi")
    elif way == "arun":
        result = asyncio.run(conversation.arun("hi"))
    elif way == "stream":
        *_, last = conversation.stream("hi")
        assert isinstance(last, RunCompleted)
        result = last.result
    else:
        result = asyncio.run(watched())

    assert isinstance(result.error, NoThread)
    assert store.lease("c", "another", 1.0).owner == "another"


@pytest.mark.parametrize("way", ["run", "stream"])
def test_an_interrupt_in_a_call_that_is_run_where_it_is_reaches_the_caller(way: str) -> None:
    @tool
    def interrupted() -> str:
        raise KeyboardInterrupt

    runner = AgentRunner(Agent("A", model=Plain([call("interrupted"), call("look")], "done"), tools=[look, interrupted]))
    with pytest.raises(KeyboardInterrupt):
        WAYS[way](runner, "hi", None, None)
