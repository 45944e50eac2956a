"""Context <-> JSON text. Strict both ways: ASCII, no NaN, no types but JSON's, a version, and a reason for every refusal."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import FrozenDict, FrozenList, freeze
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.errors import ContextError

VERSION = 1
_KEY = "agentgraph_context"


def dump(context: Context) -> str:
    """`context` as one line of JSON."""
    return json.dumps({_KEY: VERSION, **_plain(context)}, allow_nan=False, separators=(",", ":"))


def load(text: str | bytes) -> Context:
    """The context that `dump` wrote."""
    if not isinstance(text, str | bytes):
        raise ContextError(f"a stored context is text, not a {type(text).__name__}; give what context.to_json() wrote", text)
    try:
        given = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as wrong:
        raise ContextError(f"this is not a stored context: {wrong} ({len(text)} characters, truncated?)", text) from wrong
    if not isinstance(given, dict) or _KEY not in given:
        raise ContextError(f'this is not a stored context: an object with "{_KEY}" is expected', text)
    version = given.pop(_KEY)
    if version != VERSION:
        raise ContextError(
            f"this context has version {version!r}; this library reads {VERSION}: upgrade it, or store contexts of one version", text
        )
    unknown = given.keys() - set(Context.__struct_fields__)
    if unknown:
        raise ContextError(f"this context has unknown fields {', '.join(sorted(unknown))}; was it written by another version?", text)
    try:
        return msgspec.convert(given, Context, dec_hook=decoded)
    except (msgspec.ValidationError, ContextError, RecursionError) as wrong:
        raise ContextError(f"this stored context is damaged: {wrong}", text) from wrong


def _plain(context: Context) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(context, enc_hook=_encoded, order="sorted")
    return plain


def _encoded(value: Any) -> Any:
    if isinstance(value, History):
        return list(value)
    raise NotImplementedError(type(value))


def decoded(kind: type, value: Any) -> Any:
    """A type of ours that msgspec does not know, of what JSON holds of it."""
    if kind is History:
        return History(msgspec.convert(value, list[Message], dec_hook=decoded))
    if kind in (FrozenDict, FrozenList):
        return freeze(value)
    raise NotImplementedError(kind)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# msgspec finds out about a type when it is first asked for it, and two threads that are the first at once end the process
# (0.22). So one thread asks for all of them here: the one that imports this.
msgspec.convert({"messages": []}, Context, dec_hook=decoded)
