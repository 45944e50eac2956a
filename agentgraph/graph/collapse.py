"""The quotient of a graph by its groups: a closed group becomes one node, and no path is lost.

Exact (nothing is gained either) for a group that is entered only at its root and whose root reaches every member that
has a handoff leading out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from agentgraph.definition.agent import Agent
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.graph.topology import Topology

T = TypeVar("T", bound="Topology")


def collapsed(topology: T, group: str | None, depth: int) -> T:
    """`topology` with some groups closed. O(agents + handoffs)."""
    if group is not None and group not in topology.groups:
        raise DefinitionError(f"graph {topology.name!r} has no group {group!r}; it has {listed(topology.groups)}")
    stands_for = quotient_map(topology, group, depth)
    small = type(topology)(topology.name, home=_moved(topology.home, stands_for), human=_moved(topology.human, stands_for))
    for name, agent in topology.agents.items():
        node = stands_for[name]
        if node not in small.agents:
            small.add_agent(
                agent.replace(handoffs=()) if node == name and not _closed(topology, node, stands_for) else _closed_group(topology, node)
            )
    for edge in topology.edges:
        source, target = stands_for[edge.source], stands_for[edge.target]
        if source != target or edge.source == edge.target == source:
            small.add_handoff(source, edge.handoff.replace(target=target, tool_name=edge.tool))
    small.regroup(
        g._replace(root=stands_for.get(g.root, g.root))
        for g in topology.groups.values()
        if g.name not in stands_for.values() and not set(topology.groups_of(g.name)) & set(stands_for.values())
    )
    small.entry = dict.fromkeys(stands_for[name] for name in topology.entries)
    return small


def quotient_map(topology: Topology, group: str | None = None, depth: int = 0) -> Mapping[str, str]:
    """For every agent, the node that stands for it: the outermost closed group that holds it, or itself."""

    def node(name: str) -> str:
        path = topology.groups_of(name)
        if group is not None:
            return group if group in path else name
        return path[depth] if len(path) > depth else name

    return {name: node(name) for name in topology.agents}


def _closed(topology: Topology, node: str, stands_for: Mapping[str, str]) -> bool:
    """A group may bear the name of its root: it is closed when another member stands behind that name too, or the group holds it."""
    return node in topology.groups and node in topology.groups_of(next(name for name, shown in stands_for.items() if shown == node))


def _closed_group(topology: Topology, name: str) -> Agent:
    inside = [topology.agents[member] for member in topology.members(name)]
    tools = {tool.name: tool for agent in inside for tool in agent.tools}
    return Agent(
        name,
        description=topology.groups[name].description or f"a group of {len(inside)} agents",
        tools=tuple(tools.values()),
        may_finish=any(agent.may_finish for agent in inside),
    )


def _moved(name: str | None, stands_for: Mapping[str, str]) -> str | None:
    return stands_for.get(name, name) if name is not None else None
