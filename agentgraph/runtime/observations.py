"""What may be watched of a run: a stream of values that anyone can ignore. The run does not depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import FrozenDict, Json
from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.reply import Reply

if TYPE_CHECKING:
    from agentgraph.runtime.result import RunResult
else:
    RunResult = Any


class Observation(Struct, frozen=True, kw_only=True):
    """Something that happened in a run. `within` holds the call ids of the agents-as-tools around it, outermost first."""

    within: tuple[str, ...] = ()


class RunStarted(Observation, frozen=True, kw_only=True):
    """A run began; `why` says how its agent was chosen: "continued", or why the entry agent was."""

    agent: str
    input: Any
    context: Context
    why: str = "continued"


class AgentThinking(Observation, frozen=True, kw_only=True):
    """A model is about to be asked for `agent`."""

    agent: str
    context: Context


class TextDelta(Observation, frozen=True, kw_only=True):
    """A piece of the text that a model is writing. Only in streams."""

    agent: str
    text: str


class LLMCallComplete(Observation, frozen=True, kw_only=True):
    """A model has answered."""

    agent: str
    reply: Reply
    context: Context


class CallObservation(Observation, frozen=True, kw_only=True):
    """Something that happened to one call of `agent`'s."""

    agent: str
    call: ToolCall

    @property
    def name(self) -> str:
        """The tool."""
        return self.call.name

    @property
    def arguments(self) -> FrozenDict:
        """What it was given."""
        return self.call.arguments


class ToolStarted(CallObservation, frozen=True, kw_only=True):
    """A tool begins to run."""


class ToolCompleted(CallObservation, frozen=True, kw_only=True):
    """A tool came back with `value`, or failed with `error`; `seconds` is how long it took."""

    value: Json = None
    error: str | None = None
    seconds: float = 0.0


class ToolRefused(CallObservation, frozen=True, kw_only=True):
    """A call that was answered without being run: unknown, not fitting, not permitted, or behind a handoff."""

    reason: str


class ApprovalAsked(CallObservation, frozen=True, kw_only=True):
    """A call waits for a person. Only in streams."""


class AgentHandoff(Observation, frozen=True, kw_only=True):
    """The conversation moved."""

    source: str
    target: str
    reason: str
    context: Context


class AgentCompleted(Observation, frozen=True, kw_only=True):
    """An agent is done: it handed over, or the run ended with it."""

    agent: str
    output: Any = None
    error: Any = None
    context: Context


class RunCompleted(Observation, frozen=True, kw_only=True):
    """The run is over. Always the last."""

    result: RunResult
