"""Recordings and conversations that are none, in one clear line each; and the defects that only a request can have."""

from __future__ import annotations

from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGraphError,
    AgentGroup,
    AgentRunner,
    Context,
    DefinitionError,
    RunConfig,
    call,
    tool,
)
from agentgraph.checks import calls, check_history, check_request, enters, inside, never, passes, precedes
from agentgraph.models import ScriptedModel

HI = {"role": "user", "content": "hi"}


def cyclic() -> dict[str, Any]:
    message: dict[str, Any] = {"role": "user", "content": "hi", "extra": {}}
    message["extra"]["self"] = message
    return message


def desk() -> AgentGraph:
    @tool(sets="verified")
    def verify() -> str:
        """Verify."""
        return "ok"

    @tool(requires="verified")
    def refund() -> str:
        """Refund."""
        return "ok"

    graph = AgentGraph("desk").add_agent(Agent("Triage", tools=[verify])).add_agent(Agent("Returns", tools=[refund]))
    return graph.add_handoff("Triage", "Returns", requires="verified").add_handoff("Returns", "Triage")


def calling(agent: str, name: str, answer: str | None = "ok", outcome: str | None = None, **more: Any) -> list[dict[str, Any]]:
    """A call and its answer, which may say what became of the call."""
    call = {"id": f"c_{name}", "type": "function", "function": {"name": name, "arguments": "{}"}}
    asked = {"role": "assistant", "name": agent, "content": None, "tool_calls": [call], **more}
    said = {"role": "tool", "tool_call_id": f"c_{name}", "content": answer}
    return [asked] if answer is None else [asked, said if outcome is None else {**said, "outcome": outcome}]


def saying(agent: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "name": agent, "content": "Well."}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "a run was given as the NoneType None"),
        ("hello", "a run was given as the str 'hello'"),
        (7, "a run was given as the int 7"),
        ({}, "a run was given as a dictionary of nothing"),
        ({"role": "user"}, "a run was given as a dictionary of 'role'"),
        ({"messages": None}, "a run was given as the NoneType None"),
        ({"messages": {"messages": []}}, "the 'messages' of a run were given as a dictionary"),
        ([HI, None], "message 1: "),
        ([HI, {"role": "narrator"}], "message 1: a message has the role 'narrator'"),
        ([{"role": "assistant", "tool_calls": 5}], "message 0: a message has the tool_calls 5"),
        ([HI, {"role": "assistant", "tool_calls": [{}]}], "message 1: a tool call is {}"),
        ([cyclic()], "message 0: "),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_records_no_run_is_refused_in_one_line(given: Any, said: str) -> None:
    for judge in (desk().conforms, never(calls("refund")).check):
        with pytest.raises(AgentGraphError) as caught:
            judge(given)
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)


def test_a_long_recording_is_read_once() -> None:
    messages = [HI, *calling("Triage", "verify"), *saying("Triage")] * 5_000

    assert desk().conforms(messages)
    assert precedes(calls("verify"), enters("Returns")).check(messages)


@pytest.mark.parametrize(
    ("messages", "index", "code"),
    [
        ([HI, *saying("Nobody")], 1, "unknown-agent"),
        ([HI, *calling("Triage", "verify"), *calling("Triage", "transfer", handoff_to="Nobody")], 3, "unknown-agent"),
        ([HI, *calling("Returns", "transfer", handoff_to="Returns"), *saying("Returns")], 1, "no-such-edge"),
        ([HI, *calling("Triage", "handoff_to_returns"), *saying("Returns")], 1, "guard-not-met"),
        (
            [HI, *calling("Triage", "verify", "wrong code", "failed"), *calling("Triage", "handoff_to_returns"), *saying("Returns")],
            3,
            "guard-not-met",
        ),
        ([HI, *calling("Returns", "refund"), *saying("Returns")], 1, "guard-not-met"),
        ([HI, *calling("Triage", "refund"), *saying("Triage")], 1, "foreign-tool"),
        ([HI, *saying("Triage"), HI, *saying("Returns")], 3, "silent-switch"),
        ([HI, *calling("Triage", "verify", None)], 1, "final-not-allowed"),
        ([HI, *calling("Triage", "verify"), *calling("Triage", "handoff_to_returns")], 3, "final-not-allowed"),
        ([HI, *saying("Triage"), HI, *calling("Triage", "handoff_to_triage"), *saying("Triage")], 3, "no-such-edge"),
    ],
)
def test_a_deviation_names_its_message(messages: list[Any], index: int, code: str) -> None:
    found = desk().conforms(messages)

    assert not found
    assert [(each.index, each.code) for each in found] == [(index, code)]
    assert f"message {index}: {code}: " in repr(found)
    assert found.to_dict()["deviations"][0]["index"] == index


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [HI],
        [HI, *calling("Triage", "verify"), *calling("Triage", "handoff_to_returns"), *calling("Returns", "refund"), *saying("Returns")],
        [HI, *calling("Triage", "Desk-verify"), *calling("Triage", "take_over", handoff_to="Returns"), *saying("Returns")],
        [HI, *calling("Triage", "refund", "there is no such tool", "refused"), *saying("Triage")],
        [
            HI,
            *calling("Triage", "handoff_to_returns", "not now", "refused"),
            *saying("Triage"),
        ],
        [HI, {"role": "assistant", "content": "I have no name."}],
        [*saying("Returns"), HI],
    ],
)
def test_what_keeps_to_the_graph_has_no_deviation(messages: list[Any]) -> None:
    assert desk().conforms(messages)
    assert desk().conforms(Context(messages=messages))


