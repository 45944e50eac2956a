"""A small value that fits a JSON Schema: the arguments of calls that a proof has in mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXTS = {
    "date": "2000-01-01",
    "date-time": "2000-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "duration": "P1D",
    "email": "a@example.com",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_DEEPEST = 40


def sample(schema: Mapping[str, Any]) -> Any:
    """A value of `schema`, with what it requires and no more. Patterns of text are not read.

    >>> sample({"type": "object", "properties": {"to": {"enum": ["a", "b"]}, "cc": {"type": "string"}}, "required": ["to"]})
    {'to': 'a'}
    >>> sample({"$ref": "#/$defs/N", "$defs": {"N": {"anyOf": [{"type": "integer", "exclusiveMinimum": 3}, {"type": "null"}]}}})
    4
    """
    return _made(schema, schema, _DEEPEST)


def _made(schema: Any, root: Mapping[str, Any], left: int) -> Any:
    if not isinstance(schema, Mapping) or not left:
        return None
    if "$ref" in schema:
        return _made({**_found(schema["$ref"], root), **{key: item for key, item in schema.items() if key != "$ref"}}, root, left - 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if schema.get("allOf"):
        return _made(_merged(schema, root), root, left - 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            rest = {name: item for name, item in schema.items() if name != key}
            return _made({**rest, **_plain(schema[key][0], root)}, root, left - 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_kind(kind if isinstance(kind, str) else kind[0], schema, root, left - 1)


def _of_kind(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], left: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: _made(properties.get(name, {}), root, left) for name in schema.get("required", ())}
        case "array":
            first, rest = schema.get("prefixItems", ()), schema.get("items", {})
            count = max(schema.get("minItems", 0), len(first))
            return [_made(first[at] if at < len(first) else rest, root, left) for at in range(count)]
        case "integer" | "number":
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
    text: str = _TEXTS.get(schema.get("format", ""), "x")
    return text if schema.get("format") in _TEXTS else (text * max(schema.get("minLength", 1), 1))[: schema.get("maxLength")]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    step = schema.get("multipleOf", 1 if whole else 0)
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None:
        return 0 if high is None or high > 0 or (high == 0 and "maximum" in schema) else _below(high, step, schema)
    at = -(-low // step) * step if step else low
    if "exclusiveMinimum" in schema and at <= schema["exclusiveMinimum"]:
        at = at + step if step else (at + high) / 2 if high is not None else at + 1
    return int(at) if whole else at


def _below(high: float, step: float, schema: Mapping[str, Any]) -> float:
    at = high // step * step if step else high
    return at - (step or 1) if "exclusiveMaximum" in schema and at >= high else at


def _found(ref: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    at: Any = root
    for part in ref.removeprefix("#").split("/")[1:]:
        at = at.get(part.replace("~1", "/").replace("~0", "~"), {})
    return at  # type: ignore[no-any-return]


def _plain(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    return {**_found(schema["$ref"], root), **{k: v for k, v in schema.items() if k != "$ref"}} if "$ref" in schema else schema


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """`schema` and all of its `allOf` as one."""
    whole: dict[str, Any] = {}
    for part in (*(_plain(each, root) for each in schema["allOf"]), {key: item for key, item in schema.items() if key != "allOf"}):
        properties = {**whole.get("properties", {}), **part.get("properties", {})}
        required = [*whole.get("required", ()), *(name for name in part.get("required", ()) if name not in whole.get("required", ()))]
        whole = {**whole, **part, **({"properties": properties} if properties else {}), **({"required": required} if required else {})}
    return whole
