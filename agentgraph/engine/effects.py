"""Effects: what the outside is asked to do. All but `Finish` can be read off a context again: see `due`.

`within` is the conversation that an effect is of, as it is with events.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from agentgraph.conversation.context import Context, Returned
from agentgraph.conversation.message import ToolCall
from agentgraph.errors import AgentGraphError

StopReason = Literal["completed", "final", "max_turns", "budget", "cancelled", "error", "approval", "unfinished"]


class CallModel(Struct, frozen=True, gc=False):
    """Ask the model of `agent`. Answered by `ModelReplied` or `ModelFailed`."""

    agent: str
    within: tuple[str, ...] = ()


class RunTool(Struct, frozen=True, gc=False):
    """Execute a tool of `agent`. Answered by `ToolReturned`, `AttemptFailed` or `AttemptLost`."""

    agent: str
    call: ToolCall
    attempt: int = 1
    within: tuple[str, ...] = ()


class HandleOutput(Struct, frozen=True, gc=False):
    """Show an output to the handlers. Answered by `OutputHandled`."""

    agent: str
    call: ToolCall
    returned: Returned
    within: tuple[str, ...] = ()


class AskApproval(Struct, frozen=True, gc=False):
    """Ask a person whether a call may run. Answered by `Approved`."""

    agent: str
    call: ToolCall
    within: tuple[str, ...] = ()


class Extract(Struct, frozen=True, gc=False):
    """Make the output of an agent that was used as a tool of the conversation inside, which is over. Answered by `ToolReturned`."""

    agent: str
    call: ToolCall
    inside: Context
    returned: Returned
    """What the conversation inside has ended with, as its value."""
    within: tuple[str, ...] = ()


class Finish(Struct, frozen=True):
    """The run is over. Not awaited: nothing answers it."""

    reason: StopReason
    output: Any = None
    error: AgentGraphError | None = None


Effect = CallModel | RunTool | HandleOutput | AskApproval | Extract | Finish
