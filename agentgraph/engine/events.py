"""Events: what happened outside. Every one is a value, so a run can be kept, replayed and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import NO_FACTS, Settings
from agentgraph.conversation.frozen import EMPTY, FrozenDict, FrozenList, Json
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.usage import NO_USAGE, Usage

if TYPE_CHECKING:
    Content = str | FrozenList
else:
    Content = Any


class Event(Struct, frozen=True, tag=True, kw_only=True, gc=False):
    """Something that happened. `elapsed` is the seconds since the one before, told where the run, or a call in it, may take only so many.

    `within` is the conversation that it is about: the ids of the calls of agents used as tools around it, outermost first.
    """

    elapsed: float = 0.0
    within: tuple[str, ...] = ()

    def at(self, within: tuple[str, ...]) -> Self:
        """This event, of the conversation inside these calls."""
        return replace(self, within=within)


class UserSaid(Event, frozen=True, tag=True, gc=False):
    """The user spoke: a new turn, and a new run with these settings."""

    content: Content
    settings: Settings = Settings()


class ModelReplied(Event, frozen=True, tag=True, gc=False):
    """The model that was asked has answered."""

    reply: Reply


class ModelFailed(Event, frozen=True, tag=True, gc=False):
    """The model that was asked will not answer: all attempts failed."""

    error: str


class ToolReturned(Event, frozen=True, tag=True, gc=False):
    """A tool call came back, with a value or an error, and what it changed."""

    call_id: str
    value: Json = None
    error: str | None = None
    updates: FrozenDict = EMPTY
    facts: frozenset[str] = NO_FACTS
    """Set inside, by the tools of an agent that is used as a tool. Like `usage` and `watched` only in what version 1 has written."""
    usage: Usage = NO_USAGE
    watched: FrozenDict = EMPTY
    unset: bool = False
    """Whether the tool said that it has not done what its facts stand for."""


class AttemptFailed(Event, frozen=True, tag=True, gc=False):
    """One execution of a tool that may be tried again has failed."""

    call_id: str
    error: str


class AttemptLost(Event, frozen=True, tag=True, gc=False):
    """A tool was being executed when the conversation was left, and nobody knows what it did."""

    call_id: str


class OutputHandled(Event, frozen=True, tag=True, gc=False):
    """The handlers have looked at an output and decided."""

    call_id: str
    decision: Literal["forward", "rewrite", "final"] = "forward"
    value: Json = None


class Approved(Event, frozen=True, tag=True, gc=False):
    """A person has allowed a call, or not."""

    call_id: str
    approved: bool = True
    reason: str = ""


class TimeUp(Event, frozen=True, tag=True, gc=False):
    """The seconds that the run may take are over, or those of the call that it is `within`."""

    seconds: float


class Cancelled(Event, frozen=True, tag=True, gc=False):
    """Somebody wants the run to end where it stands."""
