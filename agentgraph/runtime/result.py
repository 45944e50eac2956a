"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from msgspec import Struct

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.history import History
    from agentgraph.conversation.usage import Usage
    from agentgraph.engine.effects import StopReason
    from agentgraph.engine.trace import Trace

C = TypeVar("C")


class RunResult(Struct, frozen=True):
    """The outcome of one run. Errors are in it, not raised; whatever happened, `context` can be continued."""

    output: Any
    context: Context
    usage: Usage
    """Of this run; `context.usage` is of the whole conversation."""
    path: tuple[str, ...]
    """The agents that held the conversation, in order."""
    stop_reason: StopReason
    trace: Trace
    error: Exception | None = None

    @property
    def messages(self) -> History:
        """The whole conversation."""
        return self.context.messages

    @property
    def succeeded(self) -> bool:
        """Whether there is an output: it ended, and without an error."""
        return self.stop_reason in ("completed", "final")

    @property
    def failed(self) -> bool:
        """Whether it ended with an error."""
        return self.error is not None

    def raise_for_error(self) -> Self:
        """Itself, or its error raised."""
        if self.error is not None:
            raise self.error
        return self


@dataclass(frozen=True, slots=True)
class RunResultWithContext(Generic[C]):
    """The outcome of a run that carried a value of yours, and the value as it was at the end."""

    result: RunResult
    run_context: C

    @property
    def output(self) -> Any:
        """The result's output."""
        return self.result.output

    @property
    def context(self) -> Context:
        """The result's context."""
        return self.result.context

    @property
    def error(self) -> Exception | None:
        """The result's error."""
        return self.result.error
