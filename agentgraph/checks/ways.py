"""Facts about the ways through a graph, as plain data: how far everything is, and past whom one must go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx

from agentgraph.checks.explored import Explored, explore, is_handoff
from agentgraph.errors import DefinitionError
from agentgraph.possible.model import Model

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology


def reached(topology: Topology) -> Explored:
    """Every state that conversations come to. With more facts than a proof takes, each fact that somebody sets counts as true.

    O(agents * 2^facts), and what is offered at each.
    """
    try:
        return explore(model := Model(topology), model.starts())
    except DefinitionError:  # too many facts or states
        return explore(model := Model(topology, guarded=False), model.starts())


def handoffs_to(topology: Topology) -> dict[str, int]:
    """How many handoffs it takes to each agent that can be reached, from the nearest entry; guards count. O(states * what is offered).

    >>> from agentgraph import Agent, AgentGraph
    >>> handoffs_to(AgentGraph.of(Agent("Triage", handoffs=["Billing"]), Agent("Billing"), Agent("Nobody's")))
    {'Triage': 0, 'Billing': 1}
    """
    explored = reached(topology)
    found: dict[str, int] = {}
    for state, came in explored.came.items():
        name = explored.model.holder(state)
        if name is not None:
            found[name] = min(came.handoffs, found.get(name, came.handoffs))
    return found


def handoffs_to_tools(topology: Topology) -> dict[str, int]:
    """How many handoffs it takes until each tool may be called, from the nearest entry; tools that cannot be are left out.

    >>> from agentgraph import Agent, AgentGraph, Tool
    >>> handoffs_to_tools(AgentGraph.of(Agent("Triage", handoffs=["Billing"]), Agent("Billing", tools=[Tool(name="refund")])))
    {'refund': 1}
    """
    explored = reached(topology)
    found: dict[str, int] = {}
    for state, came in explored.came.items():
        for step in explored.steps[state]:
            if step.happening.kind == "call":
                found[step.happening.name] = min(came.handoffs, found.get(step.happening.name, came.handoffs))
    return found


def must_pass_through(topology: Topology) -> dict[str, tuple[str, ...]]:
    """Whom one must pass, and to reach whom: the agents that cannot be reached from the entries when the key is deleted.

    By the handoffs alone, of the agents that can be reached; guards only add to it, and `no_way_around` counts them. Where all
    conversations begin at one agent, that one is left out. Dominators of the graph below one root, O(agents * handoffs) at worst.

    >>> from agentgraph import Agent, AgentGraph
    >>> must_pass_through(AgentGraph.of(Agent("A", handoffs=["B"]), Agent("B", handoffs=["C"]), Agent("C")))
    {'B': ('C',)}
    """
    live = live_handoffs(reached(topology))
    root, entries = object(), topology.entries
    below: nx.DiGraph[Any] = nx.DiGraph([(root, entry) for entry in entries])
    below.add_edges_from(live)
    above = nx.immediate_dominators(below, root) if entries else {}
    found: dict[str, list[str]] = {}
    for agent in topology.agents:
        via = above.get(agent, root)
        while via is not root:
            if (via,) != entries:
                found.setdefault(via, []).append(agent)
            via = above[via]
    return {via: tuple(found[via]) for via in topology.agents if via in found}


def live_handoffs(explored: Explored) -> list[tuple[str, str]]:
    """The handoffs, (source, target), that some conversation can take, in the order they are met."""
    found: dict[tuple[str, str], None] = {}
    for state in explored.came:
        source = explored.model.holder(state)
        if source is not None:
            for step in explored.steps[state]:
                if is_handoff(step) and explored.model.holder(step.to) is not None:
                    found[source, step.happening.name] = None
    return list(found)
