"""Topology <-> networkx.DiGraph."""

from __future__ import annotations

from typing import Any, TypeVar

import networkx as nx

from agentgraph.definition.agent import Agent
from agentgraph.definition.handoff import Handoff
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import Group
from agentgraph.graph.topology import Topology

T = TypeVar("T", bound=Topology)


def digraph_of(topology: Topology) -> nx.DiGraph[str]:
    """The frozen picture of `topology`. O(agents + handoffs)."""
    digraph: nx.DiGraph[str] = nx.DiGraph(
        name=topology.name,
        entry=topology.entries,
        home=topology.home,
        human=topology.human,
        groups=tuple(topology.groups.values()),
    )
    digraph.add_nodes_from((name, {"agent": agent, "groups": topology.groups_of(name)}) for name, agent in topology.agents.items())
    between: dict[tuple[str, str], list[Handoff]] = {}
    for edge in topology.edges:
        between.setdefault((edge.source, edge.target), []).append(edge.handoff)
    digraph.add_edges_from((u, v, {"handoffs": tuple(handoffs)}) for (u, v), handoffs in between.items())
    nx.freeze(digraph)
    return digraph


def fill(topology: T, digraph: nx.DiGraph[Any]) -> T:
    """Add to `topology` what `digraph` shows. A node without `agent` becomes an agent of that name, an edge without
    `handoffs` one handoff; a group that only nodes mention is entered at the first of them.
    """
    if not digraph.is_directed() or digraph.is_multigraph():
        raise DefinitionError(
            f"a {type(digraph).__name__} cannot be read as a topology; give a networkx.DiGraph whose nodes are agent names"
        )
    topology.home, topology.human = digraph.graph.get("home"), digraph.graph.get("human")
    for name, attributes in digraph.nodes(data=True):
        agent = attributes.get("agent") or Agent(name)
        if agent.name != name:
            raise DefinitionError(f"node {name!r} carries the agent {agent.name!r}; give each node the name of its agent")
        topology.add_agent(agent.replace(handoffs=()) if agent.handoffs else agent)
    for u, v, attributes in digraph.edges(data=True):
        for handoff in attributes.get("handoffs") or (Handoff(v),):
            topology.add_handoff(u, handoff if isinstance(handoff.target, str) else handoff.replace(target=handoff.target_name))
    topology.regroup(digraph.graph.get("groups") or _mentioned(digraph))
    if digraph.graph.get("entry"):
        topology.entry = digraph.graph["entry"]
    return topology


def _mentioned(digraph: nx.DiGraph[Any]) -> tuple[Group, ...]:
    found: dict[str, list[str]] = {}
    parents: dict[str, str | None] = {}
    for name, attributes in digraph.nodes(data=True):
        path: tuple[str, ...] = attributes.get("groups") or ()
        for parent, group, member in zip((None, *path), path, (*path[1:], name), strict=False):
            parents.setdefault(group, parent)
            if member not in found.setdefault(group, []):
                found[group].append(member)
    return tuple(Group(group, members[0], tuple(members), parents[group]) for group, members in found.items())
