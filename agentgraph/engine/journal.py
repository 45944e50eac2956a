"""Steps <-> entries of a store. Pure text: strict ASCII JSON, nothing of it is ever executed on the way back.

An entry holds the event, and of the context after it what the step changed: the new messages, and those fields that are
other than before. All fields are written whenever the changes since the last time add up to as much text as that took.
So a journal is at most twice as long as what changed, and a context is read from at most twice its own length.

A conversation is resumed from its contexts, not by replaying its events, so code that changed goes on where old code stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import Context
from agentgraph.conversation.context_json import VERSION, decoded
from agentgraph.conversation.frozen import FrozenDict, freeze
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.store import Entry
from agentgraph.engine.events import Approved, Event, ModelFailed, ModelReplied, OutputHandled, TimeUp, ToolReturned, UserSaid
from agentgraph.errors import AgentGraphError, StoreError

if TYPE_CHECKING:
    from agentgraph.engine.trace import Pair

_EVENT: Any = UserSaid | ModelReplied | ModelFailed | ToolReturned | OutputHandled | Approved | TimeUp
_FREE = {UserSaid: "content", ToolReturned: "value", OutputHandled: "value"}
"""Fields that hold any JSON, which is to be frozen when it comes back."""
msgspec.convert([], list[_EVENT], dec_hook=decoded)  # for the reason that `context_json` gives
_FIELDS = tuple(name for name in Context.__struct_fields__ if name != "messages")
_VERSION = "v"


class Place(Struct, frozen=True, gc=False):
    """How far a journal was written or read: the context there, and how long the states are that it was put together from."""

    seq: int = -1
    context: Context = Context()
    whole: int = 0
    """Characters of the last state that has all fields."""
    since: int = 0
    """Characters of the states since then."""


# -- writing -----------------------------------------------------------------------------------------------------------


def written(place: Place, event: Event | None, after: Context) -> tuple[Entry, Place]:
    """The step from `place` by `event` to `after` as an entry, and the place behind it."""
    before = place.context
    whole = place.seq < 0 or place.since >= place.whole or not before.data.keys() <= after.data.keys()
    names = _FIELDS if whole else [name for name in _FIELDS if getattr(after, name) is not getattr(before, name)]
    fields = {name: getattr(after, name) for name in names}
    if whole:
        fields[_VERSION] = VERSION
    elif "data" in fields:
        fields["data"] = {key: value for key, value in after.data.items() if before.data.get(key, before) is not value}
    state, said = _text(fields), after.messages[len(before.messages) :]
    entry = Entry(
        place.seq + 1,
        "" if event is None else _text(event),
        state,
        whole,
        _text(said) if said else "",
        after.progress is not None,
    )
    sizes = (len(state), 0) if whole else (place.whole, place.since + len(state))
    return entry, Place(entry.seq, after, *sizes)


def _text(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value, order="sorted"), allow_nan=False, separators=(",", ":"))


# -- reading -----------------------------------------------------------------------------------------------------------


def places(conversation: str, place: Place, entries: Iterable[Entry]) -> Iterator[tuple[Event | None, Place]]:
    """What happened in each of `entries`, which follow `place`, and the place behind it.

    Raises:
        StoreError: for an entry that cannot be read, saying which.
    """
    for entry in entries:
        try:
            _follow(place.seq + 1, entry)
            event = _event(entry.event)
            history = place.context.messages + _messages(entry.messages)
            place = _behind(place, entry, history)
        except _UNREADABLE as wrong:
            raise _damaged(conversation, entry, wrong) from wrong
        yield event, place


def latest(conversation: str, place: Place, entries: Sequence[Entry]) -> Place:
    """The place behind the last of `entries`, which follow `place`. Reads as few states as there are since the last whole one.

    Raises:
        StoreError: for an entry that cannot be read, saying which.
    """
    if not entries:
        return place
    at = max((i for i, entry in enumerate(entries) if entry.whole), default=0)
    said: list[Message] = []
    entry = entries[0]
    try:
        for seq, entry in enumerate(entries, place.seq + 1):
            _follow(seq, entry)
            said.extend(_messages(entry.messages))
        history = place.context.messages + said if place.context.messages else History(said)
        for entry in entries[at:]:
            place = _behind(place, entry, history)
    except _UNREADABLE as wrong:
        raise _damaged(conversation, entry, wrong) from wrong
    return place


def pairs(read: Iterable[tuple[Event | None, Place]]) -> list[Pair]:
    """What a trace is made of."""
    return [(event, place.context) for event, place in read if event is not None]


def _follow(seq: int, entry: Entry) -> None:
    if entry.seq != seq:
        raise StoreError(f"step {seq}, which comes before it, is missing")


def _behind(place: Place, entry: Entry, messages: History) -> Place:
    given = json.loads(entry.state, parse_constant=_refuse_constant)
    version = given.pop(_VERSION, VERSION)
    if version != VERSION:
        raise StoreError(f"it has version {version!r}, and this library reads {VERSION}: upgrade it")
    if (set(given) != set(_FIELDS)) if entry.whole else not given.keys() <= set(_FIELDS):
        raise StoreError(f"it has the fields {', '.join(given)}")
    read = msgspec.convert(given, Context, dec_hook=decoded)
    fields = {name: getattr(read, name) for name in given}
    if not entry.whole and "data" in fields:
        fields["data"] = FrozenDict({**place.context.data, **read.data})
    context = replace(place.context, messages=messages, **fields)
    size = len(entry.state)
    return Place(entry.seq, context, *((size, 0) if entry.whole else (place.whole, place.since + size)))


def _messages(text: str) -> list[Message]:
    if not text:
        return []
    return msgspec.convert(json.loads(text, parse_constant=_refuse_constant), list[Message], dec_hook=decoded)


def _event(text: str) -> Event | None:
    if not text:
        return None
    event: Event = msgspec.convert(json.loads(text, parse_constant=_refuse_constant), _EVENT, dec_hook=decoded)
    free = _FREE.get(type(event))
    return event if free is None else replace(event, **{free: freeze(getattr(event, free), free)})


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError, msgspec.ValidationError, AgentGraphError)


def _damaged(conversation: str, entry: Entry, wrong: Exception) -> StoreError:
    before = f"at({entry.seq - 1}) still gives the context before it" if entry.seq else "nothing is before it"
    return StoreError(f"step {entry.seq} of the conversation {conversation!r:.60} cannot be read: {wrong}; {before}")
