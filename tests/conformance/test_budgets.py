"""semantics.md, "Runs, limits, continuity": the row about budgets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from agentgraph import (
    Agent,
    AgentRunner,
    Budget,
    Context,
    LimitReached,
    Reply,
    RunConfig,
    RunResult,
    ScriptedModel,
    ToolCall,
    Usage,
    call,
    handoff,
    tool,
)
from tests.waiting import WATCHDOG


@tool
def look() -> str:
    """Look something up."""
    return "seen"


@tool
def stuck() -> str:
    """Never return in time."""
    threading.Event().wait(WATCHDOG)
    return "late"


@tool
async def astuck() -> str:
    """Never return in time, asynchronously."""
    await asyncio.Event().wait()
    return "late"


AGENTS = (Agent("A", tools=[look, stuck, astuck], handoffs=["B"]), Agent("B", handoffs=["A"]))
IN_TIME = 2.0
"""Seconds in which what does not wait is done, however busy the machine is."""
USED = Usage(1, 30, 20, 0.02)

CASES: dict[str, tuple[Budget, list[Any], int]] = {
    "tokens": (Budget(tokens=80), [Reply(None, [call("look")], USED)] * 5, 2),
    "cost": (Budget(cost=0.05), [Reply(None, [call("look")], USED)] * 5, 3),
    "tool_calls": (Budget(tool_calls=2), [[call("look")] * 3, "never"], 1),
    "handoffs": (Budget(handoffs=2), [handoff("B"), handoff("A"), handoff("B"), "never"], 3),
    "visits": (Budget(visits=1), [handoff("B"), handoff("A"), handoff("B"), "never"], 3),
}


def held(script: list[object], budget: Budget, context: Context | None = None) -> list[tuple[RunResult, ScriptedModel]]:
    """The same turn in a thread, in asyncio, and streamed."""

    async def streamed(runner: AgentRunner) -> RunResult:
        return [event async for event in runner.astream("go", context=context)][-1].result  # type: ignore[union-attr]

    models = [ScriptedModel(script) for _ in range(3)]
    runners = [AgentRunner.with_agents(*AGENTS, config=RunConfig(model=model, budget=budget)) for model in models]
    ways: list[Callable[[], RunResult]] = [
        lambda: runners[0].run("go", context=context),
        lambda: asyncio.run(runners[1].arun("go", context=context)),
        lambda: asyncio.run(streamed(runners[2])),
    ]
    with ThreadPoolExecutor(len(ways)) as beside:  # some wait until their time is up
        return list(zip(beside.map(lambda way: way(), ways), models, strict=True))


@pytest.mark.parametrize("limit", CASES)
def test_a_budget_ends_the_run_like_max_turns(limit: str) -> None:
    """ "Budgets (tokens, cost, seconds, tool calls, handoffs, visits to one cycle) belong to one run, start with it, and end like `max_turns`"."""
    budget, script, asked = CASES[limit]
    for result, model in held(list(script), budget):
        assert result.stop_reason == "budget"
        assert result.output is None
        assert isinstance(result.error, LimitReached)
        assert (result.error.limit, result.error.allowed) == (limit, getattr(budget, limit))
        assert len(model.requests) == asked
        calls = [c.id for message in result.messages for c in message.tool_calls]
        assert [m.tool_call_id for m in result.messages if m.role == "tool"] == calls


@pytest.mark.parametrize("limit", CASES)
def test_a_budget_starts_anew_with_the_next_run(limit: str) -> None:
    """ "belong to one run, start with it": the context goes on, and what was used before does not count."""
    budget, script, _ = CASES[limit]
    spent = held(list(script), budget)[0][0].context

    for result, _ in held(["fine"], budget, spent):
        assert result.output == "fine"


LITTLE: dict[str, tuple[Budget, list[Any], list[Any]]] = {
    "tokens": (Budget(tokens=80), [Reply(None, [call("look")], USED), "fine"], []),
    "cost": (Budget(cost=0.05), [Reply(None, [call("look")], USED), "fine"], []),
    "tool_calls": (Budget(tool_calls=3), [[call("look")] * 2, "fine"], []),
    "handoffs": (Budget(handoffs=3), [handoff("B"), handoff("A"), "fine"], []),
    "visits": (Budget(visits=3), [handoff("B"), handoff("A"), handoff("B"), "fine"], [handoff("A"), handoff("B"), "fine"]),
}
"""What uses more than half of a budget, or of two thirds of it: in the first run, and in the next where another agent begins that."""


@pytest.mark.parametrize("limit", LITTLE)
def test_what_the_runs_before_have_used_is_not_counted(limit: str) -> None:
    """ "belong to one run, start with it": a conversation of many runs may use more than a budget, as long as none of them does."""
    budget, first, others = LITTLE[limit]
    kept = held(list(first), budget)
    for _ in range(4):
        kept = held(list(others or first), budget, kept[0][0].context)

        assert [(result.stop_reason, result.output) for result, _ in kept] == [("completed", "fine")] * 3


def test_tool_calls_add_up_over_the_replies_of_a_run() -> None:
    """ "belong to one run": and to all of it."""
    for result, _ in held([call("look"), [call("look")] * 2, [call("look")] * 2, "never"], Budget(tool_calls=4)):
        assert result.stop_reason == "budget"
        assert [m.outcome for m in result.messages if m.role == "tool"] == ["given"] * 4 + ["refused"]


@pytest.mark.parametrize("name", ["stuck", "astuck"])
@pytest.mark.parametrize("beside", [[], [call("look")]], ids=["alone", "beside another"])
def test_seconds_are_up_while_a_tool_runs(name: str, beside: list[object]) -> None:
    """ "seconds": stopped in the middle of a wait, with everything answered; what came back in time is kept."""
    for result, _ in held([[call(name), *beside]], Budget(seconds=IN_TIME)):
        assert (result.stop_reason, result.error.limit) == ("budget", "seconds")  # type: ignore[union-attr]
        answers = [m.text for m in result.messages if m.role == "tool"]
        assert answers == ["error: interrupted, outcome unknown", "seen"][: 1 + len(beside)]


def test_seconds_are_up_while_a_model_thinks() -> None:
    """ "seconds": the user's message is not lost."""
    for result, _ in held([lambda _: asyncio.Event().wait()], Budget(seconds=0.2)):
        assert (result.stop_reason, [m.text for m in result.messages]) == ("budget", ["go"])


