"""What a topology is made of, resolved: edges between agents, and groups by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from agentgraph.definition.handoff import Handoff


class Edge(NamedTuple):
    """A handoff between two agents, as it is: groups resolved to their members and roots, the tool named."""

    source: str
    target: str
    tool: str
    handoff: Handoff

    @property
    def leads_to(self) -> tuple[str, str]:
        """The agent, and what was named for it: itself, or a group whose root it is."""
        return self.target, self.handoff.target_name


class Group(NamedTuple):
    """A group as the graph holds it: names, not values."""

    name: str
    root: str
    members: tuple[str, ...]
    """Agents and groups directly in it, the root first."""
    parent: str | None
    description: str = ""


def root_first(group: Group) -> tuple[str, ...]:
    """A root that is not among the members stays out, and is refused."""
    return (group.root, *(m for m in group.members if m != group.root)) if group.root in group.members else tuple(group.members)


def listed(names: Iterable[str], most: int = 8) -> str:
    """A few names for an error message."""
    every = list(names)
    shown = ", ".join(map(repr, every[:most]))
    return f"{shown} and {len(every) - most} more" if len(every) > most else shown or "none"
