"""What can go wrong, whose mistake it was, and what was possible instead.

Every message is one line: what was given, what was possible, what to do. The parts are kept as attributes, and an
error that ends a run carries the context, so nothing is lost. A *model's* mistake is never raised: it is answered to the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable


class AgentGraphError(Exception):
    """Everything this library raises on purpose. The message is one line, whatever was given."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class Finding(Struct, frozen=True, kw_only=True):
    """One result of a check: what is wrong, where, why it matters and how to mend it."""

    code: str
    agents: tuple[str, ...] = ()
    message: str
    path: tuple[str, ...] = ()
    fix: str = ""
    severity: Literal["error", "warning"] = "warning"

    def __str__(self) -> str:
        """One line, as the command line and `DefinitionError` print it."""
        return f"{self.code}: {self.message}" + (f"; {self.fix}" if self.fix else "")


class DefinitionError(AgentGraphError):
    """Something you wrote cannot mean anything, found before anything ran.

    `findings` lists all that is wrong at once; the message is one line however many they are.
    """

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        self.findings = tuple(findings)
        super().__init__(message)

    @classmethod
    def of(cls, name: str, findings: Iterable[Finding]) -> DefinitionError:
        """The error that says all of `findings` about the graph called `name`."""
        found = tuple(findings)
        return cls(f"{name!r} cannot be compiled: " + " | ".join(map(str, found)), found)


class IllegalEvent(AgentGraphError):
    """An event that this context does not await: the engine was driven wrongly."""

    def __init__(self, event: object, awaited: str) -> None:
        self.event, self.awaited = event, awaited
        super().__init__(f"{type(event).__name__} is not awaited here; this context awaits {awaited}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.event, self.awaited)


class IllegalHandoff(AgentGraphError):
    """No transition leaves this state under this tool."""

    def __init__(self, state: str, tool: str, offered: Iterable[str]) -> None:
        self.state, self.tool, self.offered = state, tool, tuple(offered)
        super().__init__(f"{state!r} has no handoff {tool!r}; it offers {', '.join(self.offered) or 'none'}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.state, self.tool, self.offered)


class LimitReached(AgentGraphError):
    """A budget of the run is used up. `context` holds everything up to here and can be continued."""

    def __init__(self, limit: str, allowed: float, context: Any = None) -> None:
        self.limit, self.allowed, self.context = limit, allowed, context
        super().__init__(f"the run reached {limit}={allowed:,}; raise the limit, or continue from the result's context")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.limit, self.allowed, self.context)


class RunCancelled(AgentGraphError):
    """The run was ended from outside. `context` holds everything up to there and can be continued."""

    def __init__(self, context: Any = None) -> None:
        self.context = context
        super().__init__("the run was cancelled; the next message continues from the result's context")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.context,)


class ModelError(AgentGraphError):
    """The provider failed, or its answers could not be used. `context` holds everything up to the failed call."""

    def __init__(self, message: str, context: Any = None) -> None:
        self.context = context
        super().__init__(message)


FailureReason = Literal["rate_limited", "unavailable", "timeout", "rejected", "cut_short", "truncated", "withheld", "unreadable"]
"""Why a provider gave no answer. rejected: it will not take this request. cut_short: the stream ended before the answer did. truncated: the
answer stopped at its output limit. withheld: by a content filter. unreadable: what came is no response."""

_TRANSIENT: frozenset[FailureReason] = frozenset({"rate_limited", "unavailable", "cut_short", "unreadable"})


class ProviderError(ModelError):
    """One call of a provider failed. The `__cause__` of a run's `ModelError`; its own is what the client library raised.

    `status` is of HTTP, as far as there was one; `retry_after` the seconds that the provider asked to wait.
    """

    def __init__(
        self, message: str, reason: FailureReason = "unavailable", status: int | None = None, retry_after: float | None = None
    ) -> None:
        self.reason, self.status, self.retry_after = reason, status, retry_after
        super().__init__(message)

    @property
    def is_transient(self) -> bool:
        """Whether the same question may well be answered when it is asked again."""
        return self.reason in _TRANSIENT

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.reason, self.status, self.retry_after)


class ContextError(AgentGraphError):
    """A context that cannot be read, cannot be written, or belongs to another topology. `given` is kept as it came."""

    def __init__(self, message: str, given: Any = None) -> None:
        self.given = given
        super().__init__(message)


class Conflict(AgentGraphError):
    """Another turn of the same conversation goes on, or was committed first. Nothing of it is lost or merged.

    `expected` is the step that this turn stood at, None where it did not begin; `actual` the one that the conversation stands at.
    """

    def __init__(self, message: str, conversation: str = "", expected: int | None = None, actual: int | None = None) -> None:
        self.conversation, self.expected, self.actual = conversation, expected, actual
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.conversation, self.expected, self.actual)


class StoreError(AgentGraphError):
    """A store that cannot be opened, read or written. What it holds is as it was."""


class NoThread(AgentGraphError):
    """No thread can be had, and something needs one: to bound a wait, to hold a lease, to await what is asynchronous."""


class Damaged(StoreError):
    """A kept conversation that no asking again makes readable."""
