"""What is legal and still looks wrong: findings about a topology, each with a witness and a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.errors import Finding
from agentgraph.graph.findings import structural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.graph.topology import Topology


def findings(topology: Topology) -> list[Finding]:
    """All there is to say about `topology`: what stops it from being compiled first. O(agents + handoffs)."""
    return [*structural(topology), *_breaches(topology)]


def _breaches(topology: Topology) -> Iterator[Finding]:
    """Side doors: handoffs into a group past its root."""
    for edge in dict.fromkeys((e.source, e.target) for e in topology.edges):
        source, target = edge
        around = topology.groups_of(source)
        for group in topology.groups_of(target):
            root = topology.agent_at(topology.groups[group].root)
            if group not in around and root != target:
                yield Finding(
                    code="group-breach",
                    agents=edge,
                    message=f"{source!r} hands over to {target!r}, which is inside the group {group!r}, past its root {root!r}",
                    path=edge,
                    fix=f"hand over to {group!r}, or take {target!r} out of it",
                )
                break