def test_resuming_does_not_reset_what_was_used() -> None:
    """ "belong to one run": a run that was cut off goes on with what is left."""
    runner = AgentRunner.with_agents(*AGENTS)
    config = RunConfig(model=ScriptedModel([call("look"), [call("look")] * 3]), budget=Budget(tool_calls=2))
    with runner.stream("go", config=config) as stream:
        for event in stream:
            if type(event).__name__ == "LLMCallComplete" and len(event.context.messages) > 3:  # type: ignore[union-attr]
                break

    result = runner.resume(Context.from_json(stream.context.to_json()), config=RunConfig(model=ScriptedModel([])))

    assert result.stop_reason == "budget"
    assert [m.text for m in result.messages if m.role == "tool"][:2] == ["seen", "seen"]


def slowly(_: object) -> ToolCall:
    time.sleep(0.4)
    return call("look")


def test_resuming_does_not_reset_the_clock() -> None:
    """ "belong to one run": what was used of the seconds is in the context; the time between, when nobody was at work, does not count."""
    config = RunConfig(model=ScriptedModel([call("look"), slowly, "done"]), budget=Budget(seconds=60))
    with AgentRunner.with_agents(*AGENTS).stream("go", config=config) as stream:
        seen = [event for event in stream if type(event).__name__ == "LLMCallComplete"][:2]
        stopped = next(c for c in (event.context for event in seen) if c.progress is not None and c.progress.model_calls == 2)  # type: ignore[union-attr]
    assert stopped.progress is not None
    assert 0.35 < stopped.progress.seconds < 30

    kept = Context.from_json(stopped.to_json())
    assert kept.progress is not None
    used = replace(kept.progress, settings=replace(kept.progress.settings, budget=Budget(seconds=kept.progress.seconds)))
    late = AgentRunner.with_agents(*AGENTS).resume(replace(kept, progress=used), config=RunConfig(model=ScriptedModel(["never"])))

    assert isinstance(late.error, LimitReached)
    assert (late.stop_reason, late.error.limit) == ("budget", "seconds")
    assert late.context.messages[: len(kept.messages)] == tuple(kept.messages)


def test_a_run_without_a_limit_of_seconds_tells_no_time() -> None:
    """So that its trace is the same whenever and wherever it is run."""
    result = AgentRunner.with_agents(*AGENTS, config=RunConfig(model=ScriptedModel([call("look"), "done"]))).run("go")

    assert {event.elapsed for event in result.trace.events} == {0.0}


def test_ping_pong_is_stopped() -> None:
    """ "visits to one cycle": two agents that hand over to each other come to an end, by the cycle, the handoffs, or the model calls."""
    forever = {"A": [handoff("B")] * 1000, "B": [handoff("A")] * 1000}
    for budget, limit, moves in (
        (Budget(visits=3), "visits", 6),
        (Budget(handoffs=7), "handoffs", 7),
        (None, "max_turns", 10),
    ):
        for result in _each_way(forever, budget):
            assert isinstance(result.error, LimitReached)
            assert result.error.limit == limit
            assert sum(1 for m in result.messages if m.role == "tool" and m.agent is not None) == moves
            assert result.error.context == result.context


def _each_way(script: Any, budget: Budget | None) -> list[RunResult]:
    runners = [AgentRunner.with_agents(*AGENTS, config=RunConfig(model=ScriptedModel(script), budget=budget)) for _ in range(2)]
    return [runners[0].run("go"), asyncio.run(runners[1].arun("go"))]
