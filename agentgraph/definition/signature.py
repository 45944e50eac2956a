"""What users write, read as shapes: a type, a JSON Schema, or a function's signature.

pydantic reads the types and jsonschema the schemas; both are imported when the first shape is made.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from agentgraph.conversation.frozen import freeze
from agentgraph.definition.shape import Shape, first_line, shape_of_schema
from agentgraph.definition.typed import typed_shape
from agentgraph.errors import ContextError, DefinitionError


def shape_of(kind: Any, what: str, *, lax: bool = False) -> Shape:
    """The shape that a pydantic model, dataclass, TypedDict, other annotation, or JSON Schema (a dict) describes.

    `lax`: values are converted to the types where they can be.

    Raises:
        DefinitionError: naming `what` needed the shape and why `kind` gives none.
    """
    if isinstance(kind, Mapping):
        return shape_of_schema(kind, what)
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(_readable(kind))
        return typed_shape(getattr(kind, "__name__", "output"), adapter, lax)
    except (PydanticUserError, NameError, TypeError, RuntimeError) as wrong:
        message = f"{what} is {kind!r}, which describes no JSON ({first_line(wrong)}); use a pydantic model, a dataclass, a TypedDict or a JSON Schema"
        raise DefinitionError(message) from wrong


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes: the arguments a model fills in, and the parameter that receives the `ToolContext`."""

    arguments: Shape
    context_parameter: str | None


def signature_of(function: Callable[..., Any], descriptions: Mapping[str, str], context_type: type) -> Signature:
    """Read the parameters of `function`; each needs an annotation that JSON can express.

    Raises:
        DefinitionError: naming the parameter and what to write.
    """
    from pydantic import ConfigDict, Field, TypeAdapter
    from pydantic.errors import PydanticUserError
    from typing_extensions import TypedDict

    name = getattr(function, "__name__", type(function).__name__)
    fields: dict[str, Any] = {}
    receiver = receiver_of(function, context_type)
    for parameter in _parameters(function, name, context_type):
        if parameter.name == receiver:
            continue
        _refuse_unusable(parameter, name)
        said = Field(description=descriptions[parameter.name]) if parameter.name in descriptions else Field()
        fields[parameter.name] = _field(parameter, said)
    typed: Any = TypedDict
    arguments = typed("arguments", fields)
    arguments.__pydantic_config__ = ConfigDict(extra="forbid")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(arguments)
        return Signature(typed_shape(name, adapter, lax=False), receiver)
    except (PydanticUserError, NameError, TypeError, RuntimeError) as wrong:
        message = f"tool {name!r} has a parameter whose annotation describes no JSON ({first_line(wrong)}); use str, int, float, bool, list, dict, a Literal or a pydantic model"
        raise DefinitionError(message) from wrong


def _field(parameter: inspect.Parameter, said: Any) -> Any:
    """A parameter as pydantic reads it, with its default where JSON can hold it; else the function has its own."""
    from typing import NotRequired

    from pydantic import Field
    from pydantic.fields import FieldInfo

    kind, default = _readable(parameter.annotation), parameter.default
    if default is parameter.empty:
        return typing.Annotated[kind, said]
    if isinstance(default, FieldInfo):  # what `Field(...)` says as a default: the function would be given the Field itself
        return typing.Annotated[kind, said, default]
    return typing.Annotated[kind, said, Field(default=default)] if _holds(kind, default) else NotRequired[typing.Annotated[kind, said]]


def _readable(kind: Any) -> Any:
    """`kind`, with `typing.TypedDict` in the form that pydantic can read before Python 3.12."""
    from typing import NotRequired, Required

    from typing_extensions import TypedDict

    if typing.is_typeddict(kind) and type(kind).__module__ == "typing" and sys.version_info < (3, 12):
        hints = typing.get_type_hints(kind, include_extras=True)
        needed: frozenset[str] = kind.__required_keys__
        fields = {name: (Required if name in needed else NotRequired)[_readable(hint)] for name, hint in hints.items()}
        typed: Any = TypedDict
        return typed(kind.__name__, fields)
    if typing.get_origin(kind) in (list, dict) and typing.get_args(kind):
        return typing.get_origin(kind)[tuple(map(_readable, typing.get_args(kind)))]
    return kind


def receiver_of(function: Callable[..., Any], context_type: type) -> str | None:
    """The parameter of `function` that is annotated with `context_type`, wherever it stands."""
    for parameter in _parameters(function, getattr(function, "__name__", type(function).__name__), context_type):
        if _receives(parameter.annotation, context_type):
            return parameter.name
    return None


def _receives(annotation: Any, context_type: type) -> bool:
    """Whether `annotation` is `context_type`, of anything, or may be."""
    kinds = (annotation, *typing.get_args(annotation))
    return any(kind is context_type or typing.get_origin(kind) is context_type for kind in kinds)


def _parameters(function: Callable[..., Any], name: str, context_type: type) -> list[inspect.Parameter]:
    """What is still to be filled in: not what a `partial` has bound, which is no model's business."""
    bound = function.keywords if isinstance(function, partial) else {}
    try:
        signature = inspect.signature(function, eval_str=True, locals={context_type.__name__: context_type})
        return [parameter for parameter in signature.parameters.values() if parameter.name not in bound]
    except (NameError, TypeError, ValueError) as wrong:
        message = f"the signature of tool {name!r} cannot be read ({wrong}); import the names its annotations use at module level"
        raise DefinitionError(message) from wrong


def _refuse_unusable(parameter: inspect.Parameter, tool: str) -> None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        message = f"tool {tool!r} takes {parameter}; a model fills in named arguments, so write each one out as 'name: type'"
        raise DefinitionError(message)
    if parameter.annotation is parameter.empty:
        message = f"tool {tool!r} has no annotation for parameter {parameter.name!r}; write its type, such as '{parameter.name}: str', so that the model knows what to fill in"
        raise DefinitionError(message)


def _holds(kind: Any, default: Any) -> bool:
    """Whether JSON can hold a default, and gives it back: a secret is masked there, and many a default is no value of its type."""
    from pydantic import TypeAdapter
    from pydantic_core import to_json

    try:
        freeze(default)
    except ContextError:
        try:
            return bool(TypeAdapter(kind).validate_json(to_json(default, inf_nan_mode="null")) == default)
        except Exception:  # noqa: BLE001 - whatever a default is, it may be one
            return False
    return True
