"""User code that the engine calls: whatever it does, it is answered or in the result, and never raised out of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, field_validator

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Budget,
    Context,
    DefinitionError,
    Forward,
    Handoff,
    Message,
    ReplayModel,
    Reply,
    RunConfig,
    RunResult,
    ScriptedModel,
    TextDelta,
    call,
    handoff,
    open_store,
    tool,
)


class Picky(BaseModel):
    """A type whose validator fails as no validator should."""

    value: int

    @field_validator("value")
    @classmethod
    def inverse(cls, value: int) -> int:
        return 1 // value


@tool
def take(picky: Picky) -> str:
    """Take something."""
    return str(picky.value)


@tool(parameters={"$ref": "#/nowhere"})
def lost(**_: Any) -> str:
    """Have a schema whose reference leads nowhere."""
    return "never"


@tool(retries=2)
def emptying(items: list[int]) -> str:
    """Change what it is given, and fail."""
    seen.append(list(items))
    items.clear()
    raise ValueError("again")


@tool
def leaving() -> str:
    """Try to leave the process."""
    raise SystemExit(3)


@tool(needs_approval=True)
def dangerous() -> str:
    """Do what a person must allow."""
    return "done it"


seen: list[list[int]] = []


def both(agent: Agent, *replies: Any, **config: Any) -> list[RunResult]:
    """The same run in a thread and in asyncio."""

    def runner() -> AgentRunner:
        return AgentRunner(agent, RunConfig(model=ScriptedModel(replies), **config))

    return [runner().run("go"), asyncio.run(runner().arun("go"))]


@pytest.mark.parametrize("asked", [call("take", picky={"value": 0}), call("lost", x=1)], ids=["validator", "reference"])
def test_a_check_that_fails_is_a_mismatch(asked: Any) -> None:
    agent = Agent("A", tools=[take.replace(), lost])
    for result in both(agent, asked, "sorry"):
        assert result.output == "sorry"
        assert "do not fit" in result.messages[2].text


def test_an_output_type_that_fails_is_asked_for_again() -> None:
    for result in both(Agent("A", output_type=Picky), '{"value": 0}', '{"value": 1}'):
        assert result.output == Picky(value=1)


def test_each_attempt_is_given_the_arguments_anew() -> None:
    for result in both(Agent("A", tools=[emptying]), call("emptying", items=[1, 2]), "sorry"):
        assert result.messages[2].text == "error: ValueError: again"
    assert seen == [[1, 2]] * 6


@pytest.mark.parametrize("count", [1, 2])
def test_a_tool_that_leaves_leaves_alone(count: int) -> None:
    """However many calls the reply had, and however the run waits."""
    for result in both(Agent("A", tools=[leaving]), [call("leaving")] * count, "still here"):
        assert result.output == "still here"
        assert result.messages[2].text == "error: SystemExit: 3"


@pytest.mark.parametrize(("says", "runs"), [(True, True), (False, False), ("too risky", False), (None, False), (1, False)])
def test_only_true_approves(says: Any, runs: bool) -> None:
    """A reason is a refusal, and what is neither is one too."""
    for result in both(Agent("A", tools=[dangerous]), call("dangerous"), "so be it", approve=lambda _: says):
        assert (result.messages[2].text == "done it") is runs


def test_a_projection_survives_a_renamed_agent() -> None:
    """What a handoff hides stays hidden when the target is called something else."""
    model = ScriptedModel([handoff("Billing"), "hello", "again"])

    def hide(messages: Any) -> list[Message]:
        return []

    first = AgentRunner.with_agents(
        Agent("Triage", handoffs=[Handoff("Billing", history=hide)]), Agent("Billing"), config=RunConfig(model=model)
    )
    second = AgentRunner.with_agents(
        Agent("Triage", handoffs=[Handoff("Accounts", history=hide)]), Agent("Accounts"), config=RunConfig(model=model)
    )

    result = first.run("my secret")
    graph = AgentGraph.of(Agent("Triage", handoffs=[Handoff("Accounts", history=hide)]), Agent("Accounts"))
    second.run("next", context=result.context.migrate(graph, rename={"Billing": "Accounts"}))

    assert not any("secret" in message.text for message in model.requests[2].messages)


def test_a_hand_made_context_of_an_unknown_agent_is_refused_in_the_result() -> None:
    """Where something is pending; without, the entry agent answers."""
    from agentgraph.conversation.context import Progress

    context = Context(agent="Nobody", messages=[Message("user", "hi")], progress=Progress())

    result = AgentRunner(Agent("A", model=ScriptedModel(["x"]))).resume(context)

    assert "'Nobody'" in str(result.error)


def test_time_that_is_up_before_a_wait_is_up() -> None:
    """A slow callback may use up all of it."""
    runner = AgentRunner(Agent("A", tools=[dangerous.replace(needs_approval=False)]))
    runner.on_tool_start(lambda _: time.sleep(0.1))

    result = runner.run("go", config=RunConfig(model=ScriptedModel([call("dangerous"), "late"]), budget=Budget(seconds=0.05)))

    assert result.stop_reason == "budget"


def test_a_synchronous_generator_streams_in_asyncio_too() -> None:
    class Slow:
        def reply(self, request: Any) -> Any:
            raise AssertionError

        def stream(self, request: Any) -> Any:
            for word in ("one ", "two"):
                yield word
                waited.append(word)
            yield Reply("one two")

    waited: list[str] = []

    async def watch() -> list[int]:
        stream = AgentRunner(Agent("A", model=Slow())).astream("go")
        return [len(waited) async for event in stream if isinstance(event, TextDelta)]

    assert asyncio.run(watch()) == [0, 1]


def test_a_stream_that_was_left_says_so() -> None:
    stream = AgentRunner(Agent("A", model=ScriptedModel(["one two three"]))).stream("go")
    next(stream)
    stream.close()

    assert stream.result.stop_reason == "unfinished"
    assert not stream.result.succeeded


def test_a_replay_answers_inside_tools_too() -> None:
    asker = Agent("Asker", tools=[Agent("Expert").as_tool()])
    first = AgentRunner(asker, RunConfig(model=ScriptedModel([call("expert", input="?"), "42", "It is 42."]))).run("go")

    again = AgentRunner(asker, RunConfig(model=ReplayModel(first.trace))).run("go")

    assert again.context == first.context
    assert again.output == "It is 42."


def test_an_agent_as_a_tool_uses_what_is_left_of_the_budget() -> None:
    @tool
    def step() -> str:
        """Do something."""
        return "ok"

    inner = Agent("Inner", tools=[step])
    model = ScriptedModel({"Outer": [call("inner", input="work"), "done"], "Inner": [[call("step")] * 5, "all done"]})
    result = AgentRunner(Agent("Outer", tools=[inner.as_tool()]), RunConfig(model=model, budget=Budget(tool_calls=3))).run("go")

    assert "tool_calls" in result.messages[2].text
    ran = [m for m in result.trace.children[result.messages[1].tool_calls[0].id].contexts[-1].messages if m.text == "ok"]
    assert len(ran) == 2  # three in all: the agent itself is one


def test_a_handler_that_would_see_nothing_is_refused() -> None:
    runner = AgentRunner(Agent("A", tools=[dangerous]), RunConfig(model=ScriptedModel([call("dangerous")])))
    context = runner.run("go").context

    with_handler: Any = runner.run_with_run_context(None, factory=list, handler=lambda seen, _: (seen, Forward()), context=context)

    assert "begun without a run context" in str(with_handler.error)
    assert "no call 'nope' is pending" in str(runner.resume(context, approvals={"nope": True}).error)


def test_a_mistyped_definition_is_no_bare_type_error() -> None:
    with pytest.raises(DefinitionError, match="max_turns='3'"):
        Agent("A").as_tool(max_turns="3")  # type: ignore[arg-type]


@pytest.mark.parametrize("way", ["arun", "aresume", "astream", "conversation", "conversation stream"])
def test_a_loop_that_is_not_asyncios_is_refused_before_anything_is_done(way: str, tmp_path: Path) -> None:
    """A coroutine that is driven by hand is in no loop of asyncio's, just as one in trio."""
    asked: list[Any] = []

    def model(request: Any) -> Reply:
        asked.append(request)
        return Reply("x")

    runner = AgentRunner(Agent("A", model=ScriptedModel([model])))
    with open_store(f"sqlite:///{tmp_path / 'kept.db'}") as store:
        kept = runner.conversation("k", store)
        ways: dict[str, Callable[[], Any]] = {
            "arun": lambda: runner.arun("go"),
            "aresume": lambda: runner.aresume(Context()),
            "astream": lambda: anext(runner.astream("go")),
            "conversation": lambda: kept.arun("go"),
            "conversation stream": lambda: anext(kept.astream("go")),
        }
        with pytest.raises(DefinitionError, match="event loop of asyncio"):
            ways[way]().send(None)
        assert (asked, store.list()) == ([], [])


@tool
async def holding_up() -> str:
    """Wait in the loop for what needs it."""
    return str(AgentRunner(Agent("B", model=ScriptedModel(["x"]))).run("go").output)


def test_a_run_that_would_wait_for_its_own_loop_is_a_mistake_of_use() -> None:
    result = AgentRunner(Agent("A", tools=[holding_up], model=ScriptedModel([call("holding_up"), "x"]))).run("go")

    assert result.messages[2].text.startswith("error: DefinitionError: a synchronous run was started inside an async tool")
