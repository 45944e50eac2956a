"""What the engine says to an event that its context does not await, which ids it keeps, and who goes on a history: `step`, called by hand."""

from __future__ import annotations

import pytest

from agentgraph import Agent, AgentGraph, Context, Machine, Message, Reply, ToolCall, tool
from agentgraph.engine import Approved, Event, ModelReplied, OutputHandled, ToolReturned, UserSaid, step
from agentgraph.errors import IllegalEvent


@tool
def look() -> str:
    """Look."""
    return "seen"


def acting(*ids: str) -> tuple[Machine, Context]:
    """A conversation in which `look` was called once for each of `ids`."""
    machine = AgentGraph.of(Agent("Desk", tools=[look]), name="desk").compile()
    thinking = step(machine, Context(), UserSaid(content="hello")).context
    return machine, step(machine, thinking, ModelReplied(reply=Reply(None, [ToolCall(each, "look", {}) for each in ids]))).context


@pytest.mark.parametrize(
    ("event", "awaited"),
    [
        (ToolReturned(call_id="c3"), "call ids 'c1', 'c2'"),
        (OutputHandled(call_id="c1"), "no such answer now"),
        (Approved(call_id="c1"), "no such answer now"),
        (ModelReplied(reply=Reply("done")), "ToolReturned or AttemptFailed"),
    ],
)
def test_an_event_that_is_not_awaited_is_refused_with_what_is(event: Event, awaited: str) -> None:
    machine, context = acting("c1", "c2")

    with pytest.raises(IllegalEvent) as refused:
        step(machine, context, event)

    assert (refused.value.event, refused.value.awaited) == (event, awaited)


@pytest.mark.parametrize(("given", "kept"), [("c" * 64, True), ("c" * 65, False), ("", False)])
def test_an_id_is_kept_where_every_provider_takes_it(given: str, kept: bool) -> None:
    """Of at most 64 characters, and not empty."""
    _, context = acting(given)

    assert (context.pending[0].id == given) is kept


def test_whoever_the_answer_to_a_handoff_names_answers_next() -> None:
    """In a history alone: of a handoff that this graph no longer has, and whose target never spoke."""
    machine = AgentGraph.of(Agent("Desk"), Agent("Till"), name="desk").compile()
    asked = Message("assistant", None, "Desk", (ToolCall("c1", "over", {}),))
    history = Context(messages=[Message("user", "hi"), asked, Message("tool", "over to you", "Till", (), "c1")])

    assert step(machine, history, UserSaid(content="and now?")).context.agent == "Till"
