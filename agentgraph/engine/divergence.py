"""Divergence: the first place where a graph does something else than was recorded, as a value."""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal[
    "agent gone",
    "another agent",
    "handoff gone",
    "handoff elsewhere",
    "handoff refused",
    "handoff permitted",
    "tool gone",
    "tool refused",
    "tool permitted",
    "arguments",
    "approval",
    "handler",
    "order",
    "may not finish",
    "answer",
    "facts",
    "data",
    "end",
    "history",
    "event",
]


class Divergence(Struct, frozen=True, kw_only=True):
    """The first place where a graph does something else than was recorded."""

    kind: Kind
    event: int | None
    """Which of the trace's events; None in a recording that is messages alone."""
    message: int
    """Which message of the conversation."""
    agent: str
    """Who held the conversation."""
    name: str = ""
    """What it is about: the agent that a handoff led to, the tool, or the agent that answered."""
    recorded: str
    found: str
    within: tuple[str, ...] = ()
    """The calls of the agents used as tools around it, outermost first; `message` is of the conversation inside."""

    def at(self, within: tuple[str, ...]) -> Divergence:
        """This divergence, inside these calls."""
        return replace(self, within=within)

    def __str__(self) -> str:
        """One line."""
        where = f"message {self.message}" if self.event is None else f"event {self.event}, message {self.message}"
        inside = f" inside {' > '.join(self.within)}" if self.within else ""
        said = f"{where}{inside}, {self.agent!r}: {self.kind}: {self.name!r}; recorded: {self.recorded}; now: {self.found}"
        return " ".join(said.split())


class Replayed(NamedTuple):
    """What came of a recording: the agents that held the conversation while all was as recorded, and where it no longer was."""

    path: tuple[str, ...]
    divergence: Divergence | None
