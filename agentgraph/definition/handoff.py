"""Handoffs: the tools whose call moves the conversation to another agent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import EMPTY, FrozenDict, freeze
from agentgraph.conversation.message import Message, ToolCall
from agentgraph.definition.naming import checked_agent_name, checked_tool_name, handoff_tool_name
from agentgraph.definition.shape import Shape
from agentgraph.definition.signature import shape_of
from agentgraph.definition.tool import checked_function, facts, tool_spec
from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.group import AgentGroup

_REASON: FrozenDict = freeze(
    {
        "type": "object",
        "properties": {"reason": {"type": "string", "description": "Why this conversation is handed over."}},
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class Handoff:
    """An edge of the graph, written at its source.

    `payload` is what the calling model must fill in and the target receives; `when` and `requires` are its guard;
    `history` projects what the target's model sees of the conversation so far.
    """

    target: str | Agent | AgentGroup
    tool_name: str | None = None
    description: str | None = None
    payload: Any = None
    when: Callable[[Context], bool] | None = None
    history: Callable[[Sequence[Message]], Sequence[Message]] | None = None
    requires: frozenset[str] = frozenset()
    payload_shape: Shape | None = field(init=False, default=None, repr=False, compare=False)

    if TYPE_CHECKING:

        def __init__(
            self,
            target: str | Agent | AgentGroup,
            tool_name: str | None = ...,
            description: str | None = ...,
            payload: Any = ...,
            when: Callable[[Context], bool] | None = ...,
            history: Callable[[Sequence[Message]], Sequence[Message]] | None = ...,
            requires: str | Iterable[str] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.target, str):
            checked_agent_name(self.target, "the target of a handoff")
        elif not (isinstance(getattr(self.target, "name", None), str) and hasattr(self.target, "as_tool")):
            raise DefinitionError(f"a handoff leads to {self.target!r}; give an agent, a group, or the name of one")
        if self.tool_name is not None:
            checked_tool_name(self.tool_name, f"the handoff to {self.target_name!r}")
        if self.when is not None or self.history is not None:
            _check_functions(self)
        if type(self.requires) is not frozenset:
            object.__setattr__(self, "requires", facts(self.requires, f"the handoff to {self.target_name!r}: requires"))
        if self.payload is not None:
            shape = shape_of(self.payload, f"the payload of the handoff to {self.target_name!r}")
            if shape.schema.get("type") != "object":
                raise DefinitionError(
                    f"the payload of the handoff to {self.target_name!r} is {self.payload!r}; give a type with named fields"
                )
            object.__setattr__(self, "payload_shape", shape)

    @property
    def target_name(self) -> str:
        """The name of the agent or group it leads to."""
        return self.target if isinstance(self.target, str) else self.target.name

    @property
    def tool(self) -> str:
        """The name of the tool that the model calls."""
        return self.tool_name or handoff_tool_name(self.target_name)

    @property
    def guarded(self) -> bool:
        """Whether it may be refused, depending on what has happened."""
        return bool(self.requires) or self.when is not None

    @property
    def spec(self) -> FrozenDict:
        """What a provider is told of this tool."""
        description = f"Hand the conversation over to {self.target_name}."
        if self.description:
            description += f" {self.description}"
        return tool_spec(self.tool, description, self.payload_shape.schema if self.payload_shape else _REASON)

    def replace(self, **changes: Any) -> Handoff:
        """A changed copy."""
        return replace(self, **changes)


def _check_functions(handoff: Handoff) -> None:
    for option, value in (("when", handoff.when), ("history", handoff.history)):
        if value is not None:
            checked_function(value, f"the handoff to {handoff.target_name!r}: {option}")


def as_handoff(given: Any, **options: Any) -> Handoff:
    """A name, an agent, a group or a handoff, as a handoff."""
    if isinstance(given, Handoff):
        if options:
            raise DefinitionError(f"the handoff to {given.target_name!r} is complete already; give its options to Handoff(...) itself")
        return given
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise DefinitionError(f"a handoff has no option {', '.join(map(repr, sorted(unknown)))}; it has {', '.join(sorted(_OPTIONS))}")
    return Handoff(given, **options)


_OPTIONS = {option.name for option in fields(Handoff) if option.init} - {"target"}


def handoff(target: str | Agent | AgentGroup, /, tool_name: str | None = None, **payload: Any) -> ToolCall:
    """The call by which a model hands over to `target`: for scripts and rules.

    >>> handoff("Billing", reason="an invoice").name
    'handoff_to_billing'
    """
    return ToolCall("", tool_name or Handoff(target).tool, freeze(payload, "payload") if payload else EMPTY)
