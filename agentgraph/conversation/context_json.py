"""Context <-> JSON text. Strict both ways: ASCII, no NaN, no types but JSON's, a version, and a reason for every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from agentgraph.conversation.context import Context, states_of_monitors
from agentgraph.conversation.frozen import EMPTY, FrozenDict, FrozenList, freeze
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.stored import Form, frozen, parsed, upgraded, written
from agentgraph.conversation.version_1 import upgraded_context, upgraded_message
from agentgraph.errors import ContextError

T = TypeVar("T")

FORM = Form("agentgraph_context", "context", (upgraded_context,))
_FIELDS = frozenset(Context.__struct_fields__)
_NOTHING: tuple[Any, ...] = ([], {})


def dump(context: Context) -> str:
    """`context` as one line of JSON. Whether it was made, or read from a store that writes every field, it is the same line."""
    return written(
        {FORM.key: FORM.version, **{name: value for name, value in plain(context).items() if value not in _NOTHING or name == "progress"}}
    )


def load(text: str | bytes, form: Form = FORM) -> Context:
    """The context that `dump` wrote, or one of the versions before it."""
    if not isinstance(text, str | bytes):
        raise ContextError(f"a stored context is text, not a {type(text).__name__}; give what context.to_json() wrote", text)
    try:
        given = parsed(text)
    except (ValueError, RecursionError) as wrong:
        message = f'this is not a stored context: {wrong} ({len(text)} characters, truncated?); an object with "{form.key}" is expected'
        raise ContextError(message, text) from wrong
    if form.key not in given:
        raise ContextError(f'this is not a stored context: an object with "{form.key}" is expected', text)
    try:
        upgrades = form.since(given.pop(form.key))
    except ContextError as wrong:
        raise ContextError(str(wrong), text) from wrong
    try:
        return as_context(upgraded(given, upgrades))
    except (ValueError, ContextError, RecursionError) as wrong:  # a ValueError, too, is what msgspec says of half characters
        raise ContextError(f"this stored context is damaged: {wrong}", text) from wrong


def as_context(given: dict[str, Any]) -> Context:
    """The context that `plain` gave.

    Raises:
        ValueError, ContextError, RecursionError: saying what of it cannot be.
    """
    unknown = given.keys() - _FIELDS
    if unknown:
        raise ContextError(f"it has unknown fields {', '.join(sorted(unknown))}; was it written by another version?")
    states_of_monitors(given.get("watched", EMPTY))
    if given.get("progress") is not None:
        given = {**given, "progress": frozen(given["progress"])}  # what tools returned may be of any kind, so nothing else freezes it
    return as_value(given, Context)


def plain(value: Any) -> Any:
    """A context, some of its fields or messages, or an event, as JSON holds it: facts sorted, and what users gave in the order they gave it."""
    given = msgspec.to_builtins(value, enc_hook=_encoded)
    for holder in _with_facts(given) if isinstance(given, dict) else ():
        holder.get("facts", _NONE).sort()
    return given


_NONE: list[str] = []


def _with_facts(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield given
    progress = given.get("progress") or {}
    yield progress.get("seen") or {}
    yield from (call.get("returned") or {} for call in progress.get("calls", ()))


def as_value(given: Any, kind: type[T]) -> T:
    """The value of `kind` that `plain` gave."""
    return msgspec.convert(given, kind, dec_hook=_decoded)


def messages_in(text: str, version: int = FORM.version) -> list[Message]:
    """The messages in JSON that `plain` gave in this version.

    msgspec makes them out of the text at once, in a third of the time. It refuses halves of characters, which users do send, and says less
    of what is wrong; so what it refuses is read like everything else, or refused so.

    Raises:
        ValueError, ContextError, RecursionError: saying what of it cannot be.
    """
    if version == 1:
        return as_value([upgraded_message(message) for message in parsed(text, list)], list[Message])
    try:
        return _MESSAGES.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        return as_value(parsed(text, list), list[Message])


def _encoded(value: Any) -> Any:
    if isinstance(value, History):
        return list(value)
    raise NotImplementedError(type(value))


def _decoded(kind: type, value: Any) -> Any:
    if kind is History:
        return History(as_value(value, list[Message]))
    if kind in (FrozenDict, FrozenList):
        return freeze(value)
    raise NotImplementedError(kind)


# msgspec finds out about a type when it is first asked for it, and two threads that are the first at once end the process
# (0.22). So one thread asks for all of them here: the one that imports this.
as_value({"messages": []}, Context)
_MESSAGES = msgspec.json.Decoder(list[Message], dec_hook=_decoded)
