"""What may be watched of a run: a stream of values that anyone can ignore. The run does not depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from msgspec import Struct

from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import FrozenDict, Json
from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.reply import Reply

if TYPE_CHECKING:
    from agentgraph.runtime.result import RunResult
else:
    RunResult = Any


class BaseObservation(Struct, frozen=True, kw_only=True):
    """What all observations have. `within` holds the call ids of the agents-as-tools around it, outermost first.

    Not a kind itself: `Observation` is the union of the kinds, so that a checker can tell whether a `match` knows them all.
    """

    within: tuple[str, ...] = ()


@final
class RunStarted(BaseObservation, frozen=True, kw_only=True):
    """A run began; `why` says how its agent was chosen: "continued", or why the entry agent was."""

    agent: str
    input: Any
    context: Context
    why: str = "continued"


@final
class AgentThinking(BaseObservation, frozen=True, kw_only=True):
    """A model is about to be asked for `agent`."""

    agent: str
    context: Context


@final
class TextDelta(BaseObservation, frozen=True, kw_only=True):
    """A piece of the text that a model is writing. Only in streams.

    `structured`: the agent has an `output_type`, so that the text is the JSON of its answer, hardly to be shown as it is.
    """

    agent: str
    text: str
    structured: bool = False


@final
class LLMCallComplete(BaseObservation, frozen=True, kw_only=True):
    """A model has answered."""

    agent: str
    reply: Reply
    context: Context


class CallObservation(BaseObservation, frozen=True, kw_only=True):
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


@final
class ToolStarted(CallObservation, frozen=True, kw_only=True):
    """A tool begins to run."""


@final
class ToolCompleted(CallObservation, frozen=True, kw_only=True):
    """A tool came back with `value`, or failed with `error`; `seconds` is how long it took."""

    value: Json = None
    error: str | None = None
    seconds: float = 0.0


@final
class ToolRefused(CallObservation, frozen=True, kw_only=True):
    """A call that was answered without being run: unknown, not fitting, not permitted, or behind a handoff."""

    reason: str


@final
class ApprovalAsked(CallObservation, frozen=True, kw_only=True):
    """A call waits for a person. Only in streams."""


@final
class AgentHandoff(BaseObservation, frozen=True, kw_only=True):
    """The conversation moved."""

    source: str
    target: str
    reason: str
    context: Context


@final
class AgentCompleted(BaseObservation, frozen=True, kw_only=True):
    """An agent is done: it handed over, or the run ended with it."""

    agent: str
    output: Any = None
    error: Any = None
    context: Context


@final
class RunCompleted(BaseObservation, frozen=True, kw_only=True):
    """The run is over. Always the last."""

    result: RunResult


Observation = (
    RunStarted
    | AgentThinking
    | TextDelta
    | LLMCallComplete
    | ToolStarted
    | ToolCompleted
    | ToolRefused
    | ApprovalAsked
    | AgentHandoff
    | AgentCompleted
    | RunCompleted
)
"""Something that happened in a run: one of these, and of no other class."""
