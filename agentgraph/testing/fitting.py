"""A JSON value that fits a JSON Schema, where one is easy to find: for arguments, payloads and answers that nobody wrote.

Whoever needs it asks the shape itself whether it fits: this only proposes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import thaw
from agentgraph.definition.shape import Mismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.definition.shape import Shape

_DEEPEST = 6
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "ada@example.org",
    "uri": "https://example.org/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "duration": "PT1S",
}


def fitting(shape: Shape) -> Any:
    """A value that `shape` accepts.

    Raises:
        LookupError: when none was found; the message is what the shape said of the best proposal.
    """
    schema = thaw(shape.schema)
    proposed = proposal(schema, schema)
    try:
        shape.check(proposed)
    except Mismatch as wrong:
        raise LookupError(str(wrong)) from wrong
    return proposed


def proposal(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """A value that probably fits `schema`, a part of `root`."""
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return None
    if "$ref" in schema:
        return proposal(_referred(schema["$ref"], root), root, depth + 1)
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    for several in ("enum", "examples"):
        if schema.get(several):
            return schema[several][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return proposal(schema[choice][0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _of_kind(kind[0] if isinstance(kind, list) else kind, schema, root, depth)


def _of_kind(kind: str, schema: dict[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    match kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: proposal(properties.get(name, {}), root, depth + 1) for name in schema.get("required", ())}
        case "array":
            return [proposal(schema.get("items", {}), root, depth + 1)] * schema.get("minItems", 0)
        case "integer" | "number":
            return _number(schema, kind)
        case "boolean":
            return True
        case "null":
            return None
    text = _FORMATS.get(schema.get("format", ""), "text")
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _number(schema: dict[str, Any], kind: str) -> Any:
    lowest = schema.get("minimum", schema["exclusiveMinimum"] + 1 if "exclusiveMinimum" in schema else None)
    highest = schema.get("maximum", schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else None)
    found = lowest if lowest is not None else min(highest, 1) if highest is not None else 1
    step = schema.get("multipleOf")
    found = -(-found // step) * step if step else found
    return int(found) if kind == "integer" else found


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part, {}) if isinstance(found, dict) else {}
    return found
