"""Tools: what an agent can do, as a value. `@tool` reads name, description and arguments off a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from agentgraph.conversation.frozen import FrozenDict
from agentgraph.definition.naming import checked_tool_name
from agentgraph.definition.shape import Shape
from agentgraph.definition.signature import receiver_of, shape_of, signature_of
from agentgraph.definition.tool_context import ToolContext
from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.group import AgentGroup

_NO_ARGUMENTS = Shape(
    "arguments", FrozenDict({"type": "object", "properties": FrozenDict(), "additionalProperties": False}), lambda arguments: arguments
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A named action with a JSON Schema for its arguments. Make one with `@tool`, or `agent.as_tool()`.

    `sets` names the facts that are true once the tool has succeeded; `requires` those that must be true before it may run.
    """

    name: str
    description: str = ""
    returns: str = ""
    """What it gives, in words, as its docstring says; shown to people where the value is no text."""
    arguments: Shape = _NO_ARGUMENTS
    function: Callable[..., Any] | None = None
    """None for a tool that was loaded from a topology file: it can be drawn and checked, not run."""
    timeout: float | None = None
    """Seconds that one attempt may take."""
    retries: int = 0
    final: bool = False
    needs_approval: bool = False
    lax: bool = False
    """Whether arguments are converted to their types where they can be, "5" to 5; else they must have these types."""
    idempotent: bool = False
    """Whether running one call twice does no more than running it once, so that a kept conversation may run it again after a crash."""
    sets: frozenset[str] = frozenset()
    requires: frozenset[str] = frozenset()
    is_async: bool = False
    context_parameter: str | None = None
    agent: Agent | AgentGroup | None = None
    """Who answers, when the tool is an agent."""
    max_turns: int = 3
    output_extractor: Callable[[Any], Any] | None = None
    spec: FrozenDict = field(init=False, repr=False, compare=False)
    """What a provider is told of this tool."""

    def __post_init__(self) -> None:
        checked_tool_name(self.name, "a tool")
        if self.timeout is not None and not (_is_number(self.timeout) and self.timeout > 0):
            raise DefinitionError(f"tool {self.name!r} has timeout={self.timeout!r}; give seconds above 0, or None for no limit")
        if {type(self.final), type(self.needs_approval), type(self.idempotent), type(self.lax)} != {bool}:
            raise DefinitionError(
                f"tool {self.name!r} has final={self.final!r}, needs_approval={self.needs_approval!r}, idempotent={self.idempotent!r}, lax={self.lax!r}; give True or False"
            )
        if type(self.retries) is not int or self.retries < 0:
            raise DefinitionError(f"tool {self.name!r} has retries={self.retries!r}; give 0 or more")
        if self.agent is not None and self.retries:
            raise DefinitionError(
                f"tool {self.name!r} is an agent, whose model is asked again as often as max_turns says; leave out retries"
            )
        if self.lax and self.arguments.made is None:
            raise DefinitionError(
                f"tool {self.name!r} has lax=True, but no types: its schema means what it says; make that looser, and leave out lax"
            )
        object.__setattr__(self, "arguments", self.arguments.read(lax=self.lax))
        object.__setattr__(self, "sets", facts(self.sets, f"tool {self.name!r}: sets"))
        object.__setattr__(self, "requires", facts(self.requires, f"tool {self.name!r}: requires"))
        object.__setattr__(self, "spec", tool_spec(self.name, self.description, self.arguments.schema))

    @property
    def parameters(self) -> FrozenDict:
        """The JSON Schema of the arguments."""
        return self.arguments.schema

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself, as if it had not been decorated."""
        if self.function is None:
            raise DefinitionError(f"tool {self.name!r} has no code here: it was loaded from a topology file, or is an agent")
        return self.function(*args, **kwargs)

    def replace(self, **changes: Any) -> Tool:
        """A changed copy."""
        return replace(self, **changes)


def tool_spec(name: str, description: str, parameters: FrozenDict) -> FrozenDict:
    """A tool in the chat-completions format."""
    function = FrozenDict({"name": name, "description": description, "parameters": parameters})
    return FrozenDict({"type": "function", "function": function})


def checked_function(given: Any, what: str) -> None:
    """Refuse what cannot be called, and an `async def`, whose answer nobody would await: a guard would always seem to hold.

    Raises:
        DefinitionError: naming `what` it is.
    """
    if not callable(given):
        raise DefinitionError(f"{what} is {given!r:.60}; give a function")
    if inspect.iscoroutinefunction(given) or inspect.iscoroutinefunction(getattr(given, "__call__", None)):  # noqa: B004
        raise DefinitionError(
            f"{what} is the async function {getattr(given, '__name__', given)!r:.60}; give a plain one: its answer is needed at once"
        )


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def facts(given: Any, what: str) -> frozenset[str]:
    """One fact or several, as a set."""
    if type(given) is frozenset:
        return given
    if not isinstance(given, str | Iterable):
        raise DefinitionError(f"{what} is {given!r}; give the name of a fact, or several, such as 'verified'")
    names = frozenset([given] if isinstance(given, str) else given)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip()]
    if wrong:
        raise DefinitionError(f"{what} names the fact {wrong[0]!r}; a fact is a name such as 'verified'")
    return names


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    returns: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    timeout: float | None = None,
    retries: int = 0,
    final: bool = False,
    needs_approval: bool = False,
    idempotent: bool = False,
    lax: bool = False,
    sets: str | Iterable[str] = (),
    requires: str | Iterable[str] = (),
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a `Tool` of a function: its name, docstring and annotations are what the model is told.

    Options: name, description, returns (what it gives, in words, for people), parameters (a JSON Schema instead of the
    signature), timeout (seconds), retries, final (its output ends the run), needs_approval, idempotent (may be run again
    after a crash), lax (arguments are converted to their types where they can be: "5" to 5), sets and requires (facts).

    Arguments must have the types that are written down, as JSON writes them: a date is text, 5.0 is an int, "5" and true are none.
    `Field(strict=False)` loosens one parameter, `lax=True` all. A `pattern` in a schema, and a regular expression in a guard or a
    tool, runs on what the model writes: use one that no text makes slow, without a repeat in a repeat.

    >>> @tool
    ... def check_balance(account_id: str, ctx: ToolContext) -> str:
    ...     '''Current balance of an account.
    ...
    ...     Args:
    ...         account_id: Account number, such as "ACC-17".
    ...     '''
    ...     return "1250.00"
    >>> check_balance.parameters["properties"]["account_id"]
    {'description': 'Account number, such as "ACC-17".', 'type': 'string'}

    Raises:
        DefinitionError: for a name no provider accepts, or a parameter without an annotation JSON can express.
    """
    return _made(function, **options) if function is not None else lambda f: _made(f, **options)


