"""Agents: nodes of the graph, as frozen values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Self, overload

from typing_extensions import TypeVar

from agentgraph.conversation.frozen import EMPTY, freeze, freeze_settings
from agentgraph.conversation.secret import Secret
from agentgraph.definition.decision import Factory, Handler
from agentgraph.definition.handoff import Handoff, as_handoff
from agentgraph.definition.model import Model
from agentgraph.definition.naming import checked_agent_name, checked_tool_name, snake_case
from agentgraph.definition.shape import Mismatch, Shape
from agentgraph.definition.signature import shape_of
from agentgraph.definition.tool import Tool, checked_function, tool
from agentgraph.errors import ContextError, DefinitionError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.definition.group import AgentGroup

Output = TypeVar("Output", default=Any, covariant=True)  # noqa: PLC0105 - it is read far more often than made
"""What an agent answers with, to type checkers. `Agent`, `AgentRunner` and `RunResult` without it mean: whatever it is."""
Other = TypeVar("Other")

Instructions = str | Callable[["Context"], str]

_NUMBER_OR_NONE = frozenset({int, float, type(None)})
_INPUT = freeze(
    {
        "type": "object",
        "properties": {"input": {"type": "string", "description": "What to do, with all it needs to know."}},
        "required": ["input"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class Agent(Generic[Output]):
    """Who may hold a conversation: instructions, a model, tools, and handoffs to others.

    >>> Agent("Triage", instructions="Route people.").replace(model="openai/gpt-5-mini").model
    'openai/gpt-5-mini'

    To type checkers it is an `Agent[T]`, where T is what it answers, itself or those it hands over to: its `output_type` if that is
    a class, `str` without one, and `Any` where it is a JSON Schema, or where handoffs lead to what is not known.

    Raises:
        DefinitionError: for anything that cannot mean something, where it is written.
    """

    name: str
    instructions: Instructions = ""
    model: str | Model | None = None
    tools: tuple[Tool, ...] = ()
    handoffs: tuple[Handoff, ...] = ()
    output_type: Any = None
    temperature: float | None = None
    params: Mapping[str, Any] = field(default=EMPTY, repr=False)
    headers: Mapping[str, str | Secret] = field(default=EMPTY, repr=False)
    description: str = ""
    may_finish: bool = True
    """Whether a turn may end here."""
    on_tool_output: tuple[Factory, Handler] | None = None
    output: Shape | None = field(init=False, default=None, repr=False, compare=False)

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: Agent[str],
            name: str,
            instructions: Instructions = ...,
            model: str | Model | None = ...,
            tools: Iterable[Tool | Callable[..., Any]] = ...,
            handoffs: Iterable[str | Agent[str]] = ...,
            output_type: None = ...,
            temperature: float | None = ...,
            params: Mapping[str, Any] = ...,
            headers: Mapping[str, str | Secret] = ...,
            description: str = ...,
            may_finish: bool = ...,
            on_tool_output: tuple[Factory, Handler] | None = ...,
        ) -> None: ...
        @overload
        def __init__(
            self,
            name: str,
            instructions: Instructions = ...,
            model: str | Model | None = ...,
            tools: Iterable[Tool | Callable[..., Any]] = ...,
            handoffs: Iterable[str | Agent[Output]] = ...,
            *,
            output_type: type[Output],
            temperature: float | None = ...,
            params: Mapping[str, Any] = ...,
            headers: Mapping[str, str | Secret] = ...,
            description: str = ...,
            may_finish: bool = ...,
            on_tool_output: tuple[Factory, Handler] | None = ...,
        ) -> None: ...
        @overload
        def __init__(
            self: Agent,
            name: str,
            instructions: Instructions = ...,
            model: str | Model | None = ...,
            tools: Iterable[Tool | Callable[..., Any]] = ...,
            handoffs: Iterable[str | Agent | AgentGroup | Handoff] = ...,
            output_type: Any = ...,
            temperature: float | None = ...,
            params: Mapping[str, Any] = ...,
            headers: Mapping[str, str | Secret] = ...,
            description: str = ...,
            may_finish: bool = ...,
            on_tool_output: tuple[Factory, Handler] | None = ...,
        ) -> None: ...
        def __init__(self, *args: Any, **options: Any) -> None: ...

    else:

        def __class_getitem__(cls, _: Any) -> Any:
            return cls  # an alias of typing's writes its type into what it makes, and this is frozen

    def __post_init__(self) -> None:
        name = checked_agent_name(self.name, "an agent")
        if type(name) is not str:
            object.__setattr__(self, "name", str.__str__(name))  # an enum member is the text it equals
        if self.tools:
            object.__setattr__(self, "tools", tuple(_tool(t, name) for t in _several(self.tools, name, "tools")))
        elif self.tools != ():
            object.__setattr__(self, "tools", ())
        if self.handoffs:
            object.__setattr__(self, "handoffs", tuple(map(as_handoff, _several(self.handoffs, name, "handoffs"))))
        elif self.handoffs != ():
            object.__setattr__(self, "handoffs", ())
        if type(self.instructions) is not str:
            _check_instructions(self)
        if (type(self.may_finish), type(self.description)) != (bool, str) or type(self.temperature) not in _NUMBER_OR_NONE:
            message = f"agent {name!r} has may_finish={self.may_finish!r}, description={self.description!r:.40}, temperature={self.temperature!r}; give True or False, text, and a number or None"
            raise DefinitionError(message)
        if self.model is not None and type(self.model) is not str:
            _check_model(self.model, name)
        if self.output_type is not None:
            object.__setattr__(self, "output", shape_of(self.output_type, f"agent {name!r}: output_type", lax=True))
        if self.params is not EMPTY or self.headers is not EMPTY:
            _freeze_settings(self)
        if self.on_tool_output is not None:
            _check_handler(self)

    @overload
    def replace(self, *, handoffs: Any, **changes: Any) -> Agent: ...
    @overload
    def replace(self, *, output_type: None, **changes: Any) -> Agent[str]: ...
    @overload
    def replace(self, *, output_type: type[Other], **changes: Any) -> Agent[Other]: ...
    @overload
    def replace(self, *, output_type: Any, **changes: Any) -> Agent: ...
    @overload
    def replace(self, **changes: Any) -> Self: ...
    def replace(self, **changes: Any) -> Any:
        """A changed copy."""
        return replace(self, **changes)

    def as_tool(
        self,
        name: str | None = None,
        description: str | None = None,
        output_extractor: Callable[[Any], Any] | None = None,
        max_turns: int = 3,
    ) -> Tool:
        """This agent as a tool: it is given `input` alone, keeps no history, hands over to nobody, and answers once.

        `output_extractor` turns its `RunResult` into the tool's output; `max_turns` bounds its model calls.
        """
        return agent_tool(self, name, description, output_extractor, max_turns)


def agent_tool(
    who: Agent | AgentGroup, name: str | None, description: str | None, output_extractor: Callable[[Any], Any] | None, max_turns: int
) -> Tool:
    """An agent or a group as a tool."""
    if type(max_turns) is not int or max_turns < 1:
        raise DefinitionError(f"{who.name!r} as a tool has max_turns={max_turns!r}; give 1 or more")
    return Tool(
        name=checked_tool_name(name if name is not None else snake_case(who.name), f"{who.name!r} as a tool"),
        description=description if description is not None else who.description or f"Ask {who.name}.",
        arguments=Shape("arguments", _INPUT, _checked_input),
        agent=who,
        max_turns=max_turns,
        output_extractor=output_extractor,
    )


def _checked_input(arguments: Any) -> Any:
    given = arguments.get("input")
    if not isinstance(given, str) or not given.strip() or len(arguments) > 1:
        raise Mismatch("input: exactly one argument, 'input', is expected: a text that is not empty")
    return arguments


def _several(given: Any, name: str, field_name: str) -> Iterable[Any]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DefinitionError(f"agent {name!r} has {field_name}={given!r}; give a list")
    return given


def _tool(given: Any, agent: str) -> Tool:
    if isinstance(given, Tool):
        return given
    if inspect.isroutine(given):
        return tool(given)
    hint = "use .as_tool()" if isinstance(given, Agent) else "decorate a function with @tool"
    raise DefinitionError(f"agent {agent!r} has the tool {given!r:.60}; {hint}")


def _check_instructions(agent: Agent) -> None:
    if inspect.iscoroutinefunction(agent.instructions):
        checked_function(agent.instructions, f"agent {agent.name!r}: instructions")
    if not isinstance(agent.instructions, str) and not callable(agent.instructions):
        raise DefinitionError(
            f"agent {agent.name!r} has instructions={agent.instructions!r}; give text, or a function of the context that returns text"
        )


def _check_model(model: Any, agent: str) -> None:
    if not isinstance(model, str) and not callable(getattr(model, "reply", None)):
        raise DefinitionError(
            f"agent {agent!r} has model={model!r}; give a litellm model name such as 'openai/gpt-5-mini', or an object with reply(request)"
        )


def _freeze_settings(agent: Agent) -> None:
    for option in ("params", "headers"):
        given = getattr(agent, option)
        try:
            if given is not None and not isinstance(given, Mapping):
                raise ContextError(f"a {type(given).__name__}")
            object.__setattr__(agent, option, freeze_settings(given or {}, option))
        except ContextError as wrong:
            raise DefinitionError(f"agent {agent.name!r}: {option} must be a dict of JSON values; {wrong}") from wrong


def _check_handler(agent: Agent) -> None:
    given: Any = agent.on_tool_output
    if not (isinstance(given, tuple) and len(given) == len(("factory", "handler"))):
        raise DefinitionError(
            f"agent {agent.name!r} has on_tool_output={given!r}; give (factory, handler): factory() makes a value, handler(value, output) returns (value, decision)"
        )
    for name, function in zip(("factory", "handler"), given, strict=True):
        checked_function(function, f"agent {agent.name!r}: the {name} of on_tool_output")
