"""A tool's value as JSON, and as the text that a model reads."""

from __future__ import annotations

import json
from typing import Any

from agentgraph.conversation.frozen import FrozenDict, FrozenList, Json, freeze
from agentgraph.conversation.secret import redacted_json
from agentgraph.errors import ContextError

NO_OUTPUT = "(no output)"
_written = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode  # `json.dumps` with an option makes an encoder each time


def as_json(value: Any) -> Json:
    """What JSON can hold of `value`: as it is where it can be, dumped by pydantic where not, else its `str`; without secrets.

    >>> import datetime
    >>> as_json({"due": datetime.date(2026, 1, 31)})
    {'due': '2026-01-31'}
    """
    return redacted_json(_as_json(value))


def _as_json(value: Any) -> Json:
    if value is None or type(value) in (str, FrozenDict, FrozenList):
        return value
    try:
        return freeze(value, "output")
    except (ContextError, RecursionError):
        from pydantic_core import to_json

        try:
            return freeze(json.loads(to_json(value, fallback=str, inf_nan_mode="strings")), "output")
        except (ContextError, RecursionError, ValueError):
            return _described(value)


def _described(value: Any) -> str:
    try:
        return str(value)
    except Exception as wrong:  # noqa: BLE001 - `__str__` is the user's code, and even an int may refuse
        return f"(a {type(value).__name__} that cannot be shown: {type(wrong).__name__})"


def longer_than(value: Json, limit: int) -> bool:
    """Whether the texts in `value`, keys too, have more than `limit` characters together. O(what is looked at until then)."""
    return _left_of(limit, value) < 0


def _left_of(limit: int, value: Json) -> int:
    if isinstance(value, str):
        return limit - len(value)
    if isinstance(value, dict):
        limit -= sum(map(len, value)) + len(value)
        value = value.values()
    elif not isinstance(value, list):
        return limit
    for item in value:
        limit = limit - 1 - len(item) if type(item) is str else _left_of(limit - 1, item)
        if limit < 0:
            break
    return limit


def as_text(value: Json, limit: int) -> str:
    """`value` for a model: never empty, at most `limit` characters and then a mark that says how much was cut.

    >>> as_text({"balance": "1250.00"}, 100)
    '{"balance": "1250.00"}'
    >>> as_text("x" * 50, 10)
    'xxxxxxxxxx [cut: 10 of 50 characters shown]'
    """
    text = value if isinstance(value, str) else NO_OUTPUT if value is None else _written(value)
    if not text or text.isspace():
        return NO_OUTPUT
    return text if len(text) <= limit else f"{text[:limit]} [cut: {limit:,} of {len(text):,} characters shown]"
