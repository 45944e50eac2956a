"""What is read back from a conversation: of ours what was, of a foreign one the most that can have been."""

from __future__ import annotations

from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentGroup, AgentRunner, Context, Message, Reply, RunConfig, ScriptedModel, call, tool
from agentgraph.engine.events import ModelReplied, UserSaid
from agentgraph.engine.happened import happened
from agentgraph.engine.turn import step


@tool(sets="verified")
def verify() -> str:
    """Look at the papers."""
    return "error: it says so itself"


@tool(requires="verified")
def refund(amount: int) -> str:
    """Give money back."""
    return f"{amount}"


@tool(final=True)
def goodbye() -> str:
    """End the talk."""
    return "bye"


clerk = Agent("Clerk", tools=(refund, goodbye))
desk = AgentGroup("Desk", root=clerk, members=[clerk])


def shop() -> AgentGraph:
    graph = AgentGraph("shop")
    graph.add_agent(Agent("Door", tools=(verify, desk.as_tool(name="ask_desk")))).add_agent(Agent("Till", tools=(refund, goodbye)))
    return graph.add_handoff("Door", "Till", requires="verified").add_handoff("Till", "Door").add_handoff("Till", "Till", tool_name="again")


def told(graph: AgentGraph, context: Context) -> list[str]:
    return [f"{i} {happening}" for i, happening in happened(graph.compile(), context)]


def after(*replies: Reply | str) -> Context:
    script = [reply if isinstance(reply, Reply) else Reply(reply) for reply in replies]
    return AgentRunner(shop(), RunConfig(model=ScriptedModel(script))).run("hello").context


def calling(*calls: object) -> Reply:
    return Reply(tool_calls=calls)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outcome", "ends"), [(None, True), ("given", True), ("failed", False), ("refused", False), ("unknown", False), ("skipped", False)]
)
def test_a_foreign_turn_ended_with_a_final_tool_that_may_have_succeeded(outcome: Any, ends: bool) -> None:
    """Nothing says that it did: so the most that can have been, and that is no end where it is said that it did not."""
    said = Message("assistant", None, "Till", (call("goodbye"),))
    answer = Message("tool", "bye", tool_call_id=said.tool_calls[0].id, outcome=outcome)
    context = Context(messages=[Message("user", "hi"), said, answer])

    assert [line.removeprefix("1 ") for line in told(shop(), context)].count("final") == ends


def test_ours_tells_what_ran_from_what_only_looks_so() -> None:
    """An output that begins like an error is one of a tool that ran; a call that was refused, unknown or misshapen is none."""
    context = after(
        calling(call("handoff_to_till"), call("nothing"), call("verify", x=1), call("verify")),
        calling(call("handoff_to_till"), call("verify")),
        calling(call("refund"), call("refund", amount=1), call("again")),
        "done",
    )

    assert told(shop(), context) == [
        "0 enter Door",
        "1 refusal handoff_to_till",
        "1 refusal nothing",
        "1 refusal verify",
        "1 call verify",
        "1 success verify",
        "6 handoff handoff_to_till",
        "6 enter Till",
        "6 skip verify",
        "9 refusal refund",
        "9 call refund",
        "9 success refund",
        "9 handoff again",
        "9 enter Till",
        "13 final",
    ]
    assert [m.outcome for m in context.messages if m.role == "tool"] == (
        ["refused", "refused", "refused", "given", "handed_off", "skipped", "refused", "given", "handed_off"]
    )
    assert Context.from_json(context.to_json()) == context


def test_a_tool_that_ends_the_turn_is_its_end() -> None:
    context = after(calling(call("verify")), calling(call("handoff_to_till")), calling(call("goodbye")))

    assert told(shop(), context)[-3:] == ["5 call goodbye", "5 success goodbye", "5 final"]


def test_an_agent_in_a_tool_is_entered_in_its_groups() -> None:
    context = after(calling(call("ask_desk", input="?")), "inside: done", "done")
    entered = [happening for _, happening in happened(shop().compile(), context)]

    assert list(map(str, entered)) == ["enter Door", "call ask_desk", "enter Clerk", "success ask_desk", "final"]
    assert entered[2].groups == ("Desk",)


def test_of_calls_under_way_those_that_were_started_ran() -> None:
    machine = shop().compile()
    said = step(machine, Context(), UserSaid(content="hello")).context
    context = step(machine, said, ModelReplied(reply=calling(call("verify"), call("handoff_to_till")))).context

    assert told(shop(), said) == ["0 enter Door"]
    assert told(shop(), context) == ["0 enter Door", "1 call verify"]


FOREIGN: list[Message | dict[str, Any]] = [
    {"role": "system", "content": "be nice"},
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": None, "name": "Door", "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "verify", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "handoff_to_till", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "b", "content": "ok"},
    {"role": "assistant", "content": "which one?", "name": "Till"},
    {"role": "user", "content": "the other"},
    {"role": "assistant", "content": "back at the door", "name": "Door"},
]  # fmt: skip


def test_a_foreign_history_is_read_for_the_most_that_can_have_happened() -> None:
    """A call without an answer may have run; who speaks without a handoff has been entered."""
    assert told(shop(), Context(messages=FOREIGN)) == [
        "1 enter Door",
        "2 call verify",
        "2 handoff handoff_to_till",
        "2 enter Till",
        "4 final",
        "6 enter Door",
        "6 final",
    ]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], []),
        ([Message("user", "hello")], []),
        ([Message("user", "hello"), Message("assistant", "hi")], ["0 enter Door", "1 final"]),
        ([Message("user", "hello"), Message("assistant", "hi", agent="Gone")], ["0 enter Door", "1 final"]),
        ([Message("assistant", "hi", agent="Till"), Message("user", "hello")], ["0 enter Till", "0 final"]),
        ([Message("tool", "lost", tool_call_id="x"), Message("user", "a"), Message("user", "b")], []),
        (
            [Message("user", "hello"), Message.from_openai({"role": "assistant", "content": "over", "name": "Door", "handoff_to": "Till"})],
            ["0 enter Door", "1 enter Till"],
        ),
    ],
)  # fmt: skip
def test_whatever_a_foreign_history_holds(messages: list[Message], expected: list[str]) -> None:
    assert told(shop(), Context(messages=messages)) == expected


def test_an_agent_that_was_given_the_conversation_was_entered() -> None:
    assert told(shop(), Context(agent="Till")) == ["0 enter Till"]
    assert told(shop(), Context(agent="Till", messages=FOREIGN))[-1] == "6 enter Till"
