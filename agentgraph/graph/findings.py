"""What makes a graph impossible to compile: names that lead nowhere, and names that two would share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.definition.naming import snake_case
from agentgraph.errors import Finding
from agentgraph.graph.edge import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology


def structural(topology: Topology) -> tuple[Finding, ...]:
    """All that stops `topology` from being compiled, each thing once. O(agents + tools + handoffs)."""
    unique: dict[tuple[str, tuple[str, ...]], Finding] = {}
    for found in (
        *_empty(topology),
        *_unknown_targets(topology),
        *_unknown_roles(topology),
        *_namesakes(topology),
        *_shared_tool_names(topology),
    ):
        unique.setdefault((found.code, tuple(sorted(found.agents))), found)
    return tuple(unique.values())


def _empty(topology: Topology) -> Iterator[Finding]:
    if not topology.agents:
        yield Finding(
            code="no-agent", message=f"{topology.name!r} has no agents", fix="add one with add_agent(Agent(...))", severity="error"
        )


def _unknown_targets(topology: Topology) -> Iterator[Finding]:
    known = listed((*topology.agents, *topology.groups))
    for source, handoff in topology.dangling:
        target = handoff.target_name
        missing = target if topology.agent_at(target) is None else source
        yield Finding(
            code="unknown-target",
            agents=(source, target),
            message=f"the handoff from {source!r} to {target!r} names {missing!r}, which is not in the graph",
            fix=f"add it, or name one of {known}",
            severity="error",
        )


def _unknown_roles(topology: Topology) -> Iterator[Finding]:
    tools = {tool.name for agent in topology.agents.values() for tool in agent.tools}
    roles = [("home", topology.home, set[str]()), *(("human", name, tools) for name in topology.humans)]
    for role, name, known in roles:
        if name is not None and topology.agent_at(name) is None and name not in known:
            message = f"{topology.name!r} declares {role}={name!r}, which is not in the graph"
            yield Finding(
                code="unknown-target", agents=(name,), message=message, fix=f"name one of {listed(topology.agents)}", severity="error"
            )


def _namesakes(topology: Topology) -> Iterator[Finding]:
    """Agents that a model could not tell apart: their names are one as the name of a tool."""
    first: dict[str, str] = {}
    for name in topology.agents:
        other = first.setdefault(snake_case(name), name)
        if other != name and not (_named_by_hand(topology, name) or _named_by_hand(topology, other)):
            message = f"the agents {other!r} and {name!r} have one name as a tool, {snake_case(name)!r}"
            yield _collision((other, name), message, "rename one, or give the handoffs to one of them a tool_name")
    for group in topology.groups.values():
        if group.name in topology.agents and topology.agent_at(group.root) != group.name:
            yield _collision((group.name,), f"{group.name!r} is a group and an agent that is not its root", "rename one")


def _named_by_hand(topology: Topology, agent: str) -> bool:
    """Whether every handoff to `agent`, and there is one, has a tool name that was chosen for it."""
    leading = [edge.handoff for edge in topology.edges if edge.target == agent]
    return bool(leading) and all(handoff.tool_name for handoff in leading)


def _shared_tool_names(topology: Topology) -> Iterator[Finding]:
    """Two tools or handoffs that one agent would offer under one name."""
    leaving: dict[str, list[Edge]] = {}
    for edge in topology.edges:
        leaving.setdefault(edge.source, []).append(edge)
    for name, agent in topology.agents.items():
        taken: dict[str, tuple[str, str]] = {}
        for tool in agent.tools:
            if tool.name in taken:
                yield _collision((name,), f"agent {name!r} has two tools called {tool.name!r}", "rename one with tool.replace(name=...)")
            taken[tool.name] = ("tool", tool.name)
        for edge in leaving.get(name, ()):
            if edge.tool in taken:
                kind, other = taken[edge.tool]
                message = f"agent {name!r} offers the {kind} {other!r} and a handoff to {edge.target!r} under one name, {edge.tool!r}"
                agents = (other, edge.target) if kind == "handoff to" and other != edge.target else (name, edge.target)
                yield _collision(agents, message, "give one of them another tool_name")
            taken[edge.tool] = ("handoff to", edge.target)


def _collision(agents: tuple[str, ...], message: str, fix: str) -> Finding:
    return Finding(code="name-collision", agents=agents, message=message, fix=fix, severity="error")
