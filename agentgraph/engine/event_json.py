"""Events, read back from JSON."""

from __future__ import annotations

from typing import Any

from agentgraph.conversation.context_json import as_value
from agentgraph.conversation.message import Message
from agentgraph.conversation.stored import frozen
from agentgraph.engine.events import (
    Approved,
    AttemptFailed,
    AttemptLost,
    Cancelled,
    Event,
    ModelFailed,
    ModelReplied,
    OutputHandled,
    TimeUp,
    ToolReturned,
    UserSaid,
)

_ANY_EVENT: Any = (
    UserSaid | ModelReplied | ModelFailed | ToolReturned | AttemptFailed | AttemptLost | OutputHandled | Approved | TimeUp | Cancelled
)


def as_event(given: dict[str, Any]) -> Event:
    """The event that `plain` gave.

    Raises:
        ValueError, ContextError, RecursionError: saying what of it cannot be.
    """
    event: Event = as_value(frozen(given), _ANY_EVENT)
    if isinstance(event, UserSaid):
        Message("user", event.content)  # refuses what is neither text nor a list of parts
    return event


as_value([], list[_ANY_EVENT])  # for the reason that `context_json` gives
