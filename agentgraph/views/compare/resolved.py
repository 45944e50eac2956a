"""A topology whose handoffs are given as edges, rather than written by name: what machines hold, and what comparing makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from agentgraph.definition.naming import handoff_tool_name
from agentgraph.graph.topology import Topology

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.graph.edge import Edge, Group
    from agentgraph.machine.machine import Machine


class Resolved(Topology):
    """Agents, edges between them, and groups around them."""

    _given: tuple[Edge, ...] | None = None

    @classmethod
    def made(
        cls,
        name: str,
        agents: Iterable[Agent],
        edges: Iterable[Edge],
        groups: Iterable[Group] = (),
        entries: Iterable[str] = (),
        home: str | None = None,
        human: str | Iterable[str] | None = None,
    ) -> Self:
        """The topology of these."""
        topology = cls(name, home=home, human=human)
        for agent in agents:
            topology.add_agent(agent.replace(handoffs=()) if agent.handoffs else agent)
        topology.regroup(groups)
        if entries:
            topology.entry = entries
        topology._given = tuple(edges)
        return topology

    @property
    def edges(self) -> tuple[Edge, ...]:
        """The edges that were given."""
        return super().edges if self._given is None else self._given


def of_machine(machine: Machine) -> Topology:
    """The topology that `machine` was compiled from."""
    return Resolved.made(machine.name, machine.agents.values(), machine.edges, machine.groups.values(), machine.entries)


def renamed(topology: Topology, names: Mapping[str, str], model: Topology) -> Topology:
    """`topology` with agents under other names. Tools that were named after their targets follow, where they do in `model`."""
    if not names:
        return topology
    wanted = {edge[:3] for edge in model.edges}

    def called(name: str) -> str:
        return names.get(name, name) if name in topology.agents else name

    taken = {(called(source), called(target), tool) for source, target, tool, _ in topology.edges}

    def moved(edge: Edge) -> Edge:
        source, target, tool = called(edge.source), called(edge.target), edge.tool
        following = (source, target, handoff_tool_name(target))
        if tool == handoff_tool_name(edge.target) and (source, target, tool) not in wanted and following in wanted - taken:
            tool = following[2]
        named = edge.handoff.tool_name and tool
        return edge._replace(source=source, target=target, tool=tool, handoff=edge.handoff.replace(target=target, tool_name=named))

    return Resolved.made(
        topology.name,
        (agent.replace(name=called(name), handoffs=()) for name, agent in topology.agents.items()),
        (moved(edge) if {edge.source, edge.target} & names.keys() else edge for edge in topology.edges),
        (group._replace(root=called(group.root), members=tuple(map(called, group.members))) for group in topology.groups.values()),
        tuple(map(called, topology.entries)),
        home=topology.home and called(topology.home),
        human=tuple(map(called, topology.humans)),
    )
