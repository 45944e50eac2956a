"""Plain data -> topology, with the place in the data for everything that is not as expected."""

from __future__ import annotations

from typing import Any, TypeVar

from agentgraph.definition.agent import Agent
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.handoff import Handoff
from agentgraph.definition.tool import Tool
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import Group
from agentgraph.graph.topology import Topology

T = TypeVar("T", bound=Topology)
VERSION = 1
KEY = "agentgraph_topology"


def from_data(topology_type: type[T], data: Any, where: str) -> T:
    """The topology that `as_data` describes.

    Raises:
        DefinitionError: naming the place in the data.
    """
    file = _Reader(data, where)
    file.expect_version()
    file.expect(KEY, "name", "entry", "home", "human", "agents", "handoffs", "groups")
    try:
        return _read(topology_type, file)
    except DefinitionError as wrong:
        if str(wrong).startswith(where):
            raise
        raise DefinitionError(f"{where}: {wrong}", wrong.findings) from wrong


def _read(topology_type: type[T], file: _Reader) -> T:
    topology = topology_type(file.text("name", "agents"), home=file.text("home"), human=file.names("human"))
    for agent in file.items("agents"):
        topology.add_agent(_read_agent(agent))
    for handoff in file.items("handoffs"):
        topology.add_handoff(handoff.text("from"), _read_handoff(handoff))
    topology.regroup(map(_read_group, file.items("groups")))
    if file.names("entry"):
        topology.entry = file.names("entry")
    return topology


def _read_group(group: _Reader) -> Group:
    group.expect("name", "root", "members", "in", "description")
    root = group.text("root")
    return Group(
        group.text("name"), root, tuple(dict.fromkeys((root, *group.names("members")))), group.text("in"), group.text("description", "")
    )


def _read_agent(agent: _Reader) -> Agent:
    agent.expect("name", "description", "tools", "may_finish")
    return Agent(
        agent.text("name"),
        description=agent.text("description", ""),
        tools=tuple(_read_tool(tool) for tool in agent.items("tools")),
        may_finish=agent.flag("may_finish", default=True),
    )


def _read_tool(tool: _Reader) -> Tool:
    if isinstance(tool.data, str):
        return Tool(name=tool.data)
    tool.expect("name", "description", "sets", "requires", "final", "needs_approval", "agent")
    return Tool(
        name=tool.text("name"),
        description=tool.text("description", ""),
        sets=frozenset(tool.names("sets")),
        requires=frozenset(tool.names("requires")),
        final=tool.flag("final"),
        needs_approval=tool.flag("needs_approval"),
        agent=_read_inner(tool.child("agent")) if "agent" in tool.data else None,
    )


def _read_inner(inner: _Reader) -> Agent | AgentGroup:
    if not isinstance(inner.data, dict):
        raise inner.error("here", inner.data, "an agent or a group")
    if "group" not in inner.data:
        return _read_agent(inner)
    inner.expect("group", "topology")
    topology = from_data(Topology, inner.data.get("topology"), f"{inner.where}, topology")
    name = inner.text("group")
    if name not in topology.groups:
        raise inner.error("group", name, "a group of its topology")
    return _group_value(topology, name, topology.written)


def _group_value(topology: Topology, name: str, handoffs: tuple[tuple[str, Handoff], ...] = ()) -> AgentGroup:
    """The group as a value; names are known in all of it, so the outermost holds every handoff."""
    group = topology.groups[name]

    def member(called: str) -> Agent | AgentGroup:
        inside = called in topology.groups and topology.groups[called].parent == name
        return _group_value(topology, called) if inside else topology.agents[called]

    members = tuple(map(member, group.members))
    return AgentGroup(name, root=members[0], members=members, handoffs=handoffs, description=group.description)


def _read_handoff(handoff: _Reader) -> Handoff:
    handoff.expect("from", "to", "tool", "description", "requires", "conditional", "payload")
    return Handoff(
        handoff.text("to"),
        tool_name=handoff.text("tool"),
        description=handoff.text("description"),
        requires=frozenset(handoff.names("requires")),
        when=_unknown_condition if handoff.flag("conditional") else None,
        payload=handoff.data.get("payload"),
    )


def _unknown_condition(_: object) -> bool:
    """Stands for a condition whose code is not in the file: never taken for granted, so never true."""
    return False


class _Reader:
    """A place in the data, and what is expected there."""

    def __init__(self, data: Any, where: str) -> None:
        self.data, self.where = data, where

    def expect_version(self) -> None:
        version = self.data.get(KEY) if isinstance(self.data, dict) else None
        if version != VERSION:
            raise DefinitionError(
                f'{self.where} is not a topology that can be read here: "{KEY}": {VERSION} is expected, found {version!r}'
            )

    def expect(self, *keys: str) -> None:
        """Refuse an object with other keys: a misspelt one would be passed over in silence."""
        if not isinstance(self.data, dict):
            raise self.error("here", self.data, "an object")
        unknown = [key for key in self.data if key not in keys]
        if unknown:
            raise self.error("keys", unknown[0], " or ".join(map(repr, keys)))

    def error(self, key: str, found: Any, expected: str) -> DefinitionError:
        return DefinitionError(f"{self.where}, {key}: {found!r:.80} was found; {expected} is expected")

    def text(self, key: str, default: str | None = None) -> Any:
        if not isinstance(self.data, dict):
            raise self.error("here", self.data, "an object")
        found = self.data.get(key, default)
        if found is not default and not isinstance(found, str):
            raise self.error(key, found, "a name")
        if found is None and key in ("name", "from", "to", "root"):
            raise self.error(key, found, "a name")
        return found

    def flag(self, key: str, *, default: bool = False) -> bool:
        found = self.data.get(key, default)
        if not isinstance(found, bool):
            raise self.error(key, found, "true or false")
        return found

    def names(self, key: str) -> list[str]:
        found = self.data.get(key) or []
        found = [found] if isinstance(found, str) else found
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise self.error(key, found, "a list of names")
        return found

    def items(self, key: str) -> list[_Reader]:
        if not isinstance(self.data, dict):
            raise self.error("here", self.data, "an object")
        found = self.data.get(key) or []
        if not isinstance(found, list):
            raise self.error(key, found, "a list")
        return [_Reader(item, f"{self.where}, {key}[{i}]") for i, item in enumerate(found)]

    def child(self, key: str) -> _Reader:
        return _Reader(self.data[key], f"{self.where}, {key}")
