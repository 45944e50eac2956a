"""Machine: a compiled topology. Immutable, and shared by any number of threads and runs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from agentgraph.conversation.frozen import EMPTY, FrozenDict
from agentgraph.conversation.happening import Happening
from agentgraph.definition.naming import handoff_tool_name
from agentgraph.errors import DefinitionError
from agentgraph.graph.findings import structural
from agentgraph.graph.inside import inside_of
from agentgraph.machine.fsm import HandoffMachine, Verdict
from agentgraph.machine.happening import Monitor
from agentgraph.machine.monitored import NOT_WATCHED, checked_monitors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from agentgraph.conversation.context import Context
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge, Group
    from agentgraph.graph.topology import Topology


class Offer:
    """What one agent offers its model: its tools, its handoffs, and how a provider is told of them."""

    __slots__ = ("agent", "handoffs", "params", "specs", "tools")

    def __init__(self, agent: Agent, edges: tuple[Edge, ...]) -> None:
        self.agent = agent
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in agent.tools}
        self.handoffs: Mapping[str, Edge] = {edge.tool: edge for edge in edges}
        self.specs: tuple[FrozenDict, ...] = (*(tool.spec for tool in agent.tools), *(edge.handoff.spec for edge in edges))
        self.params: FrozenDict = (
            FrozenDict({"temperature": agent.temperature, **agent.params})
            if agent.temperature is not None
            else FrozenDict(agent.params) or EMPTY
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that may be called here."""
        return (*self.tools, *self.handoffs)


class Machine:
    """A topology, compiled: the handoff machine, and what each agent offers."""

    def __init__(self, topology: Topology, around: Topology | None = None, *, inside: bool = False) -> None:
        """`around` is the topology whose groups hold the agents, where `topology` is a part that has none itself. `inside`: what runs
        inside a tool.
        """
        found = structural(topology)
        if found:
            raise DefinitionError.of(topology.name, found)
        self.monitors: Mapping[str, Monitor] = NOT_WATCHED
        """What watches its conversations, by what each demands."""
        self.is_inside = inside
        """Whether it is the machine inside a tool: the call begins and ends what it does, so it begins and ends no turn."""
        self.name = topology.name
        self.entry = topology.entry
        self.entries = topology.entries
        self.agents: Mapping[str, Agent] = MappingProxyType(dict(topology.agents))
        self.groups: Mapping[str, Group] = MappingProxyType(dict(topology.groups))
        self._groups_of = {name: groups for name in self.agents if (groups := (around or topology).groups_of(name))}
        self.edges = topology.edges
        self.handoffs = HandoffMachine(self.agents, self.edges, self.entry)
        self._leaving: dict[str, list[Edge]] = {}
        for edge in self.edges:
            self._leaving.setdefault(edge.source, []).append(edge)
        self._offers: dict[str, Offer] = {}
        self._entering: dict[str, Happening] = {}
        self._ending: dict[str, Happening] = {}
        self._seen: dict[int, bool] = {}
        self._nested: dict[int, Machine] = {
            id(tool): Machine(*inside_of(tool), inside=True) for a in self.agents.values() for tool in a.tools if tool.agent is not None
        }
        self.fingerprint = topology.fingerprint  # now: the topology may be changed later, this may not

    def monitored(self, monitors: Iterable[Monitor]) -> Machine:
        """This machine with `monitors`, which refuse what would break them, also inside tools that are agents. It shares all that is compiled.

        Raises:
            DefinitionError: for what is no monitor, for two that demand the same, and for names that are not here.
        """
        return self._watched(checked_monitors(self, monitors))

    def _watched(self, monitors: Mapping[str, Monitor]) -> Machine:
        if not monitors:
            return self
        new = object.__new__(type(self))
        nested = {key: machine._watched(monitors) for key, machine in self._nested.items()}  # noqa: SLF001 - of its own kind
        new.__dict__.update(self.__dict__, monitors=monitors, _nested=nested, _seen={})
        return new

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "fingerprint"):  # set last, when all is compiled
            raise AttributeError(f"a machine is compiled, so its {name} cannot change; change the graph and compile it again")
        super().__setattr__(name, value)

    def offer(self, agent: str) -> Offer:
        """What `agent` offers. Built once, when it is first needed."""
        found = self._offers.get(agent)
        if found is None:
            found = self._offers[agent] = Offer(self.agents[agent], tuple(self._leaving.get(agent, ())))
        return found

    def offered(self, agent: str) -> Mapping[str, Collection[str]] | None:
        """The tools and handoffs of `agent`, and whom each leads to: an agent, and the group that is meant. None when there is no such agent."""
        if agent not in self.agents:
            return None
        offer = self.offer(agent)
        return {name: offer.handoffs[name].leads_to if name in offer.handoffs else () for name in offer.names}

    def within(self, agent: str, tool: str) -> Machine | None:
        """The machine inside `tool` of `agent`, where that is an agent or a group; None where it is not."""
        found = self.offer(agent).tools.get(tool) if agent in self.agents else None
        return None if found is None or found.agent is None else self.nested(found)

    def handoff_name(self, target: str) -> str:
        """How a handoff to `target` is called, unless it says otherwise."""
        return handoff_tool_name(target)

    def nested(self, tool: Tool) -> Machine:
        """The machine of an agent or group that is used as a tool."""
        return self._nested[id(tool)]

    def is_seen(self, tool: Tool, asked: Callable[[Machine, Tool], bool]) -> bool:
        """Whether its monitors see what a call of `tool` does: what `asked` says, which is asked once."""
        found = self._seen.get(id(tool))
        if found is None:
            found = self._seen[id(tool)] = asked(self, tool)
        return found

    def entering(self, agent: str) -> Happening:
        """That `agent` comes to hold the conversation. Made once: every run is told it."""
        found = self._entering.get(agent)
        if found is None:
            found = self._entering[agent] = Happening("enter", agent, groups=self._groups_of.get(agent, ()))
        return found

    def ending(self, agent: str) -> Happening:
        """That `agent` ends the turn. Made once, too."""
        found = self._ending.get(agent)
        if found is None:
            found = self._ending[agent] = Happening("final", agent=agent)
        return found

    def calling(self, agent: str, tool: str) -> tuple[Happening, ...]:
        """That `agent` has `tool` run; if that is an agent, that it is entered."""
        called, found = Happening("call", tool, agent), self.offer(agent).tools.get(tool)
        if found is None or found.agent is None:
            return (called,)
        inner = self.nested(found)
        return called, inner.entering(inner.entry)

    def verdict(self, agent: str, tool: str, context: Context) -> Verdict:
        """Whether the handoff `tool` may leave `agent` now, and where it leads.

        Raises:
            IllegalHandoff: when no such transition leaves `agent`.
        """
        return self.handoffs.verdict(agent, tool, context)

    @property
    def transitions(self) -> tuple[tuple[str, str, str], ...]:
        """Every transition there is: (agent, tool, target)."""
        return tuple(self.handoffs.transitions())

    def __repr__(self) -> str:
        return f"Machine({self.name!r}, {len(self.agents)} agents, {len(self.edges)} transitions)"
