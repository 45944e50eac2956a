"""A context variable that the caller sets is seen wherever the user's code runs, in whichever thread or task that is."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Budget,
    Context,
    Forward,
    Message,
    ModelRequest,
    Reply,
    RunConfig,
    ToolCall,
    ToolOutput,
    tool,
)
from tests.e2e.ways import WAYS

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
Seen = dict[str, set[str]]


class Places:
    """A runner that comes by every place where the user's code runs, and notes whose tenant is seen there."""

    def __init__(self, *, asynchronous: bool, seconds: float | None) -> None:
        self.seen: Seen = defaultdict(set)
        model = _AsyncModel(self) if asynchronous else _Model(self)
        config = RunConfig(model=model, approve=self._approve, budget=Budget(seconds=seconds)).with_run_context(
            self._factory, self._handler
        )
        self.runner = AgentRunner(self._graph(), config)
        for register in (
            self.runner.on_run_start,
            self.runner.on_agent_thinking,
            self.runner.on_tool_complete,
            self.runner.on_run_complete,
        ):
            register(lambda seen: self.note(f"callback for {type(seen).__name__}"))

    def note(self, place: str) -> Any:
        self.seen[place].add(tenant.get())
        return True

    def _approve(self, _: ToolCall) -> bool:
        return bool(self.note("approve"))

    def _factory(self) -> int:
        self.note("factory")
        return 0

    def _handler(self, count: int, output: ToolOutput) -> tuple[int, Any]:
        self.note("handler")
        return count + 1, Forward()

    def _agents_handler(self, count: int, output: ToolOutput) -> tuple[int, Any]:
        self.note("handler of the agent")
        return count + 1, Forward()

    def _instructions(self, context: Context) -> str:
        self.note("instructions")
        return "You are triage."

    def _guard(self, context: Context) -> bool:
        return bool(self.note("guard"))

    def _projection(self, messages: Sequence[Message]) -> Sequence[Message]:
        self.note("history")
        return messages

    def _extractor(self, result: Any) -> str:
        self.note("output_extractor")
        return str(result.output)

    def _graph(self) -> AgentGraph:
        @tool
        def plain() -> None:
            self.note("sync tool")

        @tool
        async def later() -> None:
            await asyncio.sleep(0)
            self.note("async tool")

        @tool(timeout=30)
        def plain_in_time() -> None:
            self.note("sync tool with a timeout")

        @tool(timeout=30)
        async def later_in_time() -> None:
            await asyncio.sleep(0)
            self.note("async tool with a timeout")

        @tool(needs_approval=True)
        def asked_for() -> None:
            self.note("sync tool with an approval")

        @tool
        def within() -> None:
            self.note("sync tool of an agent as a tool")

        @tool
        async def later_within() -> None:
            self.note("async tool of an agent as a tool")

        expert = Agent(
            "Expert", instructions=lambda context: self.note("instructions of an agent as a tool") and "", tools=(within, later_within)
        )
        graph = AgentGraph("places")
        tools = (plain, later, plain_in_time, later_in_time, asked_for, expert.as_tool(name="expert", output_extractor=self._extractor))
        graph.add_agent(Agent("Triage", instructions=self._instructions, tools=tools, on_tool_output=(int, self._agents_handler)))
        graph.add_agent(Agent("Billing"))
        graph.add_handoff("Triage", "Billing", when=self._guard, history=self._projection)
        return graph


_CALLS = ("plain", "later", "plain_in_time", "later_in_time", "expert")


