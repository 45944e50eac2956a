"""Rooms: where agents hand over to each other. The graph itself is one; the inside of every agent or group that is used as a tool is another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from agentgraph.conversation.happening import Happening
from agentgraph.graph.inside import inside_of

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology


class Room:
    """Agents, the handoffs among them, and where they are entered. Immutable once made."""

    def __init__(self, topology: Topology, around: Topology, also: Iterable[str] = ()) -> None:
        """`around` is the topology whose groups hold the agents; `also` are entered, beside the entries."""
        self.agents, self.entries, self._around = dict(topology.agents), tuple(dict.fromkeys((*topology.entries, *also))), around
        self.leaving: dict[str, list[Edge]] = {name: [] for name in self.agents}
        for edge in topology.edges:
            self.leaving[edge.source].append(edge)

    def entering(self, agent: str) -> Happening:
        """That `agent` comes to hold the conversation here."""
        return Happening("enter", agent, groups=self._around.groups_of(agent))

    def connected(self, facts: frozenset[str]) -> Iterator[str]:
        """The agents that some chain of handoffs leads to if `facts` are true. O(agents + handoffs)."""
        seen = dict.fromkeys(self.entries)
        todo = list(seen)
        for agent in todo:
            yield agent
            for edge in self.leaving[agent]:
                if edge.target not in seen and edge.handoff.requires <= facts:
                    seen[edge.target] = None
                    todo.append(edge.target)


def may_end(agent: Agent) -> bool:
    """Whether turns may end at `agent`: by an answer, or because its handler says so."""
    return agent.may_finish or agent.on_tool_output is not None


def outcome(tool: Tool, agent: str, *, given: bool) -> Happening:
    """That a call of `agent`'s gave its output, or that it failed."""
    return Happening("success" if given else "failure", tool.name, agent)


def outermost(topology: Topology, also: Iterable[str] = ()) -> Room:
    """The room that conversations begin in: the graph. `also` are agents that they are thought to begin with, beside the entries."""
    return Room(topology, topology, also)


def room_in(tool: Tool) -> Room:
    """The room inside a tool that is an agent or a group."""
    return Room(*inside_of(tool))


def offered(outside: Room, facts: frozenset[str]) -> Iterator[Tool | Edge]:
    """Every tool and handoff that can be reached if `facts` are true, inside tools too; each inside once, however many tools it is inside of."""
    rooms = [outside]
    seen: set[int] = set()
    for room in rooms:
        for name in room.connected(facts):
            yield from room.leaving[name]
            for tool in room.agents[name].tools:
                if not tool.requires <= facts:
                    continue
                yield tool
                if tool.agent is not None and id(tool.agent) not in seen:
                    seen.add(id(tool.agent))
                    rooms.append(room_in(tool))


def set_inside(tool: Tool, succeeded: frozenset[str] | None = None) -> frozenset[str]:
    """The facts that a call of `tool` may set by what goes on inside it, where no other tools than those have `succeeded`; none of one
    that is no agent.
    """
    if tool.agent is None:
        return frozenset()
    inner = [each for agent in room_in(tool).agents.values() for each in agent.tools]
    own = (each.sets for each in inner if succeeded is None or each.name in succeeded)
    return frozenset[str]().union(*own, *(set_inside(each, succeeded) for each in inner))


class Names(NamedTuple):
    """What there is to speak of, in the order written, inside tools too."""

    agents: tuple[str, ...]
    tools: tuple[str, ...]
    groups: tuple[str, ...]


def names_of(topology: Topology) -> Names:
    """Every name in `topology`. O(agents + tools)."""
    agents, tools, groups = dict[str, None](), dict[str, None](), dict.fromkeys(topology.groups)
    rooms: list[Room] = [outermost(topology)]
    seen: set[int] = set()
    for room in rooms:
        for name, agent in room.agents.items():
            agents[name] = None
            groups.update(dict.fromkeys(room.entering(name).groups))
            for tool in agent.tools:
                tools[tool.name] = None
                if tool.agent is not None and id(tool.agent) not in seen:
                    seen.add(id(tool.agent))
                    rooms.append(room_in(tool))
    return Names(tuple(agents), tuple(tools), tuple(groups))
