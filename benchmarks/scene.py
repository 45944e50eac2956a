"""Scenes: who is there, what the user says, what the model is scripted to answer.

Every contestant is built from the same scene, so all of them do the same work. Arguments of calls are JSON text and ids
are unique, as providers send them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple


class Asked(NamedTuple):
    """A call that the scripted model asks for."""

    id: str
    tool: str
    arguments: str


class Role(NamedTuple):
    """An agent: its name, whether it has the one tool there is, and whom it can hand over to."""

    name: str
    has_tool: bool = False
    handoffs: tuple[str, ...] = ()

    @property
    def instructions(self) -> str:
        """Its system message."""
        return f"You are {self.name}. Help the customer."


class Scene(NamedTuple):
    """One turn to be played, any number of times."""

    roles: tuple[Role, ...]
    script: tuple[str | tuple[str, str], ...]
    """Text, or (tool, arguments)."""
    said: str = "What is the balance of ACC-17?"

    @property
    def handoffs(self) -> bool:
        """Whether anyone can hand over."""
        return any(role.handoffs for role in self.roles)

    def lines(self, turn: int = 0) -> Iterator[str | Asked]:
        """The model's answers in one turn; no two turns share an id."""
        for at, line in enumerate(self.script):
            yield line if isinstance(line, str) else Asked(f"call_{turn}_{at}_b7Qx", *line)


CHECK = ("check_balance", '{"account_id": "ACC-17"}')
ANSWER = "The balance of ACC-17 is $1,250.00."


def check_balance(account_id: str) -> dict[str, str]:
    """Current balance of an account."""
    return {"account_id": account_id, "balance": "1250.00", "currency": "USD"}


async def acheck_balance(account_id: str) -> dict[str, str]:
    """Current balance of an account."""
    return {"account_id": account_id, "balance": "1250.00", "currency": "USD"}


def to(target: str) -> tuple[str, str]:
    """The call that hands over to `target`."""
    return (f"handoff_to_{target}", '{"reason": "a question about money"}')


# -- the scenes --------------------------------------------------------------------------------------------------------

PLAIN = Scene((Role("billing"),), (ANSWER,))
TOOL = Scene((Role("billing", has_tool=True),), (CHECK, ANSWER))
HANDOFF = Scene((Role("triage", handoffs=("billing",)), Role("billing", has_tool=True)), (to("billing"), CHECK, ANSWER))
CHAIN = Scene(
    (*(Role(f"agent_{i}", handoffs=(f"agent_{i + 1}",)) for i in range(20)), Role("agent_20")),
    (*(to(f"agent_{i + 1}") for i in range(20)), ANSWER),
)


def wide(agents: int) -> Scene:
    """`agents` agents with five handoffs each; the first answers."""
    names = [f"agent_{i}" for i in range(agents)]
    return Scene(
        tuple(Role(name, True, tuple(names[(i * 7 + k) % agents] for k in range(1, 6))) for i, name in enumerate(names)), (ANSWER,)
    )


# -- who speaks --------------------------------------------------------------------------------------------------------

LINES: ContextVar[Iterator[str | Asked]] = ContextVar("LINES")
"""What the model has left to say in the conversation at hand. Tasks and threads carry it, so a thousand conversations share one model."""
PAUSE: ContextVar[float] = ContextVar("PAUSE", default=0.0)
"""Seconds that the model takes for a line."""


def next_line() -> str | Asked:
    """What the model says now, after its pause."""
    if seconds := PAUSE.get():
        time.sleep(seconds)
    return next(LINES.get())


async def anext_line() -> str | Asked:
    """The same, awaited."""
    if seconds := PAUSE.get():
        await asyncio.sleep(seconds)
    return next(LINES.get())
