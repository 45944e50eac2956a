"""What a chat needs of whoever sits before it. One implementation is a terminal, the other a pair of pipes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

from msgspec import Struct

from agentgraph.cli.telling import Told, arguments_of
from agentgraph.runtime.observations import AgentThinking, LLMCallComplete, Observation, RunCompleted, TextDelta, ToolCompleted, ToolStarted

Tone = Literal["plain", "dim", "error"]


class Row(Struct, frozen=True):
    """Something that goes on right now: `agent` does `what` since `since`."""

    key: tuple[str, ...]
    agent: str
    what: str
    since: float

    @property
    def depth(self) -> int:
        """How many agents used as tools it lies within."""
        return len(self.key) - 1


Rows = tuple[Row, ...]


class Terminal(Protocol):
    """Reads lines, shows what happens. Everything it is given to show is untrusted."""

    attended: bool
    """Whether a person sits there: one who may stop an answer and go on."""

    def ask(self) -> str | None:
        """The next line; None when there will be no more."""

    def decide(self, question: str) -> str | None:
        """The answer to a question in the middle of a turn; None when there is nobody to give one."""

    def turn(self) -> AbstractContextManager[object]:
        """Around a turn, however it ends."""

    def busy(self, rows: Rows) -> None:
        """What goes on now, until told otherwise. Ends what was being said."""

    def say(self, agent: str, text: str) -> None:
        """A piece of what `agent` says."""

    def tell(self, it: Told) -> None:
        """One thing that happened."""

    def show(self, text: str, tone: Tone = "plain") -> None:
        """Lines of the chat's own."""


def going_on(rows: Rows, observation: Observation, now: float) -> Rows:
    """What goes on after `observation`, if `rows` went on before."""
    within = observation.within
    match observation:
        case AgentThinking(agent=agent):
            return (*_without(rows, (*within, "")), Row((*within, ""), agent, "thinks", now))
        case TextDelta() if not within:
            return _without(rows, ("",))
        case LLMCallComplete():
            return _without(rows, (*within, ""))
        case ToolStarted(agent=agent, call=call):
            return (*rows, Row((*within, call.id), agent, f"{call.name}({arguments_of(call)})", now))
        case ToolCompleted(call=call):
            return _without(rows, (*within, call.id))
        case RunCompleted():
            return ()
        case _:
            return rows


def _without(rows: Rows, key: tuple[str, ...]) -> Rows:
    return tuple(row for row in rows if row.key[: len(key)] != key)
