"""Topology -> Picture of who is made of what: a runner over agents with their tools, and the context that they share.

`architecture` shows the parts; `full` shows how they work together: who creates, has, fires and hands over to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agentgraph.views.display import one_line, shortened
from agentgraph.views.picture import Arrow, Box, Picture
from agentgraph.views.topology_view import MOST, few, handoff_lines, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology
    from agentgraph.views.look import Tools

Ids = Callable[[str, str], str]
"""An id from a letter and a name."""

_CALLBACKS = ("on_agent_thinking", "on_tool_start/complete", "on_agent_handoff")
"""What the picture shows of the callbacks: those that tell who is at work."""


def architecture_picture(topology: Topology, tools: Tools, ids: Ids, sizes: Mapping[str, int]) -> Picture:
    """The runner, the shared context, and every agent with its tools and its handoff tools; `sizes` of the groups that are closed."""
    agents = {name: ids("A", name) for name in topology.agents}
    leaving = _leaving(topology)
    boxes = [Box("R", "Runner", "runner"), Box("C", "Shared Context", "context")]
    boxes += [_holder(box, name, sizes) for name, box in agents.items()]
    arrows = [Arrow("R", "C"), *(Arrow("R", box) for box in agents.values())]
    for name, agent in agents.items():
        own = list(_tool_boxes(topology, name, tools, ids))
        own += [
            Box(ids("H", f"{name} {edge.tool} {edge.target}"), _handoff_label(edge, alone=len(leaving[name]) == 1), "handoff", edge.tool)
            for edge in leaving[name]
        ]
        boxes += own
        arrows += [Arrow(agent, box.id) for box in own]
    arrows += [Arrow("C", box, line="dotted") for box in agents.values()]
    return Picture(tuple(boxes), tuple(arrows))


def full_picture(topology: Topology, tools: Tools, ids: Ids, sizes: Mapping[str, int]) -> Picture:
    """The user, the runner that is made once and the engine that is made for each turn, context, callbacks, agents and tools."""
    agents = {name: ids("A", name) for name in topology.agents}
    leaving = _leaving(topology)
    boxes = [
        Box("U", "User", "user"),
        Box("AR", "AgentRunner\nThread-safe API", "runner"),
        Box("R", "Runner\nExecution Engine", "engine"),
        Box("C", "Shared Context\nSerializable State", "context"),
        *(_holder(box, name, sizes, "Role + Instructions") for name, box in agents.items()),
    ]
    arrows = [Arrow("U", "AR", "Runner.with_agents(...)"), Arrow("AR", "R", "Creates per turn"), Arrow("R", "C")]
    arrows += [Arrow("R", box) for box in agents.values()]
    for name, agent in agents.items():
        own = list(_tool_boxes(topology, name, tools, ids))
        boxes += own
        arrows += [Arrow(agent, box.id, "Has") for box in own]
        arrows += [
            Arrow(agent, agents[edge.target], few(["Can handoff to", *handoff_lines(edge)]), name=edge.tool) for edge in leaving[name]
        ]
    boxes.append(Box("CB", "Callbacks\nReal-time Events", "callbacks"))
    arrows.append(Arrow("AR", "CB", "Fires"))
    arrows += [Arrow("C", box, "Persists across", "dotted") for box in agents.values()]
    arrows += [Arrow("CB", "U", callback) for callback in _CALLBACKS]
    return Picture(tuple(boxes), tuple(arrows))


def _holder(box: str, name: str, sizes: Mapping[str, int], *made_of: str) -> Box:
    """An agent, or a closed group, which says how many it holds."""
    if name in sizes:
        return Box(box, f"Group: {_short(name)}\n{number(sizes[name], 'agent')}", "group", name)
    return Box(box, "\n".join([f"Agent: {_short(name)}", *made_of]), "agent", name)


def _leaving(topology: Topology) -> Mapping[str, list[Edge]]:
    leaving: dict[str, list[Edge]] = {name: [] for name in topology.agents}
    for edge in topology.edges:
        leaving[edge.source].append(edge)
    return leaving


def _tool_boxes(topology: Topology, agent: str, tools: Tools, ids: Ids) -> Iterator[Box]:
    own = topology.agents[agent].tools
    if tools == "box":
        for tool in own:
            yield Box(ids("T", f"{agent} {tool.name}"), f"Tool: {tool.name}", "tool", tool.name, about=tool.description)
    elif tools == "badge" and own:
        yield Box(ids("T", agent), number(len(own), "tool"), "tool")


def _handoff_label(edge: Edge, *, alone: bool) -> str:
    lines = list(handoff_lines(edge))
    return few(["Handoff Tool" if alone else f"Handoff Tool: {_short(edge.target)}", *lines])


def _short(name: str) -> str:
    return shortened(one_line(name), MOST)
