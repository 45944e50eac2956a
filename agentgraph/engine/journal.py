"""Steps <-> entries of a store. Pure text: strict ASCII JSON, nothing of it is ever executed on the way back.

An entry holds the event, and of the context after it what the step changed: the new messages, and those fields that are
other than before. All fields are written whenever the changes since the last time add up to as much text as that took.
So a journal is at most twice as long as what changed, and a context is read from at most twice its own length. The messages before
the last time are counted there, so that they need not be read before somebody looks at them.

A conversation is resumed from its contexts, not by replaying its events, so code that changed goes on where old code stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import Context
from agentgraph.conversation.context_json import FORM, as_followed, as_value, messages_in, plain, plain_fields
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.store import Entry
from agentgraph.conversation.stored import parsed, upgraded, written as as_line
from agentgraph.conversation.unread import Unread
from agentgraph.engine import version_1
from agentgraph.engine.event_json import as_event
from agentgraph.engine.step_json import TOLD, as_told, plain_told
from agentgraph.engine.trace import Taken, Trace
from agentgraph.engine.version_1 import upgraded_event
from agentgraph.errors import AgentGraphError, Damaged, StoreError

if TYPE_CHECKING:
    from agentgraph.engine.events import Event

_FIELDS = tuple(name for name in Context.__struct_fields__ if name != "messages")
MISSING = "it is missing"
_VERSION = "v"
_BEFORE = "messages"
"""Beside all fields: how many messages came before, and of which conversation they are."""


class Place(Struct, frozen=True, gc=False):
    """How far a journal was written or read: the context there, and how long the states are that it was put together from."""

    seq: int = -1
    context: Context = Context()
    whole: int = 0
    """Characters of the last state that has all fields."""
    since: int = 0
    """Characters of the states since then."""
    born: str = ""
    """Tells the conversation from others that had its id before they were deleted."""
    version: int = FORM.version
    """In which the last state that has all fields was written."""
    told: dict[str, Any] = {}
    """What was told of the step to here, where the steps are read one by one."""
    before: Context = Context()
    """The context before that step, there."""

    def taken(self, event: Event) -> Taken:
        """The step to here, by `event`.

        Raises:
            ValueError, ContextError: when it is not what this library writes.
        """
        return (event, self.context, *as_told(self.before, self.context, self.told))


NOWHERE = Place()

# -- writing -----------------------------------------------------------------------------------------------------------


def begun(place: Place, start: Context) -> tuple[Entry, Place]:
    """The beginning of a conversation at `start` as an entry, and the place behind it."""
    return _written(place, "", start, {})


def written(place: Place, taken: Taken) -> tuple[Entry, Place]:
    """A step from `place` as an entry, and the place behind it. What an older version has begun goes on with all fields."""
    return _written(place, _text(taken[0]), taken[1], plain_told(place.context, taken))


def _written(place: Place, event: str, after: Context, told: dict[str, Any]) -> tuple[Entry, Place]:
    before = place.context
    is_older = place.version < FORM.version
    whole = place.seq < 0 or is_older or place.since >= place.whole or not before.data.keys() <= after.data.keys()
    names = _FIELDS if whole else [name for name in _FIELDS if getattr(after, name) is not getattr(before, name)]
    fields: dict[str, Any] = {_VERSION: FORM.version, _BEFORE: (len(before.messages), place.born)} if whole else {}  # the version in front
    fields |= plain_fields(after, names, None if whole else before)
    if not whole and "data" in fields:
        fields["data"] = plain({key: value for key, value in after.data.items() if before.data.get(key, before) is not value})
    state, said = as_line({**fields, **told}), after.messages[len(before.messages) :]
    entry = Entry(
        place.seq + 1,
        event,
        state,
        whole,
        _text(said) if said else "",
        after.progress is not None,
    )
    sizes = (len(state), 0) if whole else (place.whole, place.since + len(state))
    return entry, Place(entry.seq, after, *sizes, place.born)


def _text(value: Any) -> str:
    return as_line(plain(value))


# -- reading -----------------------------------------------------------------------------------------------------------


def places(conversation: str, place: Place, entries: Iterable[Entry]) -> Iterator[tuple[Event | None, Place]]:
    """What happened in each of `entries`, which follow `place`, and the place behind it.

    Raises:
        Damaged: for an entry that cannot be read, saying which.
        StoreError: for one that a newer version of this library has written.
    """
    for entry in entries:
        try:
            _follow(place.seq + 1, entry)
            version = _version_of(entry, place.version)
            event = _event(entry.event, version)
            history = place.context.messages + _messages(entry.messages, version)
            before, place = place, _behind(place, entry, history)
            place = replace(place, before=before.context)
            if version == 1 and event is not None:
                finish = version_1.guessed_finish(event, before.context, place.context)
                place = replace(place, told=plain_told(before.context, (event, place.context, (), finish, ())))
        except _UNREADABLE as wrong:
            raise unread(conversation, place.seq + 1, wrong) from wrong
        yield event, place


def latest(conversation: str, place: Place, entries: Sequence[Entry]) -> Place:
    """The place behind the last of `entries`, which follow `place`. Reads as few states as there are since the last whole one.

    Raises:
        Damaged: for an entry that cannot be read, saying which.
        StoreError: for one that a newer version of this library has written.
    """
    if not entries:
        return place
    at = max((i for i, entry in enumerate(entries) if entry.whole), default=0)
    said: list[Message] = []
    seq, version = place.seq + 1, place.version
    try:
        for seq, entry in enumerate(entries, place.seq + 1):
            _follow(seq, entry)
            version = _version_of(entry, version)
            said.extend(_messages(entry.messages, version))
        history = place.context.messages + said if place.context.messages else History(said)
        for entry in entries[at:]:
            seq = entry.seq
            place = _behind(place, entry, history)
    except _UNREADABLE as wrong:
        raise unread(conversation, seq, wrong) from wrong
    return replace(place, told={})


def recent(conversation: str, entries: Sequence[Entry], before: Callable[[], Sequence[Entry]]) -> Place:
    """The place behind the last of `entries`, the first of which has all fields. What was said earlier is read when somebody
    looks at it: `before` gives the entries up to that first one, and raises as `latest` does.

    Raises:
        Damaged, StoreError: as `latest`.
    """
    first = entries[0]
    if not first.seq:
        return latest(conversation, NOWHERE, entries)
    try:
        _follow(first.seq, first)
        said_before = _said_before(parsed(first.state))
    except _UNREADABLE as wrong:
        raise unread(conversation, first.seq, wrong) from wrong
    if said_before is None:
        return latest(conversation, NOWHERE, [*before(), *entries[1:]])
    count, born = said_before

    def read() -> Iterable[Message]:
        again = before()
        if not again or again[-1] != first:
            raise StoreError(
                f"what was said in the conversation {conversation!r:.60} cannot be read any more: it was deleted or changed meanwhile"
            )
        return latest(conversation, NOWHERE, again).context.messages.first(count)

    return latest(conversation, Place(first.seq - 1, Context(messages=Unread(count, read)), born=born), entries)


def history(conversation: str, entries: Iterable[Entry]) -> Trace | None:
    """All that has happened; None where nothing has.

    Raises:
        Damaged, StoreError: as `places`.
    """
    read = list(places(conversation, NOWHERE, entries))
    return Trace(read[0][1].context, taken=tuple(place.taken(event) for event, place in read if event is not None)) if read else None


def _follow(seq: int, entry: Entry) -> None:
    if entry.seq != seq:
        raise Damaged(MISSING)
    if not entry.intact:
        raise Damaged("it is not what was written")


def _version_of(entry: Entry, before: int) -> int:
    """In which version a row was written: the last that had all fields says it, in front. Version 1 said it at the end, or not at all.

    Raises:
        StoreError: for a newer one than this library reads.
    """
    if not entry.whole:
        return before
    begins = f'{{"{_VERSION}":'
    if not entry.state.startswith(begins):
        return 1
    version = entry.state[len(begins) :].partition(",")[0].strip(" }")
    if not version.isdigit() or not 1 <= int(version) <= FORM.version:
        raise StoreError(f"it has version {version:.20}, and this library reads {FORM.version}: upgrade it")
    return int(version)


def _behind(place: Place, entry: Entry, messages: History) -> Place:
    version = _version_of(entry, place.version)
    given = parsed(entry.state)
    given.pop(_VERSION, None)
    told = {name: given.pop(name) for name in TOLD if name in given} if version > 1 else {}
    _, born = (_said_before(given) if entry.whole else None) or (0, place.born)
    if (set(given) != set(_FIELDS)) if entry.whole else not given.keys() <= set(_FIELDS):
        raise Damaged(f"it has the fields {', '.join(given)}")
    given = upgraded(given, FORM.since(version))
    if not entry.whole and "data" in given:
        given["data"] = {**place.context.data, **given["data"]}
    context = replace(as_followed(None if entry.whole else place.context, given), messages=messages)
    size = len(entry.state)
    sizes = (size, 0) if entry.whole else (place.whole, place.since + size)
    return Place(entry.seq, context, *sizes, born, version, told)


def _said_before(state: dict[str, Any]) -> tuple[int, str] | None:
    """Taken out of a state. The first that were written did not say it."""
    return as_value(state.pop(_BEFORE, None), tuple[int, str] | None)  # type: ignore[arg-type]


def _messages(text: str, version: int) -> list[Message]:
    return messages_in(text, version) if text else []


def _event(text: str, version: int) -> Event | None:
    if not text:
        return None
    given = parsed(text)
    return as_event(upgraded_event(given) if version == 1 else given)


_UNREADABLE = (ValueError, TypeError, AttributeError, RecursionError, msgspec.ValidationError, AgentGraphError)


def unread(conversation: str, seq: int, wrong: Exception) -> StoreError:
    """That step `seq` is the first that cannot be read. What a newer library may still read is not damaged."""
    kind = type(wrong) if isinstance(wrong, StoreError) else Damaged
    before = f"at({seq - 1}) still gives the context before it" if seq else "nothing is before it"
    return kind(f"step {seq} of the conversation {conversation!r:.60} cannot be read: {wrong}; {before}")
