"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from msgspec import Struct

from agentgraph.definition.agent import Output
from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.history import History
    from agentgraph.conversation.usage import Usage
    from agentgraph.engine.effects import StopReason
    from agentgraph.engine.trace import Trace
    from agentgraph.machine.machine import Machine
    from agentgraph.views.diagram import Diagram
    from agentgraph.views.sequence_view import Participants
    from agentgraph.views.telling import Detail
    from agentgraph.views.theme import Theme

C = TypeVar("C")


class RunResult(Struct, Generic[Output], frozen=True, eq=False):
    """The outcome of one run. Errors are in it, not raised; whatever happened, `context` can be continued."""

    output: Output | None
    """The answer; None when there is none, because the run failed, or waits for a person. A type checker asks for a look at that: errors
    are not raised here, so nothing else would. Its type is what the agents answer; a final tool, or a handler's `Final(value)`,
    gives what it likes: `AgentRunner[Any](agent)` says so.
    """
    context: Context
    usage: Usage
    """Of this run; `context.usage` is of the whole conversation."""
    path: tuple[str, ...]
    """The agents that held the conversation, in order."""
    stop_reason: StopReason
    trace: Trace
    error: Exception | None = None
    machine: Machine | None = None
    """What it was a run of, so that it can be drawn. It is no part of the outcome: neither compared nor shown nor pickled."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunResult) and self._outcome() == other._outcome()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RunResult({', '.join(f'{name}={value!r}' for name, value in zip(self.__struct_fields__, self._outcome(), strict=False))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return RunResult, self._outcome()

    def _outcome(self) -> tuple[Any, ...]:
        return self.output, self.context, self.usage, self.path, self.stop_reason, self.trace, self.error

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

    # -- pictures --------------------------------------------------------------------------------------------------

    def sequence(
        self,
        participants: Participants = "roles",
        detail: Detail = "tools",
        max_text: int = 80,
        collapse: Collection[str] = (),
        theme: str | Theme | None = None,
    ) -> Diagram:
        """What passed in this run, and between whom, as a sequence diagram; read off its trace.

        `participants`: "roles" are the user, the runner, the agents, their model and tools; "agents" the user and the agents alone.
        `detail`: "turns", "llm" (what models do, too), "tools". `max_text` is how long one text may be; `collapse` names groups
        that are one lifeline each.

        Raises:
            DefinitionError: for an option or a group that there is not, and for a result that was unpickled.
        """
        from agentgraph.views.diagram import Diagram
        from agentgraph.views.sequence_view import sequence_of

        if self.machine is None:
            raise DefinitionError("this result knows no machine, since it was unpickled; draw Diagram(sequence_of(result.trace, machine))")
        drawn = sequence_of(
            self.trace, self.machine, participants=participants, detail=detail, max_text=max_text, collapse=collapse, error=self.error
        )
        return Diagram(drawn, theme)

    def to_mermaid(self, **options: Any) -> str:
        """`sequence(...)` as Mermaid text."""
        return self.sequence(**options).to_mermaid()

    def to_dot(self, **options: Any) -> str:
        """`sequence(...)` as DOT text."""
        return format(self.sequence(**options), "dot")

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        drawn = self.sequence()._repr_mimebundle_(**options) if self.machine is not None else {}
        return {**drawn, "text/plain": repr(self)}

    def _mime_(self) -> tuple[str, str]:
        return self.sequence()._mime_() if self.machine is not None else ("text/plain", repr(self))


@dataclass(frozen=True, slots=True)
class RunResultWithContext(Generic[C, Output]):
    """The outcome of a run that carried a value of yours, and the value as it was at the end."""

    result: RunResult[Output]
    run_context: C

    @property
    def output(self) -> Output | None:
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
