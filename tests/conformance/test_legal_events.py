"""What the engine says to an event that its context does not await, and which ids it keeps: `step`, called by hand."""

from __future__ import annotations

import pytest

from agentgraph import Agent, AgentGraph, Context, Machine, Reply, ToolCall, tool
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