class _Model:
    """Calls each tool alone, all together, asks for an approval, hands over, and answers."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def reply(self, request: ModelRequest) -> Any:
        self.places.note("model.reply")
        return self.said(request)

    def stream(self, request: ModelRequest) -> Any:
        self.places.note("model.stream")
        reply = self.said(request)
        yield reply.text or "calling"
        self.places.note("model.stream, later")
        yield reply

    def said(self, request: ModelRequest) -> Reply:
        step = sum(message.role == "assistant" for message in request.messages)
        if request.agent == "Expert":
            steps: list[tuple[str, ...]] = [("within",), ("within", "later_within")]
        else:
            steps = [*((name,) for name in _CALLS), _CALLS, ("asked_for",), ("handoff_to_billing",)]
        return Reply(None, tuple(map(_call, steps[step]))) if step < len(steps) else Reply("done")


class _AsyncModel(_Model):
    async def reply(self, request: ModelRequest) -> Any:
        await asyncio.sleep(0)
        return super().reply(request)

    async def stream(self, request: ModelRequest) -> Any:
        for piece in super().stream(request):
            await asyncio.sleep(0)
            yield piece


def _call(name: str) -> ToolCall:
    return ToolCall("", name, json.dumps({"input": "x"} if name == "expert" else {}))


PLACES = (
    "sync tool",
    "async tool",
    "sync tool with a timeout",
    "async tool with a timeout",
    "sync tool with an approval",
    "sync tool of an agent as a tool",
    "async tool of an agent as a tool",
    "instructions",
    "instructions of an agent as a tool",
    "output_extractor",
    "guard",
    "history",
    "approve",
    "factory",
    "handler",
    "handler of the agent",
    "callback for RunStarted",
    "callback for AgentThinking",
    "callback for ToolCompleted",
    "callback for RunCompleted",
)
MODEL: Mapping[bool, tuple[str, ...]] = {True: ("model.stream", "model.stream, later"), False: ("model.reply",)}


def places_seen(way: str, *, asynchronous: bool, seconds: float | None, name: str) -> Seen:
    """What is seen at each place when `name` is the tenant."""
    places = Places(asynchronous=asynchronous, seconds=seconds)
    token = tenant.set(name)
    try:
        result = WAYS[way](places.runner, "hello", None, RunConfig.replace(places.runner.config, max_turns=20)).result
    finally:
        tenant.reset(token)
    assert result.raise_for_error().output == "done"
    return places.seen


@pytest.mark.parametrize("seconds", [None, 60.0], ids=["", "in a budget of time"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync model", "async model"])
@pytest.mark.parametrize("way", WAYS)
def test_the_callers_context_variables_are_seen_everywhere(way: str, asynchronous: bool, seconds: float | None) -> None:
    seen = places_seen(way, asynchronous=asynchronous, seconds=seconds, name="acme")

    assert dict(seen) == {place: {"acme"} for place in (*PLACES, *MODEL["stream" in way])}


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync model", "async model"])
def test_sixteen_threads_with_a_tenant_each(asynchronous: bool) -> None:
    """And the thread's own context variables are as they were."""
    together = threading.Barrier(16)

    def work(number: int) -> None:
        tenant.set(f"thread {number}")
        together.wait()
        for way in WAYS:
            seen = places_seen(way, asynchronous=asynchronous, seconds=None, name=f"tenant {number}")
            assert dict(seen) == {place: {f"tenant {number}"} for place in (*PLACES, *MODEL["stream" in way])}
        assert tenant.get() == f"thread {number}"

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync model", "async model"])
def test_sixteen_tasks_with_a_tenant_each_on_one_runner(asynchronous: bool) -> None:
    places = Places(asynchronous=asynchronous, seconds=None)
    config = places.runner.config.replace(max_turns=20)
    inside: list[tuple[str, str]] = []

    @places.runner.on_run_complete
    def told(seen: Any) -> None:
        inside.append((tenant.get(), seen.result.messages[0].text))

    async def work(number: int) -> None:
        tenant.set(f"tenant {number}")
        if number % 2:
            await places.runner.arun(f"tenant {number}", config=config)
        else:
            async for _ in places.runner.astream(f"tenant {number}", config=config):
                pass

    async def together() -> None:
        await asyncio.gather(*map(work, range(16)))

    asyncio.run(together())

    assert sorted(inside) == sorted((f"tenant {number}", f"tenant {number}") for number in range(16))
    assert all(seen == {f"tenant {number}" for number in range(16)} for place, seen in places.seen.items() if "model" not in place)
