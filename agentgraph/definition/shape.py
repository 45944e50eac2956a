"""Shapes: a JSON Schema and the check that goes with it, from a type, a JSON Schema, or a function's signature.

pydantic reads the types and jsonschema the schemas; both are imported when the first shape is made.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentgraph.conversation.frozen import FrozenDict, freeze, thaw
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import failure
from agentgraph.conversation.text import as_json
from agentgraph.errors import ContextError, DefinitionError

Check = Callable[[Any], Any]


class Mismatch(Exception):
    """A value does not have the shape; the message is for the model that wrote it, and may be a validator's of the user's, so secrets
    are taken out of it. Answered, never raised to users.
    """

    def __init__(self, why: str) -> None:
        super().__init__(redacted(why))


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value must look like. `check` returns the value, converted, or raises `Mismatch`."""

    name: str
    schema: FrozenDict
    check: Check


def shape_of(kind: Any, what: str) -> Shape:
    """The shape that a pydantic model, dataclass, TypedDict, other annotation, or JSON Schema (a dict) describes.

    Raises:
        DefinitionError: naming `what` needed the shape and why `kind` gives none.
    """
    if isinstance(kind, Mapping):
        return _from_schema(dict(kind), what)
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(_readable(kind))
        schema = _schema(adapter)
    except (PydanticUserError, NameError, TypeError) as wrong:
        message = f"{what} is {kind!r}, which describes no JSON ({_first_line(wrong)}); use a pydantic model, a dataclass, a TypedDict or a JSON Schema"
        raise DefinitionError(message) from wrong
    return Shape(getattr(kind, "__name__", "output"), schema, _pydantic_check(adapter))


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
    from typing import NotRequired

    from pydantic import ConfigDict, Field, TypeAdapter
    from pydantic.errors import PydanticUserError
    from typing_extensions import TypedDict

    name = getattr(function, "__name__", type(function).__name__)
    fields: dict[str, Any] = {}
    receiver = receiver_of(function, context_type)
    for parameter in _parameters(function, name, context_type):
        kind = parameter.annotation
        if parameter.name == receiver:
            continue
        _refuse_unusable(parameter, name)
        described: dict[str, Any] = {"description": descriptions[parameter.name]} if parameter.name in descriptions else {}
        if parameter.default is not parameter.empty:
            described["json_schema_extra"] = _default(parameter.default)
            fields[parameter.name] = NotRequired[typing.Annotated[_readable(kind), Field(**described)]]
        else:
            fields[parameter.name] = typing.Annotated[_readable(kind), Field(**described)]
    typed: Any = TypedDict
    arguments = typed("arguments", fields)
    arguments.__pydantic_config__ = ConfigDict(extra="forbid")
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(arguments)
        schema = _schema(adapter)
    except (PydanticUserError, NameError, TypeError) as wrong:
        message = f"tool {name!r} has a parameter whose annotation describes no JSON ({_first_line(wrong)}); use str, int, float, bool, list, dict, a Literal or a pydantic model"
        raise DefinitionError(message) from wrong
    return Signature(Shape(name, schema, _pydantic_check(adapter)), receiver)


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
    try:
        return list(inspect.signature(function, eval_str=True, locals={context_type.__name__: context_type}).parameters.values())
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


def _default(value: Any) -> dict[str, Any]:
    try:
        return {"default": thaw(freeze(value))}
    except ContextError:
        return {}


def _schema(adapter: Any) -> FrozenDict:
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic calls it so
            return False

    schema = adapter.json_schema(schema_generator=Untitled)
    schema.pop("title", None)
    schema.setdefault("properties", {}) if schema.get("type") == "object" else None
    return freeze(as_json(schema))  # type: ignore[no-any-return]


def _pydantic_check(adapter: Any) -> Check:
    from pydantic import ValidationError

    validate = adapter.validator.validate_python

    def check(value: Any) -> Any:
        try:
            return validate(value)
        except ValidationError as wrong:
            raise Mismatch("; ".join(_said(error) for error in wrong.errors(include_url=False, include_context=False))) from None
        except Exception as wrong:  # a validator is the user's code
            raise Mismatch(failure(wrong)) from wrong

    return check


def _said(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _from_schema(schema: dict[str, Any], what: str) -> Shape:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing import Registry

    try:
        Draft202012Validator.check_schema(schema)
        frozen = freeze(schema, what)
    except (SchemaError, ContextError) as wrong:
        raise DefinitionError(f"{what} is not a JSON Schema: {_first_line(wrong)}") from wrong
    validator = Draft202012Validator(schema, registry=Registry())  # an empty one: no reference is ever fetched

    def check(value: Any) -> Any:
        try:
            wrong = [_place(error) for error in sorted(validator.iter_errors(value), key=str)]
        except Exception as error:  # a reference that leads nowhere, found when it is followed
            raise Mismatch(f"the schema cannot be used: {failure(error)}") from error
        if wrong:
            raise Mismatch("; ".join(wrong))
        return value

    return Shape(str(schema.get("title", "output")), frozen, check)


def _place(error: Any) -> str:
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {error.message}" if where else str(error.message)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
