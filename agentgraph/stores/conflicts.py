"""What is said to a turn whose step came too late."""

from __future__ import annotations

from agentgraph.errors import Conflict


def overtaken(conversation: str, expected: int, actual: int) -> Conflict:
    """The step was not added: the conversation has moved on, was taken over, or is gone."""
    if actual < 0:
        why = "the conversation was deleted"
    elif actual == expected:
        why = "another turn has taken the conversation over"
    else:
        why = f"the conversation stands at step {actual} already"
    return Conflict(
        f"step {expected + 1} of {conversation!r:.60} was not added: {why}; read it again, and hold the turn anew",
        conversation,
        expected,
        actual,
    )
