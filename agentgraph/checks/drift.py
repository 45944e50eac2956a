"""Drift: how what really happens differs from what is declared. As a value, as text, as JSON, and as one picture of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.checks.traffic import Traffic, traffic_of
from agentgraph.definition.agent import Agent
from agentgraph.definition.handoff import Handoff
from agentgraph.definition.naming import acceptable
from agentgraph.definition.tool import Tool
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import Edge
from agentgraph.graph.topology import Topology

if TYPE_CHECKING:
    from agentgraph.views.diagram import Diagram
    from agentgraph.views.picture import Arrow, Picture
    from agentgraph.views.theme import Theme

SCHEMA = 1
Pair = tuple[str, str]
_PARTS = ("undeclared_agents", "undeclared_handoffs", "undeclared_tools", "unused_agents", "unused_handoffs", "unused_tools")


class Drift(Struct, frozen=True, kw_only=True):
    """From what `graph` declares to what `traffic` has seen. True where there is any drift; in a notebook it shows itself.

    Handoffs are pairs of agents, tools pairs of an agent and a tool's name; all ordered by name.
    """

    graph: Topology
    traffic: Traffic
    undeclared_agents: tuple[str, ...] = ()
    undeclared_handoffs: tuple[Pair, ...] = ()
    undeclared_tools: tuple[Pair, ...] = ()
    unused_agents: tuple[str, ...] = ()
    unused_handoffs: tuple[Pair, ...] = ()
    unused_tools: tuple[Pair, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, part) for part in _PARTS)

    def __str__(self) -> str:
        return "\n".join([f"{self.graph.name!r} against {self.traffic.runs:,} runs", *(self._told() if self else ["  no drift"])])

    def __repr__(self) -> str:
        return f"Drift({self.graph!r}, {', '.join(f'{len(getattr(self, part))} {part}' for part in _PARTS)})"

    def _told(self) -> Iterator[str]:
        seen = self.traffic
        for name in self.undeclared_agents:
            yield f"  not declared: agent {name!r}, {seen.agents[name]:,} messages"
        for source, target in self.undeclared_handoffs:
            yield f"  not declared: handoff {source!r} -> {target!r}, {seen.handoffs[source, target]:,} times"
        for agent, tool in self.undeclared_tools:
            yield f"  not declared: tool {tool!r} of {agent!r}, {seen.calls[agent, tool]:,} times"
        yield from (f"  never used: agent {name!r}" for name in self.unused_agents)
        yield from (f"  never used: handoff {source!r} -> {target!r}" for source, target in self.unused_handoffs)
        yield from (f"  never used: tool {tool!r} of {agent!r}" for agent, tool in self.unused_tools)

    def to_dict(self) -> dict[str, Any]:
        """It as JSON values, with the number of their schema and all that was counted."""
        seen = self.traffic
        counted = {
            "runs": seen.runs,
            "agents": dict(seen.agents),
            "handoffs": [[*pair, count] for pair, count in sorted(seen.handoffs.items())],
            "calls": [[*pair, count] for pair, count in sorted(seen.calls.items())],
        }
        return {
            "agentgraph_drift": SCHEMA,
            "graph": self.graph.name,
            "is_empty": not self,
            **{part: [list(each) if isinstance(each, tuple) else each for each in getattr(self, part)] for part in _PARTS},
            "counted": counted,
        }

    def diagram(self, *, theme: str | Theme | None = None, **look: Any) -> Diagram:
        """Both in one picture: arrows as wide as their traffic, with its count; what is not declared red and dashed, and said so.

        Options as of `graph.diagram`.

        Raises:
            DefinitionError: for an option, a group or an agent that there is not.
        """
        from agentgraph.views.compare.overlay import Overlaid
        from agentgraph.views.compare.painter import Fate, Fates
        from agentgraph.views.diagram import Diagram
        from agentgraph.views.look import look_at
        from agentgraph.views.scene import picture_of

        graph, seen = self.graph, look_at(**look)
        strangers = [
            Edge(source, target, f"undeclared_{at}", Handoff(target)) for at, (source, target) in enumerate(self.undeclared_handoffs)
        ]
        both = Overlaid.made(
            graph.name,
            [*map(self._with_tools, graph.agents.values()), *(self._with_tools(Agent(name)) for name in self.undeclared_agents)],
            [*graph.edges, *strangers],
            graph.groups.values(),
            graph.entries,
            home=graph.home,
            human=graph.human,
        )
        undeclared, unused = Fate("removed", ("not declared",)), Fate("changed", ("never used",))
        both.fates = Fates(
            agents={**dict.fromkeys(self.undeclared_agents, undeclared), **dict.fromkeys(self.unused_agents, unused)},
            handoffs={
                **{edge[:3]: unused for edge in graph.edges if (edge.source, edge.target) in set(self.unused_handoffs)},
                **{edge[:3]: undeclared for edge in strangers},
            },
            tools={
                **{(agent, acceptable(tool)): undeclared for agent, tool in self.undeclared_tools},
                **dict.fromkeys(self.unused_tools, unused),
            },
            groups={},
        )
        return Diagram(_weighed(picture_of(both, seen), both, self.traffic), theme)

    def _with_tools(self, agent: Agent) -> Agent:
        held = {tool.name for tool in agent.tools}
        more = dict.fromkeys(acceptable(tool) for name, tool in self.undeclared_tools if name == agent.name)
        return agent.replace(tools=(*agent.tools, *(Tool(name=name) for name in more if name not in held)), handoffs=())

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return self.diagram()._repr_mimebundle_(**options) | {"text/plain": str(self)}

    def _mime_(self) -> tuple[str, str]:
        """What marimo shows."""
        return self.diagram()._mime_()


def drift(topology: Topology, observed: Any) -> Drift:
    """How `observed` (a graph that was observed, or runs) differs from `topology`. O(agents + handoffs + tools).

    Raises:
        DefinitionError: for what is no record of a run.
    """
    traffic = getattr(observed, "traffic", None)
    if not isinstance(traffic, Traffic):
        traffic = traffic_of(_runs_of(observed), topology)
    handoffs = {(edge.source, edge.target) for edge in topology.edges}
    by_tool = {(edge.source, edge.tool) for edge in topology.edges}
    tools = {(agent.name, tool.name) for agent in topology.agents.values() for tool in agent.tools}
    return Drift(
        graph=topology,
        traffic=traffic,
        undeclared_agents=_in_order(traffic.agents.keys() - topology.agents.keys()),
        undeclared_handoffs=_in_order(traffic.handoffs.keys() - handoffs),
        undeclared_tools=_in_order(traffic.calls.keys() - tools - by_tool),
        unused_agents=_in_order(topology.agents.keys() - traffic.agents.keys()),
        unused_handoffs=_in_order(handoffs - traffic.handoffs.keys()),
        unused_tools=_in_order(tools - traffic.calls.keys()),
    )


def _runs_of(observed: Any) -> Any:

    if isinstance(observed, Topology):
        raise DefinitionError(
            f"drift was given the graph {observed.name!r}, which was not observed; give AgentGraph.observed(runs), or the runs"
        )
    return observed


def _in_order(names: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(names))


def _weighed(picture: Picture, topology: Topology, traffic: Traffic) -> Picture:
    """`picture`, with arrows as wide as their traffic. What lies in a closed group counts for the group."""
    from agentgraph.views.traffic import HOLDERS

    boxes = {box.name: box.id for box in picture.boxes if box.kind in HOLDERS}
    counts: dict[Pair, int] = {}
    for (source, target), count in traffic.handoffs.items():
        ends = _box(source, topology, boxes), _box(target, topology, boxes)
        if ends[0] != ends[1] or source == target:
            counts[ends] = counts.get(ends, 0) + count
    return replace(picture, arrows=tuple(_wide(arrow, counts) for arrow in picture.arrows))


def _box(agent: str, topology: Topology, boxes: dict[str, str]) -> str:
    around = topology.groups_of(agent) if agent in topology.agents else ()
    return next((boxes[name] for name in (agent, *around) if name in boxes), "")


def _wide(arrow: Arrow, counts: dict[Pair, int]) -> Arrow:
    count = counts.get((arrow.source, arrow.target), 0) + (counts.get((arrow.target, arrow.source), 0) if arrow.both else 0)
    if not count:
        return arrow
    said = f"x{count:,}"
    return replace(arrow, label=f"{arrow.label}\n{said}" if arrow.label else said, weight=arrow.weight + count)
