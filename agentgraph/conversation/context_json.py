"""Context <-> JSON text. Strict both ways: ASCII, no NaN, no types but JSON's, a version, and a reason for every refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from agentgraph.conversation.context import Context, Pending, Progress, Seen, states_of_monitors
from agentgraph.conversation.frozen import EMPTY, FrozenDict, FrozenList, freeze
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.stored import Form, frozen, parsed, upgraded, written
from agentgraph.conversation.version_1 import upgraded_context, upgraded_message
from agentgraph.errors import ContextError

T = TypeVar("T")

FORM = Form("agentgraph_context", "context", (upgraded_context,))
_NAMES = Context.__struct_fields__
_FIELDS = frozenset(_NAMES)
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


def as_context(given: Mapping[str, Any]) -> Context:
    """The context that `plain` gave.

    Raises:
        ValueError, ContextError, RecursionError: saying what of it cannot be.
    """
    return as_followed(None, given)


def as_followed(before: Context | None, given: Mapping[str, Any]) -> Context:
    """The context that followed `before`, of which `plain_changes` gave what is other than before; given None, it gave all.

    Raises:
        ValueError, ContextError, RecursionError: saying what of it cannot be.
    """
    fields = dict(given)
    anew = "history" in fields
    if anew:
        fields["messages"] = fields.pop("history")
    unknown = fields.keys() - _FIELDS
    if unknown:
        raise ContextError(f"it has unknown fields {', '.join(sorted(unknown))}; was it written by another version?")
    states_of_monitors(fields.get("watched", EMPTY))
    kept: _Kept | None = None
    if fields.get("progress") is not None:
        bare, kept = _taken_apart(fields["progress"])
        fields["progress"] = frozen(bare)  # what tools returned may be of any kind, so nothing else freezes it
    context = as_value(fields, Context)
    if before is not None:
        changed = {name: getattr(context, name) for name in fields}
        if "messages" in changed and not anew:
            changed["messages"] = before.messages + changed["messages"]
        context = replace(before, **changed)
    return context if kept is None else _with_insides(before, context, kept)


def plain(value: Any) -> Any:
    """A context, some of its messages, or an event, as JSON holds it: facts sorted, and what users gave in the order they gave it."""
    if type(value) is Context and value.progress is not None and _has_insides(value.progress):
        given = plain(replace(value, progress=_without_insides(value.progress)))
        _put_insides(given["progress"], None, value)
        return given
    given = msgspec.to_builtins(value, enc_hook=_encoded)
    for holder in _with_facts(given) if isinstance(given, dict) else ():
        holder.get("facts", _NONE).sort()
    return given


def plain_fields(context: Context, names: Iterable[str], before: Context | None = None) -> dict[str, Any]:
    """Some fields of `context`, as JSON holds them. Of what goes on inside, what is other than in `before`; given None, all of it."""
    fields = {name: getattr(context, name) for name in names}
    progress = fields.get("progress")
    if progress is None or not _has_insides(progress):
        return plain(fields)  # type: ignore[no-any-return]
    given: dict[str, Any] = plain({**fields, "progress": _without_insides(progress)})
    _put_insides(given["progress"], before, context)
    return given


def plain_changes(before: Context, after: Context) -> dict[str, Any]:
    """What is other in `after`: "messages" are those that were added, "history" is all of them where the former ones are not kept.

    By identity: 1 and True are equal, and yet not the same.
    """
    changed = [name for name in _NAMES if getattr(after, name) is not getattr(before, name)]
    given = plain_fields(after, [name for name in changed if name != "messages"], before)
    if "messages" in changed:
        kept = len(before.messages)
        if after.messages.first(kept) == before.messages:
            given["messages"] = plain(list(after.messages[kept:]))
        else:
            given["history"] = plain(after.messages)
    return given


# -- what goes on inside calls ---------------------------------------------------------------------------------------------
#
# A conversation inside is written as the change since the step before, and the shared data it has as its difference from what its call
# sees: so a step costs what it changed, however many conversations are open, and however large the data is that they share.


class _Kept(msgspec.Struct):
    """What stands in a written run under way beside what it is of itself: by the place of a call."""

    seen: Any = None
    inside: dict[int, Any] = {}
    told: dict[int, Any] = {}


def _has_insides(progress: Progress) -> bool:
    return bool(progress.calls) and (progress.seen is not None or any(p.inside is not None or p.told for p in progress.calls))


def _without_insides(progress: Progress) -> Progress:
    calls = tuple(replace(p, inside=None, told=()) if p.inside is not None or p.told else p for p in progress.calls)
    return replace(progress, calls=calls, seen=None)


def _former(before: Context | None, call_id: str) -> Pending | None:
    calls = before.progress.calls if before is not None and before.progress is not None else ()
    return next((pending for pending in calls if pending.call.id == call_id and pending.stage != "done"), None)


def _put_insides(given: dict[str, Any], before: Context | None, after: Context) -> None:
    """Write into the run under way what goes on inside its calls, and what those see that were started early."""
    progress = after.progress
    assert progress is not None
    if progress.seen is not None:
        same = before is not None and before.progress is not None and before.progress.seen is progress.seen
        given["seen"] = True if same else _plain_seen(progress.seen, after)
    for into, pending in zip(given["calls"], progress.calls, strict=True):
        if pending.inside is None and not pending.told:
            continue
        former = _former(before, pending.call.id)
        if len(pending.told) > (known := len(former.told) if former is not None else 0):
            into["told"] = plain(pending.told[known:])
        if pending.inside is None:
            continue
        if former is not None and former.inside is not None:
            into["inside"] = pending.inside is former.inside or {"then": plain_changes(former.inside, pending.inside)}
        else:
            seen = _seen(after, pending)
            data = {key: value for key, value in pending.inside.data.items() if seen.get(key, seen) is not value}
            into["inside"] = plain(replace(pending.inside, data=FrozenDict(data)))


def _plain_seen(seen: Seen, context: Context) -> dict[str, Any]:
    changed = {key: value for key, value in seen.data.items() if context.data.get(key, context) is not value}
    gone = [key for key in context.data if key not in seen.data]
    return {"changed": plain(changed), "gone": gone, "facts": sorted(seen.facts), "messages": seen.messages}


def _seen(context: Context, pending: Pending) -> FrozenDict:
    """The shared data that a call sees."""
    seen = context.progress.seen if context.progress is not None and pending.early else None
    return context.data if seen is None else seen.data


def _taken_apart(progress: Any) -> tuple[Any, _Kept | None]:
    """A written run under way without what goes on inside, and that."""
    if not isinstance(progress, Mapping):
        return progress, None
    seen, calls = progress.get("seen"), progress.get("calls") or ()
    if (seen is None or (isinstance(seen, Mapping) and "data" in seen)) and not any(
        isinstance(call, Mapping) and ("inside" in call or "told" in call) for call in calls
    ):
        return progress, None
    kept, bare = _Kept(seen), list[Any]()
    for i, call in enumerate(calls):
        if isinstance(call, Mapping):
            kept.inside[i], kept.told[i] = call.get("inside"), call.get("told", ())
        bare.append({key: value for key, value in call.items() if key not in ("inside", "told")} if isinstance(call, Mapping) else call)
    return {**{key: value for key, value in progress.items() if key != "seen"}, "calls": bare}, kept


def _with_insides(before: Context | None, context: Context, kept: _Kept) -> Context:
    progress = context.progress
    assert progress is not None
    context = replace(context, progress=replace(progress, seen=_read_seen(before, context, kept.seen)))
    calls = list(progress.calls)
    for i, pending in enumerate(calls):
        given, former = kept.inside.get(i), _former(before, pending.call.id)
        told = as_value(kept.told.get(i, ()), tuple[Happening, ...])
        calls[i] = replace(pending, inside=_read_inside(context, former, pending, given), told=(*(former.told if former else ()), *told))
    assert context.progress is not None
    return replace(context, progress=replace(context.progress, calls=tuple(calls)))


def _read_seen(before: Context | None, context: Context, given: Any) -> Seen | None:
    if given is True:
        if before is None or before.progress is None:
            raise ContextError("what early calls see is said to be as before, and nothing is before")
        return before.progress.seen
    if given is None or "data" in given:
        return None if given is None else as_value(given, Seen)
    changed, gone = freeze(given.get("changed", {})), given.get("gone", ())
    data = FrozenDict({key: value for key, value in {**context.data, **changed}.items() if key not in gone})
    return Seen(data, frozenset(as_value(given.get("facts", ()), list[str])), as_value(given.get("messages", 0), int))


def _read_inside(context: Context, former: Pending | None, pending: Pending, given: Any) -> Context | None:
    if given is None:
        return None
    if given is True or (isinstance(given, Mapping) and "then" in given):
        if former is None or former.inside is None:
            raise ContextError(f"what goes on inside the call {pending.call.id!r:.60} is said to be as before, and nothing was there")
        return former.inside if given is True else as_followed(former.inside, given["then"])
    inside = as_context(given)
    return replace(inside, data=FrozenDict({**_seen(context, pending), **inside.data}) if inside.data else _seen(context, pending))


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
