"""What runs inside a tool that is an agent: it alone, which hands over to nobody, or a group, whose members hand over among themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.definition.agent import Agent
from agentgraph.graph.topology import Topology

if TYPE_CHECKING:
    from agentgraph.definition.tool import Tool


def inside_of(tool: Tool) -> tuple[Topology, Topology]:
    """The topology inside `tool`, entered at its first agent; and the one that knows in which groups its agents lie."""
    who = tool.agent
    if isinstance(who, Agent):
        alone = Topology.of(who.replace(handoffs=()), name=who.name)
        return alone, alone
    assert who is not None
    whole = Topology.of(who, name=who.name)
    inside = Topology(who.name)
    for name in whole.members(who.name):
        inside.add_agent(whole.agents[name].replace(handoffs=()))
    for edge in whole.edges:
        if edge.source in inside.agents and edge.target in inside.agents:
            inside.add_handoff(edge.source, edge.handoff.replace(target=edge.target, tool_name=edge.tool))
    return inside, whole
