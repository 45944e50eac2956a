"""What a store is: conversations as rows of text, one for each step, added and never changed.

A store knows no contexts, events or agents. It keeps text under (conversation, sequence) and is asked three things: that
a row is added only behind the row its writer has seen, that a conversation has one owner at a time, and that what it has
said to be written is written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, Self

from msgspec import Struct

from agentgraph.errors import StoreError

LONGEST_KEY = 1_000
"""Characters. An index of PostgreSQL takes little more."""


class Entry(Struct, frozen=True, gc=False):
    """One step, as text: what happened, and what it changed."""

    seq: int
    """0 is where the conversation began, which nothing led to."""
    event: str
    """JSON of the event; empty where there was none."""
    state: str
    """JSON of the fields of the context, but for its messages: those that changed, or all of them."""
    whole: bool
    """Whether `state` has all of them."""
    messages: str
    """JSON of the messages that are new."""
    under_way: bool
    """Whether a run goes on behind this step."""
    intact: bool = True
    """Whether it is what was written; false where a store has found that it is not."""


class Lease(Struct, frozen=True, gc=False):
    """Who may write to a conversation, and where it stands."""

    owner: str
    born: str
    """Tells this conversation from others that had its id before they were deleted."""
    seq: int
    """Its last step; -1 before the first."""
    seconds: float
    """Until it runs out when its owner gives no sign of life; it is over before that when its owner has died, where the store can tell."""


class Stored(Struct, frozen=True, gc=False):
    """One conversation, as a list of them shows it."""

    id: str
    seq: int
    under_way: bool
    """Whether it stopped, or goes on, within a run: in need of `resume`, an approval, or patience."""
    updated: float
    """When its last step was written: seconds since 1970, by the clock of the store."""
    leased: float | None
    """Seconds for which a turn still holds it: 0 or less when its owner is gone, None when nobody is."""


class StoreSize(Struct, frozen=True, gc=False):
    """How much a store holds."""

    conversations: int
    """As many as `Store.list` gives."""
    steps: int
    """Of all conversations, step 0 included."""
    bytes: int
    """On the disk: of the files of a store in SQLite, or of the tables in PostgreSQL with their indexes. In memory, of the text alone."""


class Store(Protocol):
    """Keeps conversations. From any number of threads; every method may be asked again when its answer was lost.

    Every method raises `StoreError` when it cannot do what it was asked, and then has done nothing.
    """

    @property
    def instant(self) -> bool:
        """Whether no method ever waits, so that an event loop may call it."""
        ...

    def lease(self, conversation: str, owner: str, seconds: float) -> Lease:
        """Take the conversation for `owner`, who may have it already. What is returned names another owner where one has it."""
        ...

    def renew(self, conversation: str, owner: str, seconds: float) -> bool:
        """Keep a lease that `owner` has for `seconds` from now; whether it has it."""
        ...

    def release(self, conversation: str, owner: str) -> None:
        """Give back what `owner` has, if it has it.

        Nobody waits for a server for this: what is not given back runs out, or ends with the process.
        """
        ...

    def append(self, conversation: str, owner: str, entries: Sequence[Entry], seconds: float) -> None:
        """Add `entries`, all or none, behind those that are there. What was added already is not added again.

        It renews the lease too, or, where `seconds` is 0, gives it back: one write less for a turn that ends.

        Raises:
            Conflict: when others are there, or `owner` has the conversation no longer.
        """
        ...

    def entries(self, conversation: str, first: int = 0, last: int | None = None) -> Sequence[Entry]:
        """The steps from `first` to `last`, in order. One that was changed meanwhile is there, and not `intact`."""
        ...

    def latest(self, conversation: str, last: int | None = None) -> Sequence[Entry]:
        """The last step up to `last` that has all fields, and the steps behind it up to `last`, in order."""
        ...

    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Sequence[Stored]:
        """The conversations whose id begins with `prefix`, behind the id `after`, in the order of their keys: `limit` at most.

        Raises:
            StoreError: for what `page_of` refuses.
        """
        ...

    def delete(self, conversation: str) -> bool:
        """Forget a conversation, whoever has it; whether there was one. A store in files leaves nothing of its text in them.

        Raises:
            StoreError: also when it is forgotten, and text of it may still be in a file, which it says. Asking again cleans.
        """
        ...

    def delete_before(self, time: datetime) -> int:
        """Forget the conversations whose last step was written before `time`, by the clock of the store; how many they were.

        One that a turn holds is kept, and one to which a turn was submitted since then that is not over. It is done in small parts, so that
        nobody waits long to write; what comes meanwhile is kept.

        Raises:
            StoreError: for what `moment_of` refuses; and as `delete`.
        """
        ...

    def size(self) -> StoreSize:
        """How much it holds now. It reads a little of every conversation."""
        ...

    def close(self) -> None:
        """Let go of files and connections. The store opens them again when it is used again."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def key_of(conversation: str) -> str:
    """The id as printable ASCII, which every database takes as it is: quotes, NUL and lone surrogates are escaped as in JSON.

    Raises:
        StoreError: for what is no id, or too long for an index.
    """
    given: Any = conversation
    if not isinstance(given, str) or not given:
        raise StoreError(f"a conversation has the id {conversation!r:.60}; give a text that is not empty")
    key = json.dumps(conversation)[1:-1]
    if len(key) > LONGEST_KEY:
        raise StoreError(
            f"a conversation has an id of {len(key):,} characters, escaped as in JSON; a database keeps an index of {LONGEST_KEY:,} at most: shorten it, or give a hash of it"
        )
    if not conversation.isascii() and id_of(key) != conversation:
        raise StoreError(f"a conversation has the id {conversation!r:.60}, with two halves of one character; give the character")
    return key


def page_of(prefix: str, after: str, limit: int) -> tuple[str, str, int]:
    """What `Store.list` is asked for, with keys in place of ids; "" is no id, and asks for all.

    Raises:
        StoreError: for what is no text, and a limit that is no number of conversations.
    """
    given: Any = limit
    if type(given) is not int or given < 0:
        raise StoreError(f"conversations were asked for with limit={limit!r:.40}; give an int, 0 or more")
    begins, behind = ("" if text == "" else key_of(text) for text in (prefix, after))
    return begins, behind, limit


def moment_of(time: datetime) -> float:
    """Seconds since 1970.

    Raises:
        StoreError: for what is no time, or one of no zone, which is another time elsewhere.
    """
    given: Any = time
    if not isinstance(given, datetime) or given.utcoffset() is None:
        why = "names no time zone" if isinstance(given, datetime) else "is no time"
        raise StoreError(
            f"conversations were to be deleted before {time!r:.80}, which {why}; give a datetime that has one, such as datetime.now(UTC) - timedelta(days=30)"
        )
    return given.timestamp()


def id_of(key: str) -> str:
    """The id that `key_of` gave this key.

    Raises:
        StoreError: for a key that it gives to none.
    """
    try:
        conversation = str(json.loads(f'"{key}"'))
        if json.dumps(conversation)[1:-1] != key:
            raise ValueError("its id has another")
    except ValueError as wrong:
        raise StoreError(f"a conversation is kept under the key {key!r:.60}, which was not written by this library: {wrong}") from wrong
    return conversation