def test_a_person_outside_gives_back_to_whoever_asked() -> None:
    graph = AgentGraph("desk", human="Ann").add_agent(Agent("Triage")).add_agent(Agent("Ann")).add_agent(Agent("user"))
    graph.add_handoff("Triage", "Ann").add_handoff("Triage", "user")

    for person in ("Ann", "user"):
        assert graph.conforms([HI, *calling("Triage", "ask", handoff_to=person), HI, *saying("Triage")])
    assert graph.conforms([HI, *calling("Triage", "ask", handoff_to="Ann"), *saying("Ann")])


def test_a_spec_is_judged_on_a_recording() -> None:
    group = AgentGroup("Back office", root=Agent("Returns"), members=[Agent("Returns")])
    graph = AgentGraph("desk").add_agent(Agent("Triage")).add_agent(group).add_handoff("Triage", "Back office")
    messages = [HI, *calling("Triage", "handoff_to_back_office"), *saying("Returns")]

    judgement = never(inside("Back office")).check(messages, graph)

    assert not judgement
    assert judgement.index == 1
    assert list(map(str, judgement.path)) == ["enter Triage", "enter Returns"]
    assert str(judgement) == "never(inside('Back office')) is broken at message 1 by: enter Triage, enter Returns"
    assert not passes(enters("Nobody")).check(messages, graph.compile())
    with pytest.raises(DefinitionError, match=r"give check\(run, graph\)"):
        never(enters("Triage") | inside("Back office")).check(messages)
    with pytest.raises(DefinitionError, match="give an AgentGraph or a machine"):
        never(enters("Triage")).check(messages, "desk")


def test_a_request_ends_so_that_there_is_something_to_answer() -> None:
    verify = {"type": "function", "function": {"name": "verify", "parameters": {}}}
    messages = [HI, *calling("Triage", "verify"), *saying("Triage")]

    assert check_history(messages) == []
    assert [(d.index, d.code) for d in check_request(messages, [verify])] == [(3, "ends-with-assistant")]
    assert [(d.index, d.code) for d in check_request(messages[:-1])] == [(1, "tools-missing")]
    assert [(d.index, d.code) for d in check_request([HI], [verify, desk().agents["Triage"].tools[0]])] == [(1, "duplicate-tool-name")]
    assert [(d.index, d.code) for d in check_request([HI], [{"function": {"name": "1st"}}])] == [(0, "bad-tool-name")]
    assert check_request(messages, [verify])[0].providers == ("Anthropic",)


@pytest.mark.parametrize("given", [None, 3, "hi", HI])
def test_what_is_no_conversation_is_refused(given: Any) -> None:
    with pytest.raises(AgentGraphError, match="give a list of messages"):
        check_history(given)
    with pytest.raises(AgentGraphError, match=r"give a list of tools|without a name"):
        check_request([HI], [given] if given is not HI and given is not None else given)


def test_a_message_that_is_none_is_a_defect() -> None:
    found = check_history([HI, 5, cyclic(), {"role": "assistant"}])

    assert [(d.index, d.code) for d in found] == [(1, "unreadable-message"), (2, "unreadable-message"), (3, "empty-content")]
    assert all("\n" not in str(defect) for defect in found)


def test_an_agent_that_was_asked_and_never_answered_was_entered() -> None:
    """What a monitor would have been shown, a recording says too: where a conversation begins, and inside a tool."""
    failed = AgentRunner(desk()).run("Hi.", config=RunConfig(model=ScriptedModel([ConnectionError("away")])))
    asking = AgentGraph.of(Agent("Front", tools=[Agent("Back").as_tool(name="ask")]))
    script = {"Front": [call("ask", input="?"), "Well."], "Back": [ConnectionError("away")]}
    nested = AgentRunner(asking).run("Hi.", config=RunConfig(model=ScriptedModel(script)))

    assert failed.path == ("Triage",)
    for form in (failed, failed.trace, failed.context):
        assert not never(enters("Triage")).check(form, desk())
        assert desk().conforms(form)
    assert [str(h) for h in never(enters("Back")).check(nested).path] == ["enter Front", "call ask", "enter Back"]
