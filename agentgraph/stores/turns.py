"""Turns that wait for a worker, in the database beside the conversations: what was said, who works, what it came to.

Queues of others carry the id of a turn and nothing else. What the user said is a row here until the turn is over, and then
a message of its conversation like any other; so it lies in one place at a time, and is forgotten with its conversation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from agentgraph.conversation.store import id_of, key_of

TABLES = (
    """CREATE TABLE agentgraph_turns (
        id {text} PRIMARY KEY, conversation {text} NOT NULL, number BIGINT NOT NULL, base BIGINT NOT NULL, said TEXT NOT NULL,
        submitted {real} NOT NULL, outcome TEXT)""",
    "CREATE INDEX agentgraph_turns_by_conversation ON agentgraph_turns (conversation, number)",
    "CREATE INDEX agentgraph_turns_due ON agentgraph_turns (submitted) WHERE outcome IS NULL",
    "CREATE TABLE agentgraph_workers (id {text} PRIMARY KEY, until {real} NOT NULL)",
)
FORGET = "DELETE FROM agentgraph_turns WHERE conversation = ?"

_ABANDONED = """SELECT id FROM agentgraph_turns AS turn
    WHERE submitted < ? AND NOT EXISTS (SELECT 1 FROM agentgraph_conversations WHERE id = turn.conversation) ORDER BY id LIMIT 1000"""
_FORGET_ABANDONED = """DELETE FROM agentgraph_turns
    WHERE id = ? AND NOT EXISTS (SELECT 1 FROM agentgraph_conversations WHERE id = agentgraph_turns.conversation)"""
_SUBMIT = """INSERT INTO agentgraph_turns (id, conversation, number, base, said, submitted)
    SELECT ?, ?, coalesce(max(number), 0) + 1, coalesce((SELECT seq FROM agentgraph_conversations WHERE id = ?), -1), ?, {now}
    FROM agentgraph_turns WHERE conversation = ? ON CONFLICT (id) DO NOTHING"""
_TURN = "SELECT id, conversation, base, said, outcome FROM agentgraph_turns WHERE id = ?"
_DUE = """SELECT id, conversation, base, said, outcome FROM agentgraph_turns
    WHERE conversation = ? AND outcome IS NULL AND number <= (SELECT number FROM agentgraph_turns WHERE id = ?) ORDER BY number, id"""
_LEFT = """SELECT id, conversation, base, said, outcome FROM agentgraph_turns
    WHERE outcome IS NULL AND submitted <= {now} - ? ORDER BY submitted LIMIT ?"""
_SETTLE = "UPDATE agentgraph_turns SET outcome = ?, said = '' WHERE id = ? AND outcome IS NULL"
_BEGUN = "SELECT min(seq) FROM agentgraph_steps WHERE conversation = ? AND seq > ? AND substr(writer, 1, ?) = ?"
_BEAT = """INSERT INTO agentgraph_workers (id, until) VALUES (?, {now} + ?)
    ON CONFLICT (id) DO UPDATE SET until = excluded.until"""
_ALIVE = "SELECT id FROM agentgraph_workers WHERE until > {now}"
_LEAVE = "DELETE FROM agentgraph_workers WHERE id = ?"
_BURY = "DELETE FROM agentgraph_workers WHERE until <= {now} - 86400"


class Turn(Struct, frozen=True, gc=False):
    """One message that waits for its turn, or had it."""

    id: str
    conversation: str
    base: int
    """The last step of the conversation when it was submitted: what it leads to comes behind."""
    said: str
    """JSON of what the user said; empty when the turn is over."""
    outcome: str | None
    """JSON of what it came to; None until it is over."""


class TurnRows(ABC):
    """The part of a store in SQL that keeps turns. Every method may be asked again when its answer was lost."""

    @abstractmethod
    def _read(self, statement: str, *values: Any) -> Sequence[Any]:
        """The rows of a statement."""

    @abstractmethod
    def _wrote(self, statement: str, *values: Any) -> int:
        """How many rows a statement has written."""

    def submit(self, id: str, conversation: str, said: str) -> None:
        """Put a turn behind those that were submitted to its conversation before."""
        key = key_of(conversation)
        self._wrote(_SUBMIT, id, key, key, said, key)

    def turn(self, id: str) -> Turn | None:
        """The turn called `id`."""
        return next(map(_turn, self._read(_TURN, id)), None)

    def turns_due(self, turn: Turn) -> Sequence[Turn]:
        """What is not over of the conversation of `turn`, in the order in which it was submitted, up to `turn`."""
        return list(map(_turn, self._read(_DUE, key_of(turn.conversation), turn.id)))

    def turns_left(self, seconds: float, most: int = 1_000) -> Sequence[Turn]:
        """Those that were submitted `seconds` ago, or longer, and are not over."""
        return list(map(_turn, self._read(_LEFT, seconds, most)))

    def settle(self, id: str, outcome: str) -> None:
        """Write down what a turn came to; the first that is written stays."""
        self._wrote(_SETTLE, outcome, id)

    def forget_abandoned(self, moment: float) -> None:
        """Forget turns that were submitted before `moment`, seconds since 1970, to conversations that have never begun."""
        while sum(self._wrote(_FORGET_ABANDONED, row[0]) for row in self._read(_ABANDONED, moment)):
            pass

    def begun(self, turn: Turn, writer: str) -> int | None:
        """The first step of the conversation, behind the base of `turn`, that an owner whose name begins with `writer` has added."""
        after = max(turn.base, 0)  # step 0 is where the conversation began, which nobody said
        found: int | None = self._read(_BEGUN, key_of(turn.conversation), after, len(writer), writer)[0][0]
        return found

    def beat(self, worker: str, seconds: float) -> None:
        """Say that `worker` lives, and is to be believed dead when it does not say so within `seconds`."""
        self._wrote(_BEAT, worker, seconds)

    def workers(self) -> frozenset[str]:
        """Those that live."""
        return frozenset(row[0] for row in self._read(_ALIVE))

    def leave(self, worker: str) -> None:
        """Say that `worker` is gone; and forget those that have been for a day."""
        self._wrote(_LEAVE, worker)
        self._wrote(_BURY)


def _turn(row: Sequence[Any]) -> Turn:
    name, key, base, said, outcome = row
    return Turn(name, id_of(key), base, said, outcome)
