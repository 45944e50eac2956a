"""Shapes: a JSON Schema, the check that goes with it, and what is recorded of a value that has passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agentgraph.conversation.frozen import FrozenDict, freeze
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import failure
from agentgraph.errors import ContextError, DefinitionError

Check = Callable[[Any], Any]
Record = Callable[[Any, FrozenDict], FrozenDict]


class Mismatch(Exception):
    """A value does not have the shape; the message is for the model that wrote it, and may be a validator's of the user's, so secrets
    are taken out of it. Answered, never raised to users.
    """

    def __init__(self, why: str) -> None:
        super().__init__(redacted(why))


def as_written(value: Any, written: FrozenDict) -> FrozenDict:  # noqa: ARG001 - what a check has not changed needs no look
    """What is recorded where a check changes nothing."""
    return written


@dataclass(frozen=True, slots=True)
class Shape:
    """What a value must look like. `check` returns the value, converted, or raises `Mismatch`.

    `record(checked, written)` is the JSON of what `check` gave, defaults applied: `written` itself where they are equal as JSON.
    """

    name: str
    schema: FrozenDict
    check: Check
    record: Record = as_written
    lax: bool = False
    """Whether values are converted where they can be: "5" to 5. Else they must have the types that are written down."""
    made: Callable[[bool], Shape] | None = field(default=None, repr=False, compare=False)
    """Makes this shape lax or strict. None where there are no types to be lax about: a JSON Schema means what it says."""

    def read(self, *, lax: bool) -> Shape:
        """This shape, lax or strict."""
        return self if lax == self.lax or self.made is None else self.made(lax)


def shape_of_schema(schema: Mapping[str, Any], what: str) -> Shape:
    """The shape that a JSON Schema describes.

    Raises:
        DefinitionError: naming `what` needed it, and what is wrong.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    given = dict(schema)
    try:
        Draft202012Validator.check_schema(given)
        frozen = freeze(given, what)
    except (SchemaError, ContextError) as wrong:
        raise DefinitionError(f"{what} is not a JSON Schema: {first_line(wrong)}") from wrong
    errors = errors_by(frozen)

    def check(value: Any) -> Any:
        wrong = [place(error) for error in errors(value)]
        if wrong:
            raise Mismatch("; ".join(wrong))
        return value

    return Shape(str(given.get("title", "output")), frozen, check)


def errors_by(schema: FrozenDict) -> Callable[[Any], list[Any]]:
    """What `schema` finds wrong with a value, in a steady order."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    validator = Draft202012Validator(schema, registry=Registry())  # an empty one: no reference is ever fetched

    def errors(value: Any) -> list[Any]:
        try:
            return sorted(validator.iter_errors(value), key=str)
        except Exception as error:  # a reference that leads nowhere, found when it is followed
            raise Mismatch(f"the schema cannot be used: {failure(error)}") from error

    return errors


def place(error: Any) -> str:
    """An error of jsonschema's, with where it is."""
    where = ".".join(map(str, error.absolute_path))
    return f"{where}: {error.message}" if where else str(error.message)


def first_line(error: Exception) -> str:
    """What an error says, without what it adds below."""
    return str(error).strip().split("\n", maxsplit=1)[0]
