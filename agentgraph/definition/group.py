"""Groups: several agents that look like one from outside, entered at the root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from agentgraph.definition.agent import Agent, agent_tool
from agentgraph.definition.handoff import Handoff, as_handoff
from agentgraph.definition.naming import checked_agent_name
from agentgraph.definition.tool import Tool
from agentgraph.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class AgentGroup:
    """A named part of a graph. It goes wherever an agent goes, and groups nest.

    `members` are all its agents and groups, the root first; `handoffs` are (source, handoff) pairs between them. A
    source that is the group's own name means: every member offers it.
    """

    name: str
    root: Agent | AgentGroup
    members: tuple[Agent | AgentGroup, ...] = ()
    handoffs: tuple[tuple[str, Handoff], ...] = ()
    description: str = ""

    if TYPE_CHECKING:

        def __init__(
            self,
            name: str,
            root: Agent | AgentGroup,
            members: Iterable[Agent | AgentGroup] = ...,
            handoffs: Iterable[tuple[Any, ...]] = ...,
            description: str = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        checked_agent_name(self.name, "a group")
        if not isinstance(self.root, Agent | AgentGroup):
            raise DefinitionError(
                f"group {self.name!r} has root={self.root!r}; a group has at least one agent, the one it is entered at: give root=Agent(...)"
            )
        object.__setattr__(self, "members", _members(self.name, self.root, self.members))
        if not isinstance(self.handoffs, Iterable):
            raise DefinitionError(f"group {self.name!r} has handoffs={self.handoffs!r}; give a list of (source, target)")
        object.__setattr__(self, "handoffs", tuple(_written(h, self.name) for h in self.handoffs))

    @classmethod
    def builder(cls, name: str) -> GroupBuilder:
        """Write a group step by step: `.root(agent).handoff("From", to, "when").build()`."""
        return GroupBuilder(name)

    def replace(self, **changes: Any) -> AgentGroup:
        """A changed copy."""
        return replace(self, **changes)

    def agents(self) -> Iterator[Agent]:
        """Every agent in it, at any depth, the entered one first."""
        for member in self.members:
            if isinstance(member, Agent):
                yield member
            else:
                yield from member.agents()

    def as_tool(
        self,
        name: str | None = None,
        description: str | None = None,
        output_extractor: Callable[[Any], Any] | None = None,
        max_turns: int = 3,
    ) -> Tool:
        """This group as a tool, entered at its root; its members hand over among themselves only."""
        return agent_tool(self, name, description, output_extractor, max_turns)


@dataclass(frozen=True, slots=True)
class GroupBuilder:
    """A group being written. Each call gives a new builder; `build` gives the group."""

    name: str
    _root: Agent | AgentGroup | None = None
    _members: tuple[Agent | AgentGroup, ...] = ()
    _handoffs: tuple[tuple[str, Handoff], ...] = ()

    def root(self, agent: Agent | AgentGroup) -> GroupBuilder:
        """The member that the group is entered at."""
        return replace(self, _root=agent)

    def member(self, *members: Agent | AgentGroup) -> GroupBuilder:
        """More members, reached by handoffs written elsewhere."""
        return replace(self, _members=self._members + members)

    def handoff(self, source: str | Agent, target: Any, description: str | None = None, **options: Any) -> GroupBuilder:
        """A handoff between members. A target given as an agent or group becomes a member."""
        written = as_handoff(target, **({"description": description} if description is not None else {}), **options)
        joined = () if isinstance(written.target, str) else (written.target,)
        name = source if isinstance(source, str) else source.name
        return replace(self, _members=self._members + joined, _handoffs=(*self._handoffs, (name, written)))

    def build(self) -> AgentGroup:
        """The group.

        Raises:
            DefinitionError: without a root.
        """
        return AgentGroup(self.name, self._root, self._members, self._handoffs)  # type: ignore[arg-type]


def _members(group: str, root: Agent | AgentGroup, given: Iterable[Any]) -> tuple[Agent | AgentGroup, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise DefinitionError(f"group {group!r} has members={given!r}; give a list of agents and groups")
    members: dict[str, Agent | AgentGroup] = {root.name: root}
    for member in given:
        if not isinstance(member, Agent | AgentGroup):
            raise DefinitionError(f"group {group!r} has the member {member!r}; give agents or groups")
        if members.setdefault(member.name, member) != member:
            raise DefinitionError(f"group {group!r} has two different members called {member.name!r}; rename one")
    return tuple(members.values())


def _written(given: Any, group: str) -> tuple[str, Handoff]:
    match given:
        case (str() as source, target):
            return source, as_handoff(target)
        case (Agent() | AgentGroup() as source, target):
            return source.name, as_handoff(target)
        case (str() as source, target, str() | None as description):
            return source, as_handoff(target, description=description)
        case (Agent() | AgentGroup() as source, target, str() | None as description):
            return source.name, as_handoff(target, description=description)
    raise DefinitionError(f"group {group!r} has the handoff {given!r}; give (source, target) or (source, target, description)")
