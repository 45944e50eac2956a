"""What may watch a conversation: an automaton over what happens in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Protocol

from agentgraph.conversation.happening import Happening, HappeningKind

NameKind = Literal["agent", "tool", "group"]


SHOWN: frozenset[HappeningKind] = frozenset({"enter", "call", "final"})
"""What a monitor is shown that does not say in `kinds` what it wants to see."""


class Monitor(Protocol):
    """An automaton over happenings. Its states are small whole numbers, so that a context can hold the one it is in.

    One that wants to see more than agents entered, tools called and turns ended says so in `kinds`: a set of kinds of happenings.
    """

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


def is_shown(monitor: Monitor, happening: Happening) -> bool:
    """Whether `monitor` is to see `happening`."""
    return happening.kind in getattr(monitor, "kinds", SHOWN)


BROKEN = -1
"""The state of a monitor whose demand was broken."""
