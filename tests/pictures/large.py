"""Large graphs, as organisations grow them: groups of ten around a hub, groups of groups, and links that nobody planned."""

from __future__ import annotations

import random

from agentgraph import Agent, AgentGraph
from agentgraph.graph.edge import Group

SIZE = 10
"""Agents in a group."""
FAN_OUT = 8
"""Groups in a group of groups."""


def large(agents: int, *, grouped: bool = True) -> AgentGraph:
    """So many agents: hubs that hand over to their nine and back, a tree of hubs, and one random handoff for ten agents."""
    chance = random.Random(agents)
    names = [f"Agent {at}" for at in range(agents)]
    graph = AgentGraph("works")
    for name in names:
        graph.add_agent(Agent(name))
    for at, name in enumerate(names):
        hub = at - at % SIZE
        if at != hub:
            graph.add_handoff(names[hub], name).add_handoff(name, names[hub])
        elif at:
            above = (at // SIZE - 1) // FAN_OUT * SIZE
            graph.add_handoff(names[above], name)
    for _ in range(agents // 10):
        source, target = chance.sample(names, 2)
        graph.add_handoff(source, target)
    if grouped:
        graph.regroup(_tree(names))
    return graph


def _tree(names: list[str]) -> list[Group]:
    """A group for every ten agents, in the group that its hub is handed over by."""
    count = (len(names) + SIZE - 1) // SIZE
    inside: dict[int, list[str]] = {at: [] for at in range(count)}
    for at in range(1, count):
        inside[(at - 1) // FAN_OUT].append(f"Group {at}")
    return [
        Group(
            f"Group {at}",
            names[at * SIZE],
            (*names[at * SIZE : at * SIZE + SIZE], *inside[at]),
            f"Group {(at - 1) // FAN_OUT}" if at else None,
        )
        for at in range(count)
    ]
