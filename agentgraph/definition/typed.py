"""Shapes of types: what pydantic makes of JSON, held to the types as they are written.

Strict is pydantic's strict JSON mode: the text of a date is a date, "5" is no int and true no 1; and a whole number written
`5.0` counts as int. `Field(strict=False)`, or `ConfigDict(strict=False)`, loosens a part: there pydantic converts what it can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

from agentgraph.conversation.frozen import FrozenDict, freeze, same, thaw
from agentgraph.conversation.shown import failure
from agentgraph.conversation.text import as_json
from agentgraph.definition.shape import Check, Mismatch, Record, Shape, errors_by, place

_ABOUT_TYPES = frozenset({"type", "enum", "const", "anyOf", "oneOf"})
_OF_WHOLE_NUMBERS = frozenset({"int_type", "enum", "literal_error", "int_parsing_size"})
_PLAIN = frozenset({"int", "float", "bool", "none", "any"})
_CONVERTS = frozenset({"strip_whitespace", "to_lower", "to_upper", "coerce_numbers_to_str", "serialization"})


def typed_shape(name: str, adapter: Any, lax: bool) -> Shape:
    """The shape of a type that pydantic can read."""
    schema, loose = _schemas(adapter)
    plain = _is_plain(adapter.core_schema)
    look = _look(adapter, plain)
    check = _lax_check(look) if lax else _strict_check(look, schema, loose)
    record = _record(adapter, exact=plain and not lax and loose is None)
    return Shape(name, schema, check, record, lax, partial(typed_shape, name, adapter))


# -- reading -----------------------------------------------------------------------------------------------------------


def _look(adapter: Any, plain: bool) -> Callable[..., Any]:
    """How pydantic is asked: as JSON, and where that is the same, which saves writing it, as Python."""
    from pydantic_core import PydanticSerializationError, to_json

    if plain:
        return adapter.validator.validate_python  # type: ignore[no-any-return]
    validate = adapter.validator.validate_json

    def look(value: Any, strict: bool | None) -> Any:
        try:
            text = to_json(value, inf_nan_mode="constants")
        except PydanticSerializationError as wrong:
            raise Mismatch(f"it cannot be written as JSON: {wrong}") from wrong
        return validate(text, strict=strict)

    return look


def _lax_check(look: Callable[..., Any]) -> Check:
    from pydantic import ValidationError

    def check(value: Any) -> Any:
        while True:
            try:
                return look(value, strict=None)
            except ValidationError as wrong:
                whole = _with_ints(value, wrong)  # an int that is strict all the same, or a float of more than 64 bits
                if whole is None:
                    raise Mismatch(_said(wrong)) from None
                value = whole
            except Mismatch:
                raise
            except Exception as wrong:  # a validator is the user's code
                raise Mismatch(failure(wrong)) from wrong

    return check


def _strict_check(look: Callable[..., Any], schema: FrozenDict, loose: FrozenDict | None) -> Check:
    from pydantic import ValidationError

    misread = _errors_about_types(schema if loose is None else loose)
    taken_for_choices = _taken_for_choices(schema)
    convert = _lax_check(look)

    def check(value: Any) -> Any:
        while True:
            try:
                found = look(value, strict=True)
            except ValidationError as wrong:
                whole = _with_ints(value, wrong)
                if whole is not None:  # and once more: where one mistake hides another, not all of them are known at once
                    value = whole
                    continue
                if loose is None:
                    raise Mismatch(_said(wrong)) from None
                found = convert(value)
                break
            except Mismatch:
                raise
            except Exception as wrong:  # a validator is the user's code
                raise Mismatch(failure(wrong)) from wrong
            if not (taken_for_choices and _holds(value, taken_for_choices)):
                return found
            break
        if errors := misread(value):
            raise Mismatch(errors)
        return found

    return check


def _errors_about_types(schema: FrozenDict) -> Callable[[Any], str]:
    """What a schema says of types, which pydantic passes over: where it converts, and where true is as good as 1."""
    errors = cache(partial(errors_by, schema))  # made when it is needed first: that takes jsonschema

    def about_types(value: Any) -> str:
        return "; ".join(place(error) for error in errors()(value) if error.validator in _ABOUT_TYPES)

    return about_types


def _holds(value: Any, kinds: frozenset[type]) -> bool:
    """Whether there is something of these kinds in it. A schema takes ten times as long to look at it."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return type(value) in kinds
    return any(type(item) in kinds or (isinstance(item, dict | list) and _holds(item, kinds)) for item in value)


def _taken_for_choices(schema: Any) -> frozenset[type]:
    """What pydantic takes for a choice that it is not: true for 1, where numbers are to choose from, and 1 for true."""
    if isinstance(schema, list):
        return frozenset[type]().union(*map(_taken_for_choices, schema))
    if not isinstance(schema, dict):
        return frozenset()
    choices = (*(schema["enum"] if isinstance(schema.get("enum"), list) else ()), schema.get("const"))
    found: set[type] = {bool} if any(type(choice) in (int, float) for choice in choices) else set()
    if any(isinstance(choice, bool) for choice in choices):
        found |= {int, float}
    return frozenset(found).union(*map(_taken_for_choices, schema.values()))


