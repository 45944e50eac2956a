"""Moments: what happened in a run, as it is told to people. A trace is retold in these; every way of drawing a sequence reads them alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct


class Words(Struct, frozen=True):
    """What somebody or something gave: their own words, that stand in quotes, or what describes it."""

    text: str
    own: bool = True


class UserSpoke(Struct, frozen=True):
    """The user said something, or sent what is no text."""

    words: Words


class Resumed(Struct, frozen=True):
    """A run that was left is taken up; nobody has said anything."""


class Selected(Struct, frozen=True):
    """The runner found out who answers."""

    agent: str


class Asked(Struct, frozen=True):
    """A model is asked: anew, with the results of its calls, or again after what could not be used."""

    agent: str
    why: Literal["anew", "results", "again"] = "anew"


class Spoke(Struct, frozen=True):
    """A model called something, and perhaps said something beside."""

    agent: str
    text: str
    called: tuple[str, ...]


class Answered(Struct, frozen=True):
    """A model gave what the turn can end with."""

    agent: str


class Unusable(Struct, frozen=True):
    """A model gave what the turn cannot end with."""

    agent: str
    why: str


class ModelFell(Struct, frozen=True):
    """A model gave no answer."""

    agent: str
    error: str


class Called(Struct, frozen=True):
    """A tool was run: what it gave, what handlers made of it, and what happened inside of one that is an agent."""

    agent: str
    name: str
    gave: Words | None = None
    failed: str | None = None
    rewritten: Words | None = None
    ends: Literal["", "tool", "handler"] = ""
    """Who said that the run ends with it."""
    inside: tuple[Moment, ...] = ()
    earlier: tuple[str, ...] = ()
    """What its attempts before the last came to."""


class SideBySide(Struct, frozen=True):
    """Calls of one reply that were under way at the same time."""

    calls: tuple[Called, ...]


class Refused(Struct, frozen=True):
    """A call that was answered without being run; a handler may have put something else in the place of the reason."""

    agent: str
    name: str
    why: str
    rewritten: Words | None = None


class Requested(Struct, frozen=True):
    """A model called a handoff, to `target`, an agent or a group, that leads to the agent `leads_to`. `refused` is why it was not carried out."""

    agent: str
    tool: str
    target: str
    leads_to: str
    refused: str | None = None


class TookOver(Struct, frozen=True):
    """The conversation moved."""

    source: str
    agent: str
    reason: str = ""


class ApprovalAsked(Struct, frozen=True):
    """A call waits for a person."""

    agent: str
    name: str


class Decided(Struct, frozen=True):
    """A person allowed a call, or not."""

    agent: str
    name: str
    approved: bool
    reason: str = ""


class Ended(Struct, frozen=True):
    """The run is over: with an output, or an error."""

    agent: str
    output: Words | None = None
    error: str = ""
    by_handler: bool = False


Moment = (
    UserSpoke
    | Resumed
    | Selected
    | Asked
    | Spoke
    | Answered
    | Unusable
    | ModelFell
    | Called
    | SideBySide
    | Refused
    | Requested
    | TookOver
    | ApprovalAsked
    | Decided
    | Ended
)


def actors(moments: Iterable[Moment], *, inside: bool) -> Iterator[str]:
    """The agents that do something, in order, again and again; also those inside of tools."""
    for moment in moments:
        match moment:
            case SideBySide(calls):
                yield from actors(calls, inside=inside)
            case Called(agent=agent, inside=within):
                yield agent
                if inside:
                    yield from actors(within, inside=inside)
            case UserSpoke() | Resumed():
                pass
            case _:
                if moment.agent:
                    yield moment.agent
