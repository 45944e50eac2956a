"""Outcomes as data: what is doubted, what is broken unforeseen, what stands inside of tools, and bad values of the new names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Context,
    ContextError,
    DefinitionError,
    MemoryStore,
    Message,
    RunConfig,
    ScriptedModel,
    Secret,
    Unset,
    call,
    tool,
)
from agentgraph.checks import Spec, at_most, calls, never, never_after, precedes, succeeds
from agentgraph.conversation.happening import Happening

ran: list[str] = []


@tool
def pay() -> str:
    """Pay."""
    ran.append("pay")
    return "paid"


@tool
def verify() -> str:
    """Verify."""
    return "ok"


@tool(needs_approval=True)
def dangerous() -> str:
    """Ask first."""
    return "done"


@tool(sets="vip")
def looks() -> Any:
    """Look, in vain."""
    return Unset({"why": "not there"})


@pytest.mark.parametrize(
    ("spec", "stands"),
    [
        (at_most(1, succeeds("pay")), [0, 1]),
        (at_most(2, succeeds("pay")), [0, 1]),
        (at_most(2, calls("pay")), [0, 1]),
        (never_after(succeeds("pay"), succeeds("pay")), [0, 1]),
    ],
)
def test_a_call_that_was_lost_is_doubted_once(spec: Spec, stands: list[int]) -> None:
    """ "A call closed as `unknown` leaves a monitor in the set of both states": one call, not two."""
    runner = AgentRunner(Agent("D", tools=[pay]), RunConfig(model=ScriptedModel([call("pay"), "ok"])), monitors=[spec])
    conversation = runner.conversation("c", MemoryStore())
    with conversation.stream("hi") as stream:
        for seen in stream:
            if type(seen).__name__ == "ToolStarted":
                break
    result = conversation.resume()

    assert result.stop_reason == "completed", result.error
    assert [message.outcome for message in result.messages if message.role == "tool"] == ["unknown"]
    assert result.context.watched[str(spec)] == stands
    judged = spec.check(result)
    assert (bool(judged), judged.sure) == (True, True)


class Sees:
    """A monitor that breaks at the first happening of one kind."""

    start = 0
    names = ()

    def __init__(self, kind: str) -> None:
        self.kinds = {kind}

    def after(self, state: int, happening: Happening) -> int:
        """Never."""
        return -1

    def sees(self, tool: str) -> bool:
        """Everything."""
        return True

    def __str__(self) -> str:
        return f"no {next(iter(self.kinds))}"


@pytest.mark.parametrize("kind", ["failure", "refusal", "skip", "denial", "approval", "handoff", "success"])
@pytest.mark.parametrize("way", ["run", "stream", "kept"])
def test_what_no_monitor_could_be_asked_about_ends_the_run_and_is_in_the_result(kind: str, way: str) -> None:
    @tool
    def fails() -> str:
        """Fail."""
        raise ValueError("no")

    script = [
        [call("fails"), call("nobody"), call("handoff_to_e"), call("fails")],
        [call("dangerous"), call("verify")],
        "done",
        "done",
        "done",
    ]
    desk = Agent("D", tools=[fails, verify, dangerous], handoffs=["E"], model=ScriptedModel(script))
    graph = AgentGraph.of(desk, Agent("E", tools=[dangerous, verify], model=ScriptedModel(script[1:])), name="d")
    runner = AgentRunner(graph, RunConfig(approve=lambda _: kind == "approval"), monitors=[Sees(kind)])
    if way == "stream":
        stream = runner.stream("hi")
        list(stream)
        result = stream.result
    else:
        result = runner.run("hi") if way == "run" else runner.conversation("c", MemoryStore()).run("hi")

    assert result.stop_reason == "completed" or f"no {kind}" in str(result.error)
    again = runner.run("and?", result.context)
    assert again.succeeded or f"no {kind}" in str(again.error)


def test_what_succeeds_inside_a_tool_is_seen_in_every_record_that_has_it() -> None:
    inner = Agent("Inner", tools=[verify], model=ScriptedModel([call("verify"), "in"]))
    desk = Agent("D", tools=[inner.as_tool(name="ask"), pay], model=ScriptedModel([call("ask", input="?"), call("pay"), "out"]))
    graph = AgentGraph.of(desk, name="d")
    result = AgentRunner(graph, monitors=[precedes(succeeds("verify"), calls("pay"))]).run("hi")

    assert result.output == "out"
    for record in (result, result.trace):
        assert precedes(succeeds("verify"), calls("pay")).check(record, graph)
        assert not never(succeeds("verify")).check(record, graph)
        assert precedes(succeeds("verify"), succeeds("ask")).check(record, graph)
        assert not precedes(succeeds("ask"), succeeds("verify")).check(record, graph)


def test_a_tool_that_unsets_has_not_succeeded() -> None:
    graph = AgentGraph.of(Agent("D", tools=[looks], model=ScriptedModel([call("looks"), "well"])), name="d")
    result = AgentRunner(graph).run("hi")

    assert result.messages[2].text == '{"why": "not there"}'
    assert (result.messages[2].outcome, result.messages[2].unset, result.context.facts) == ("given", True, frozenset())
    for record in (result, result.trace, result.context):
        assert never(succeeds("looks")).check(record, graph)
        assert not never(calls("looks")).check(record, graph)


FOREIGN: list[dict[str, Any]] = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "name": "D", "content": None, "tool_calls": [{"id": "c", "function": {"name": "pay", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "error: not executed"},
]


@pytest.mark.parametrize(
    ("said", "called", "succeeded"),
    [(None, True, True), ("given", True, True), ("failed", True, False), ("refused", False, False), ("skipped", False, False)],
)
def test_messages_of_others_are_read_as_given_or_as_somebody_says(said: Any, called: bool, succeeded: bool) -> None:
    keyed = [*FOREIGN[:2], FOREIGN[2] | ({"outcome": said} if said else {})]

    for record, outcome in ((FOREIGN, lambda _: said), (keyed, None)):
        assert (not never(calls("pay")).check(record, outcome=outcome)) is called
        assert (not never(succeeds("pay")).check(record, outcome=outcome)) is succeeded


def test_a_call_that_may_have_run_is_no_answer() -> None:
    judged = never(calls("pay")).check(FOREIGN, outcome=lambda _: "unknown")

    assert (bool(judged), judged.sure) == (False, False)
    assert "may be broken at message 1" in str(judged)
    assert never(calls("verify")).check(FOREIGN, outcome=lambda _: "unknown").sure


@pytest.mark.parametrize("outcome", ["given", {"c": "given"}, 7, lambda _: "error", lambda _: "success", lambda _: 3, lambda _: ["given"]])
def test_an_outcome_that_is_none_is_refused_in_one_line(outcome: Any) -> None:
    with pytest.raises(DefinitionError, match="one of given, failed, refused, skipped, unknown, handed_off") as refused:
        never(calls("pay")).check(FOREIGN, outcome=outcome)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "done"},
        {"outcome": []},
        {"unset": "yes"},
        {"ends": 3},
        {"earlier": ["failed"]},
        {"earlier": ("lost",)},
        {"arguments": [1]},
        {"arguments": {"a": object()}},
    ],
)
def test_an_answer_says_of_its_call_what_can_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContextError) as refused:
        Message("tool", "x", tool_call_id="c", **wrong)
    assert "\n" not in str(refused.value)


def test_only_the_answer_to_a_call_has_an_outcome() -> None:
    with pytest.raises(ContextError, match="only the answer to a call has one"):
        Message("user", "x", outcome="given")


@pytest.mark.parametrize(
    "change",
    [{"kinds": 3}, {"kinds": None}, {"kinds": {"bogus"}}, {"kinds": "call"}, {"names": None}, {"names": [3]}],
)
def test_a_monitor_that_cannot_say_what_it_wants_is_refused_when_it_is_given(change: dict[str, Any]) -> None:
    monitor = Sees("call")
    for name, value in change.items():
        setattr(monitor, name, value)

    with pytest.raises(DefinitionError) as refused:
        AgentRunner(Agent("D", tools=[pay]), monitors=[monitor])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "approve", [lambda secret: f"no, {secret.reveal()}", lambda secret: {"key": secret.reveal()}], ids=["a reason", "an odd answer"]
)
def test_a_secret_in_the_answer_of_an_approver_is_taken_out(approve: Callable[[Secret], Any]) -> None:
    secret = Secret("sk-canary-771")
    config = RunConfig(model=ScriptedModel([call("dangerous"), "ok"]), approve=lambda _: approve(secret))
    result = AgentRunner(Agent("D", tools=[dangerous]), config).run("hi")

    assert "sk-canary" not in result.context.to_json() + repr(result.trace.events)


def test_a_secret_in_a_reason_that_is_given_with_a_resumed_run_is_taken_out() -> None:
    secret = Secret("sk-canary-772")
    runner = AgentRunner(Agent("D", tools=[dangerous]), RunConfig(model=ScriptedModel([call("dangerous"), "ok"])))
    waits = runner.run("hi")
    result = runner.resume(waits.context, {waits.context.pending[0].id: f"no, {secret.reveal()}"})

    assert "sk-canary" not in result.context.to_json() + repr(result.trace.events)


def test_a_context_of_today_says_its_version() -> None:
    assert Context().to_json().startswith('{"agentgraph_context":2')