def _made(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    returns: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    **options: Any,
) -> Tool:
    if isinstance(function, Tool):
        message = f"tool {function.name!r} is a tool already; use {function.name}.replace(...) to change it"
        raise DefinitionError(message)
    if not callable(function):
        raise DefinitionError(f"a tool is made of a function, not of {function!r}")
    plain = function.func if isinstance(function, partial) else function
    if inspect.isasyncgenfunction(plain):
        raise DefinitionError(f"tool {plain.__name__!r} is an async generator; collect what it yields, and return that")
    from docstring_parser import parse

    own_name = name if name is not None else getattr(plain, "__name__", type(plain).__name__)
    said = parse(inspect.getdoc(plain) or "")
    described = {p.arg_name: " ".join((p.description or "").split()) for p in said.params}
    if parameters is not None:  # a schema of the caller's own: the signature is not asked what it takes
        arguments, receiver = shape_of(parameters, f"parameters of tool {own_name!r}"), receiver_of(function, ToolContext)
    else:
        signature = signature_of(function, described, ToolContext)
        arguments, receiver = signature.arguments, signature.context_parameter
    text = "\n".join(part for part in (said.short_description, said.long_description) if part)
    if returns is None:
        returns = (said.returns.description if said.returns is not None else None) or ""
    call = function if inspect.isroutine(function) else type(function).__call__
    return Tool(
        name=checked_tool_name(own_name, f"the tool made of {getattr(function, '__qualname__', function)!s}"),
        description=description if description is not None else text,
        returns=" ".join(returns.split()),
        arguments=arguments,
        function=function,
        is_async=inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call),
        context_parameter=receiver,
        **options,
    )
