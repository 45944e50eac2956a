"""Topology: agents, handoffs and groups, gathered by name, with a `networkx.DiGraph` as their frozen picture.

Writing is by name and in any order: whether every name is known is asked once, when the graph is compiled or checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from agentgraph.definition.agent import Agent
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.handoff import Handoff, as_handoff
from agentgraph.definition.naming import checked_agent_name, handoff_tool_name
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import Edge, Group, listed, root_first

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import networkx as nx


class Topology:
    """Agents and handoffs, and questions to them. `AgentGraph` is this with doors to machine, pictures and checks."""

    def __init__(self, name: str = "agents", *, home: str | None = None, human: str | Iterable[str] | None = None) -> None:
        self.name = checked_agent_name(name, "a graph")
        self._home, self._humans = home, _people(human)
        self._agents: dict[str, Agent] = {}
        self._groups: dict[str, Group] = {}
        self._group_of: dict[str, str] = {}  # the innermost group of an agent
        self._written: list[tuple[str, Handoff]] = []
        self._entries: tuple[str, ...] = ()
        self._added: set[str] = set()  # by name, rather than because something refers to it
        self._read: dict[str, Any] = {}  # what was derived since the last change

    @classmethod
    def of(cls, *members: Agent | AgentGroup, name: str = "agents", **options: Any) -> Self:
        """The graph of agents that name their own handoffs; the first is the entry."""
        graph = cls(name, **options)
        for member in members:
            graph.add_agent(member)
        return graph

    # -- writing ---------------------------------------------------------------------------------------------------

    def add_agent(self, agent: Agent | AgentGroup, *, entry: bool = False) -> Self:
        """Add an agent or a group, with the handoffs it names. The first one added is the entry unless another is.

        Raises:
            DefinitionError: when the name is taken by a different agent or group.
        """
        if not isinstance(agent, Agent | AgentGroup):
            raise DefinitionError(f"graph {self.name!r} was given {agent!r:.60}; add an Agent or an AgentGroup")
        if agent.name in self._added:
            raise DefinitionError(
                f"graph {self.name!r} has an agent or group called {agent.name!r} already; every name stands for one: rename this one"
            )
        self._join(agent)
        self._added.add(agent.name)
        if entry:
            self._entries = (*self._entries, agent.name)
        return self

    def add_handoff(self, source: str | Agent | AgentGroup, target: str | Agent | AgentGroup | Handoff, **options: Any) -> Self:
        """Let `source` hand over to `target`; options as for `Handoff`. A group as source means each of its members.

        Agents and groups given as values are added if they are not there yet; names may be added later.
        """
        handoff = as_handoff(target, **options)
        if not isinstance(source, str | Agent | AgentGroup):
            raise DefinitionError(
                f"graph {self.name!r} was given a handoff from {source!r:.60}; give an agent, a group, or the name of one"
            )
        name = source if isinstance(source, str) else source.name
        if not isinstance(source, str):
            self._join(source)
        if not isinstance(handoff.target, str):
            self._join(handoff.target)
        self._read.clear()
        sources = self.members(name) if isinstance(source, AgentGroup) and name in self._agents else (name,)
        for each in sources:
            self._written.append((checked_agent_name(each, "the source of a handoff"), handoff))
        return self

    def _add(self, member: Agent | AgentGroup, group: str | None) -> None:
        self._read.clear()
        if isinstance(member, Agent):
            self._agents[member.name] = member
            if group is not None:
                self._group_of[member.name] = group
            self._write((member.name, handoff) for handoff in member.handoffs)
            return
        self._groups[member.name] = Group(member.name, member.root.name, tuple(m.name for m in member.members), group, member.description)
        for inner in member.members:
            self._join(inner, member.name)
        self._write(member.handoffs)

    def _write(self, handoffs: Iterable[tuple[str, Handoff]]) -> None:
        for source, handoff in handoffs:
            self._written.append((source, handoff))
            if not isinstance(handoff.target, str):
                self._join(handoff.target)

    def _join(self, member: Agent | AgentGroup, group: str | None = None) -> None:
        """Add what is not there yet; the same name for something else, or in another group, is refused."""
        if isinstance(member, AgentGroup):
            known = self._groups.get(member.name)
            if known is None:
                self._add(member, group)
            elif group is not None and known.parent != group:
                self._refuse_second_group(member.name, known.parent, group)
                self._groups[member.name] = known._replace(parent=group)
            return
        agent = self._agents.get(member.name)
        if agent is None:
            self._add(member, group)
            return
        if agent is not member and agent != member:
            raise DefinitionError(
                f"graph {self.name!r} has two different agents called {member.name!r}; rename one, or refer to it by name"
            )
        if group is not None:
            self._refuse_second_group(member.name, self._group_of.get(member.name), group)
            self._group_of[member.name] = group

    def _refuse_second_group(self, name: str, known: str | None, group: str) -> None:
        if known is not None and known != group:
            raise DefinitionError(
                f"{name!r} is in the groups {known!r} and {group!r}; an agent is in one group, or in groups inside each other"
            )

    def regroup(self, groups: Iterable[Group]) -> None:
        """Draw groups around agents that are there already, in place of the groups there are.

        Raises:
            DefinitionError: for a member that is not there, or a root that is not a member.
        """
        self._read.clear()
        self._groups = {group.name: group._replace(members=root_first(group)) for group in groups}
        self._group_of = {}
        for group in self._groups.values():
            for member in group.members:
                if not self._is_inner(member, group.name):
                    if member not in self._agents:
                        raise DefinitionError(
                            f"group {group.name!r} has the member {member!r}, which is not there; there are {listed(self._agents)}"
                        )
                    self._refuse_second_group(member, self._group_of.get(member), group.name)
                    self._group_of[member] = group.name
            if group.parent is not None and group.parent not in self._groups:
                raise DefinitionError(
                    f"group {group.name!r} lies in the group {group.parent!r}, which is not there; there are {listed(self._groups)}"
                )
            if group.root not in group.members:
                raise DefinitionError(
                    f"group {group.name!r} has the root {group.root!r}, which is not a member; it has {listed(group.members)}"
                )
            self.path_of(group.name)

    @property
    def home(self) -> str | None:
        """The agent that every conversation should be able to come back to."""
        return self._home

    @home.setter
    def home(self, name: str | None) -> None:
        self._read.clear()
        self._home = name

    @property
    def human(self) -> str | tuple[str, ...] | None:
        """The agent, group or tool that reaches a person, or several; as it was given."""
        return self._humans[0] if len(self._humans) == 1 else self._humans or None

    @human.setter
    def human(self, names: str | Iterable[str] | None) -> None:
        self._read.clear()
        self._humans = _people(names)

    @property
    def humans(self) -> tuple[str, ...]:
        """Every agent, group and tool that reaches a person."""
        return self._humans

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def agents(self) -> Mapping[str, Agent]:
        """Every agent by name, in the order they were added."""
        return MappingProxyType(self._agents)

    @property
    def groups(self) -> Mapping[str, Group]:
        """Every group by name, outer before inner."""
        return MappingProxyType(self._groups)

    @property
    def written(self) -> tuple[tuple[str, Handoff], ...]:
        """The handoffs as they were written: (source, handoff), groups and unknown names included."""
        return tuple(self._written)

    @property
    def entry(self) -> str:
        """The agent that a new conversation starts with."""
        return self.entries[0] if self.entries else ""

    @entry.setter
    def entry(self, names: str | Agent | AgentGroup | Iterable[str | Agent | AgentGroup]) -> None:
        given: list[Any] = [names] if isinstance(names, str | Agent | AgentGroup) or not isinstance(names, Iterable) else list(names)
        if not all(isinstance(name, str | Agent | AgentGroup) for name in given):
            raise DefinitionError(f"graph {self.name!r} was given the entry {names!r:.60}; give the name of an agent, or several")
        chosen = tuple(name if isinstance(name, str) else name.name for name in given)
        for name in chosen:
            if self.agent_at(name) is None:
                raise DefinitionError(f"graph {self.name!r} has no {name!r} to enter at; it has {listed(self._agents)}: add it first")
        self._read.clear()
        self._entries = chosen

    @property
    def entries(self) -> tuple[str, ...]:
        """The agents that a conversation may start with, the default first; a group stands for its root."""
        found = tuple(agent for name in self._entries if (agent := self.agent_at(name)) is not None)
        return found or tuple(self._agents)[:1]

    def agent_at(self, name: str) -> str | None:
        """The agent that `name` leads to: itself, or the root of the group of that name. None if there is neither."""
        while name not in self._agents:
            if name not in self._groups:
                return None
            name = self._groups[name].root
        return name

    def groups_of(self, agent: str) -> tuple[str, ...]:
        """The groups that hold `agent`, outermost first."""
        group = self._group_of.get(agent)
        return () if group is None else self.path_of(group)

    def path_of(self, group: str) -> tuple[str, ...]:
        """`group` and the groups around it, outermost first."""
        path: list[str] = []
        at: str | None = group
        while at is not None:
            if at in path:
                raise DefinitionError(f"group {group!r} lies inside itself; groups nest, they do not circle")
            path.append(at)
            at = self._groups[at].parent
        return tuple(reversed(path))

    def _is_inner(self, member: str, group: str) -> bool:
        return member in self._groups and self._groups[member].parent == group

    def members(self, group: str) -> Iterator[str]:
        """The agents in `group`, at any depth."""
        for name in self._groups[group].members:
            if self._is_inner(name, group):
                yield from self.members(name)
            else:
                yield name

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Every handoff between agents that are there, in the order written, each once."""
        if "edges" not in self._read:
            self._read["edges"] = tuple(self._resolve())
        return self._read["edges"]  # type: ignore[no-any-return]

    @property
    def dangling(self) -> tuple[tuple[str, Handoff], ...]:
        """The handoffs as written whose source or target is not there."""
        return tuple((source, h) for source, h in self._written if not self._sources(source) or self.agent_at(h.target_name) is None)

    def _resolve(self) -> Iterator[Edge]:
        names: dict[str, str] = {}
        unique: dict[tuple[str, str, str], Handoff] = {}
        for source, handoff in self._written:
            target = self.agent_at(handoff.target_name)
            if target is None:
                continue
            called = handoff.target_name
            tool = handoff.tool_name or names.get(called) or names.setdefault(called, handoff_tool_name(called))
            for agent in self._sources(source, but=target):
                key = (agent, target, tool)
                if key not in unique or unique[key] != handoff:  # the same handoff written twice is one
                    unique[key] = handoff
                    yield Edge(agent, target, tool, handoff)

    def _sources(self, name: str, but: str | None = None) -> tuple[str, ...]:
        if name in self._agents:
            return (name,)
        return tuple(agent for agent in self.members(name) if agent != but) if name in self._groups else ()

    @property
    def digraph(self) -> nx.DiGraph[str]:
        """A frozen `networkx.DiGraph` over agent names.

        Nodes carry `agent` and `groups` (outermost first), edges the tuple `handoffs`, the graph what else there is to know.
        """
        if "digraph" not in self._read:
            from agentgraph.graph.digraph import digraph_of

            self._read["digraph"] = digraph_of(self)
        return self._read["digraph"]  # type: ignore[no-any-return]

    @classmethod
    def from_digraph(cls, digraph: nx.DiGraph[str]) -> Self:
        """The graph that `digraph` shows: what `digraph` gave, or any DiGraph over names."""
        from agentgraph.graph.digraph import fill

        return fill(cls(str(digraph.graph.get("name") or "agents")), digraph)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that change when the topology does, and only then: not with prompts, models or order."""
        if "fingerprint" not in self._read:
            from agentgraph.graph.topology_file import fingerprint_of

            self._read["fingerprint"] = fingerprint_of(self)
        return self._read["fingerprint"]  # type: ignore[no-any-return]

    def offered(self, agent: str) -> Mapping[str, Collection[str]] | None:
        """The tools and handoffs of `agent`, and whom each leads to: an agent, and the group that is meant. None when there is no such agent."""
        if agent not in self._agents:
            return None
        return {t.name: () for t in self._agents[agent].tools} | {e.tool: e.leads_to for e in self.edges if e.source == agent}

    def within(self, agent: str, tool: str) -> Topology | None:
        """What runs inside `tool` of `agent`, where that is an agent or a group; None where it is not."""
        from agentgraph.graph.inside import inside_of  # here, since it makes topologies

        found = next((t for t in self._agents[agent].tools if t.name == tool), None) if agent in self._agents else None
        return None if found is None or found.agent is None else inside_of(found)[0]

    def handoff_name(self, target: str) -> str:
        """How a handoff to `target` is called, unless it says otherwise."""
        return handoff_tool_name(target)

    def collapse(self, group: str | None = None, *, depth: int = 0) -> Self:
        """The quotient: `group` as a single node, or every group that lies `depth` groups deep or deeper.

        No path is lost. Handoffs inside a closed group are gone, those that cross its border are its own.
        """
        from agentgraph.graph.collapse import collapsed

        return collapsed(self, group, depth)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self._agents)} agents, {len(self.edges)} handoffs, {len(self._groups)} groups)"


def _people(names: Any) -> tuple[str, ...]:
    found = () if names is None else (names,) if isinstance(names, str) else tuple(names) if isinstance(names, Iterable) else (names,)
    wrong = [name for name in found if not isinstance(name, str)]
    if wrong:
        raise DefinitionError(
            f"a graph was given human={names!r:.60}; give the name of an agent or a tool that reaches a person, or several"
        )
    return tuple(dict.fromkeys(found))
