"""A colour for each agent: the same in every session, and different for as many as there are colours."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.machine.machine import Machine

_PALETTE = (
    "bold cyan",
    "bold magenta",
    "bold green",
    "bold yellow",
    "bold blue",
    "bold bright_red",
    "bold bright_cyan",
    "bold bright_magenta",
)


class Colours:
    """By the order in which the agents were written down; those inside tools come after the others."""

    def __init__(self, machine: Machine) -> None:
        self._order = {name: i for i, name in enumerate(dict.fromkeys(_names(machine)))}

    def of(self, agent: str) -> str:
        """The style of `agent`'s name."""
        return _PALETTE[self._order.get(agent, crc32(agent.encode(errors="replace"))) % len(_PALETTE)]


def _names(machine: Machine) -> Iterator[str]:
    yield from machine.agents
    for agent in machine.agents.values():
        for tool in agent.tools:
            if tool.agent is not None:
                yield from _names(machine.nested(tool))
