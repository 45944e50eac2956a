"""What a spec can see of a conversation, and what may watch it.

Three things happen in one: an agent is entered, a tool is called, a turn ends. The same happenings are walked by proofs,
stepped by the runner while it runs, and read back from recordings.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from msgspec import Struct


class Happening(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that happened. `call` means that the tool really ran, whatever came of it; being cut off by a limit is not `final`.

    >>> print(Happening("enter", "Billing"), Happening("call", "refund", "Billing"), Happening("final", agent="Billing"), sep=", ")
    enter Billing, call refund, final
    """

    kind: Literal["enter", "call", "final"]
    name: str = ""
    """The agent that was entered, or the tool that was called."""
    agent: str = ""
    """Whose call it was, or who ended the turn."""
    groups: tuple[str, ...] = ()
    """Around the agent that was entered, outermost first."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" if self.name else self.kind


NameKind = Literal["agent", "tool", "group"]


class Monitor(Protocol):
    """An automaton over happenings. Its states are small whole numbers, so that a context can hold the one it is in."""

    @property
    def start(self) -> int:
        """The state before anything happened."""
        ...

    @property
    def names(self) -> Iterable[tuple[NameKind, str]]:
        """The agents, tools and groups it speaks of, each of which must be there."""
        ...

    def after(self, state: int, happening: Happening) -> int:
        """The state that follows; BROKEN once and for all when the happening must not be."""
        ...

    def sees(self, tool: str) -> bool:
        """Whether calls of `tool` can matter to it: those that do not may run beside others."""
        ...

    def __str__(self) -> str:
        """What it demands, in words that tell it from others."""
        ...


BROKEN = -1
"""The state of a monitor whose demand was broken."""
