"""A turn that was handed to a worker is held once, however often, and by however many workers, it is taken up.

The journal is the truth and the fence. Every step says who wrote it, and whoever holds a turn writes under its id. So with the
lease in hand it can be read whether the turn has begun, how far it came, and what it came to; nothing has to be remembered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import msgspec
from msgspec import Struct

from agentgraph.conversation.shown import failure, shown
from agentgraph.conversation.text import as_json
from agentgraph.engine.effects import Finish
from agentgraph.engine.events import UserSaid
from agentgraph.engine.journal import NOWHERE, Place, places
from agentgraph.errors import AgentGraphError, Conflict, Damaged, StoreError
from agentgraph.runtime import threads
from agentgraph.runtime.conversation import FRESH
from agentgraph.runtime.journal import Journal
from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.conversation.store import Entry
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.run import Run
    from agentgraph.stores.sql import SQLStore
    from agentgraph.stores.turns import Turn


class Outcome(Struct, frozen=True):
    """What a turn came to. The conversation holds the rest."""

    stop_reason: str
    """As of a `RunResult`; "interrupted" when the conversation went on without it."""
    output: Any = None
    error: str | None = None

    def to_json(self) -> str:
        """As ASCII, which every database takes."""
        return json.dumps(msgspec.to_builtins(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        return msgspec.convert(json.loads(text), cls)


class Remembered:
    """What a worker knows of the conversations that it held last, up to `most`. From any number of threads."""

    def __init__(self, most: int) -> None:
        self._most, self._known, self._lock = most, dict[str, Place](), threading.Lock()

    def taken(self, conversation: str) -> Place:
        """What is known of it, taken out while it is held."""
        return self._known.pop(conversation, None) or NOWHERE

    def put(self, conversation: str, known: Place) -> None:
        """Remember it, and forget the one that was held longest ago."""
        with self._lock:
            self._known[conversation] = known
            for oldest in list(self._known)[: -self._most]:
                self._known.pop(oldest, None)

    def __len__(self) -> int:
        return len(self._known)


def hold_once(runner: AgentRunner, store: SQLStore, turn: Turn, lease: float, wait: float, known: Place) -> Place:
    """Hold `turn`, or take up what was left of it, and write down what it came to. Nothing, when that is written, or it was deleted.

    `known` is what was read of the conversation before; what is known of it now is returned.

    What no asking again can help, a conversation that is damaged and whatever nobody has foreseen, is what the turn came to: one that
    comes back for ever would keep back all that come after it.

    Raises:
        Conflict: when another turn had the conversation for all of `wait`, or took it over. Ask again.
        StoreError: when the store cannot be used. Ask again.
    """
    run = runner.begun(None, None, None)
    journal = run.journal = Journal(store, turn.conversation, lease, FRESH)
    journal.owner = f"{turn.id}.{journal.owner}"
    try:
        try:
            run.start_from(journal.open(known, wait))
            now = store.turn(turn.id)
            if now is not None and now.outcome is None:
                store.settle(turn.id, _held(run, store, now).to_json())
        finally:
            journal.close()
    except Exception as wrong:
        if isinstance(wrong, Conflict | StoreError) and not isinstance(wrong, Damaged):
            raise
        store.settle(turn.id, _given_up(turn, wrong).to_json())
        return NOWHERE
    return journal.place


def _held(run: Run, store: SQLStore, turn: Turn) -> Outcome:
    begun = store.begun(turn, f"{turn.id}.")
    if begun is not None:
        came_to = _came_to(turn.conversation, store.entries(turn.conversation), begun)
        if came_to is not None:
            return came_to
    threads.perform(run, json.loads(turn.said) if begun is None else None)
    result = run.result()
    if isinstance(result.error, Conflict | StoreError):
        raise result.error
    return _outcome(result.stop_reason, result.output, result.error)


def _came_to(conversation: str, entries: Sequence[Entry], begun: int) -> Outcome | None:
    """What the turn that began at step `begun` came to; None when it goes on."""
    for event, place in places(conversation, NOWHERE, entries):
        if place.seq > begun and isinstance(event, UserSaid):
            return Outcome("interrupted", None, "the conversation went on before this turn was over")
        if place.seq >= begun and event is not None and place.context.progress is None:
            finish = place.taken(event)[3]
            ended = finish or Finish("unfinished")
            return _outcome(ended.reason, ended.output, ended.error)
    return None


def _given_up(turn: Turn, wrong: Exception) -> Outcome:
    why = shown(wrong) if isinstance(wrong, AgentGraphError) else failure(wrong)
    logger.error("turn %s is given up: %s", turn.id, why)
    return Outcome("error", None, why)


def _outcome(reason: str, output: Any, error: Exception | None) -> Outcome:
    return Outcome(reason, as_json(output), None if error is None else shown(error))
