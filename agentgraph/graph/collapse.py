"""The quotient of a graph by its groups: a closed group becomes one node, and no path is lost.

Exact (nothing is gained either) for a group that is entered only at its root and whose root reaches every member that
has a handoff leading out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from agentgraph.definition.agent import Agent
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from agentgraph.graph.topology import Topology

T = TypeVar("T", bound="Topology")


def collapsed(topology: T, group: str | None, depth: int) -> T:
    """`topology` with some groups closed. O(agents + handoffs)."""
    if group is not None and group not in topology.groups:
        raise DefinitionError(f"graph {topology.name!r} has no group {group!r}; it has {listed(topology.groups)}")
    return quotient(topology, closed_groups(topology, group, depth))


def quotient(topology: T, closed: Collection[str]) -> T:
    """`topology` with the groups `closed` as single nodes. O(agents + handoffs)."""
    stands_for = stand_ins(topology, closed)
    small = type(topology)(
        topology.name,
        home=topology.home and _moved(topology.home, stands_for),
        human=[_moved(name, stands_for) for name in topology.humans],
    )
    for name, agent in topology.agents.items():
        if stands_for[name] not in small.agents:
            inside = not set(topology.groups_of(name)).isdisjoint(closed)
            small.add_agent(_closed_group(topology, stands_for[name]) if inside else agent.replace(handoffs=()))
    for edge in topology.edges:
        source, target = stands_for[edge.source], stands_for[edge.target]
        if source != target or edge.source == edge.target == source:
            small.add_handoff(source, edge.handoff.replace(target=target, tool_name=edge.tool))
    open_groups = (g for g in topology.groups.values() if set(topology.path_of(g.name)).isdisjoint(closed))
    small.regroup(g._replace(root=stands_for.get(g.root, g.root)) for g in open_groups)
    small.entry = dict.fromkeys(stands_for[name] for name in topology.entries)
    return small


def closed_groups(topology: Topology, group: str | None = None, depth: int = 0) -> frozenset[str]:
    """The groups that become one node: `group` alone, or those that lie `depth` groups deep."""
    if group is not None:
        return frozenset([group])
    return frozenset(name for name in topology.groups if len(topology.path_of(name)) == depth + 1)


def stand_ins(topology: Topology, closed: Collection[str]) -> Mapping[str, str]:
    """For every agent, the node that stands for it: the outermost closed group that holds it, or itself."""
    return {name: next((g for g in topology.groups_of(name) if g in closed), name) for name in topology.agents}


def _closed_group(topology: Topology, name: str) -> Agent:
    inside = [topology.agents[member] for member in topology.members(name)]
    tools = {tool.name: tool for agent in inside for tool in agent.tools}
    return Agent(
        name,
        description=topology.groups[name].description or f"a group of {len(inside)} agents",
        tools=tuple(tools.values()),
        may_finish=any(agent.may_finish for agent in inside),
    )


def _moved(name: str, stands_for: Mapping[str, str]) -> str:
    return stands_for.get(name, name)