def _with_ints(value: Any, wrong: Any) -> Any:
    """`value` with ints where an int is wanted and a whole number is written otherwise; None if that is nowhere."""
    paths = [
        path
        for error in wrong.errors(include_url=False, include_context=False)
        if error["type"] in _OF_WHOLE_NUMBERS and _is_whole(error["input"])
        for path in [tuple(_path(value, error["loc"]))]
        if path and _is_whole(_at(value, path))
    ]
    if not paths:
        return None
    changed = thaw(value)
    for *parents, last in paths:
        _at(changed, parents)[last] = int(_at(value, (*parents, last)))
    return changed


def _is_whole(value: Any) -> bool:
    return type(value) is float and value.is_integer()


def _path(value: Any, steps: Any) -> Iterator[Any]:
    """The steps that lead into `value`: pydantic puts names of types between them."""
    for step in steps:
        if (isinstance(value, dict) and step in value) or (isinstance(value, list) and type(step) is int and step < len(value)):
            yield step
            value = value[step]


def _at(value: Any, path: Any) -> Any:
    for step in path:
        value = value[step]
    return value


def _said(wrong: Any) -> str:
    return "; ".join(_one(error) for error in wrong.errors(include_url=False, include_context=False, include_input=False))


def _one(error: Any) -> str:
    where = ".".join(map(str, error["loc"]))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


# -- recording ---------------------------------------------------------------------------------------------------------


def _record(adapter: Any, *, exact: bool) -> Record:
    """How values become JSON again. `exact`: what is not converted can differ by defaults alone."""
    dump = adapter.serializer.to_python

    def record(checked: Any, written: FrozenDict) -> FrozenDict:
        if exact and len(checked) == len(written):
            return written
        try:
            made = as_json(dump(checked, mode="json", by_alias=True, round_trip=True, warnings=False, fallback=str))
        except Exception:  # noqa: BLE001 - a serializer is the user's code
            return written
        return written if not isinstance(made, FrozenDict) or same(made, written) else made

    return record


# -- what pydantic knows of a type -------------------------------------------------------------------------------------


def _schemas(adapter: Any) -> tuple[FrozenDict, FrozenDict | None]:
    """The schema that a model is told, and, where a part is loosened, the one without what need not hold."""
    told = _Schema()
    schema = _generated(adapter, told.generator(loosened=False))
    return schema, _generated(adapter, told.generator(loosened=True)) if told.has_loose_parts else None


class _Schema:
    """How a schema is generated, and whether a part of it was loosened."""

    has_loose_parts = False

    def generator(self, *, loosened: bool) -> Any:
        """A generator of schemas for pydantic. `loosened`: it says nothing about parts that are."""
        from pydantic.json_schema import GenerateJsonSchema

        found = self

        class Untitled(GenerateJsonSchema):
            ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as pydantic has it
            loose_definitions: set[str] = set()  # noqa: RUF012

            def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic calls it so
                return False

            def generate_inner(self, schema: Any) -> Any:
                if schema.get("strict") is False or (schema.get("config") or {}).get("strict") is False:
                    found.has_loose_parts = True
                    if loosened:
                        self.loose_definitions.add(schema.get("ref", ""))
                        return {}
                if loosened and schema["type"] == "definition-ref" and schema["schema_ref"] in self.loose_definitions:
                    return {}
                return super().generate_inner(schema)

        return Untitled


def _generated(adapter: Any, generator: Any) -> FrozenDict:
    schema = adapter.json_schema(schema_generator=generator)
    schema.pop("title", None)
    schema.setdefault("properties", {}) if schema.get("type") == "object" else None
    return freeze(as_json(schema))  # type: ignore[no-any-return]


def _is_plain(core: Any) -> bool:
    """Whether named values are all of types that JSON has, so that none is converted and Python's strictness is JSON's."""
    if core["type"] != "typed-dict" or core.get("extra_behavior") != "forbid" or "serialization" in core:
        return False
    parts = [_undefaulted(field["schema"]) for field in core["fields"].values()]
    aliased = any("validation_alias" in field or "serialization_alias" in field for field in core["fields"].values())
    return not aliased and all(map(_is_plain_part, parts))


def _undefaulted(core: Any) -> Any:
    is_default = core["type"] == "default" and not {"on_error", "serialization"} & core.keys()
    return core["schema"] if is_default else core


def _is_plain_part(core: Any) -> bool:
    if core.keys() & _CONVERTS:
        return False
    match core["type"]:
        case "str":
            return True
        case "literal":
            return all(type(choice) is str for choice in core["expected"])
        case "nullable":
            return _is_plain_part(core["schema"])
        case "union":
            return all(_is_plain_part(choice[0] if isinstance(choice, tuple) else choice) for choice in core["choices"])
        case "list":
            return _is_plain_part(core.get("items_schema", {"type": "any"}))
        case "dict":
            keys, values = core.get("keys_schema", {"type": "any"}), core.get("values_schema", {"type": "any"})
            return keys["type"] in ("str", "any") and _is_plain_part(keys) and _is_plain_part(values)
    return core["type"] in _PLAIN
