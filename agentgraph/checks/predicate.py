"""What a spec speaks of: an agent is entered, a tool is called or succeeds, the conversation is inside a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgraph.conversation.happening import Happening, HappeningKind
from agentgraph.errors import DefinitionError
from agentgraph.machine.happening import NameKind

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.group import AgentGroup
    from agentgraph.definition.tool import Tool


class Predicate(Struct, frozen=True):
    """Happenings of one sort; `p | q` is either."""

    def holds(self, happening: Happening) -> bool:
        """Whether `happening` is of this sort."""
        raise NotImplementedError

    @property
    def kinds(self) -> frozenset[HappeningKind]:
        """The kinds that happenings of this sort may be of, beside those that every spec is shown."""
        return frozenset()

    def sees(self, tool: str) -> bool:  # noqa: ARG002 - most predicates look at agents
        """Whether calls of `tool`, or what they come to, are of this sort."""
        return False

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """The agents, tools and groups it speaks of."""
        raise NotImplementedError

    def __or__(self, other: Predicate) -> Predicate:
        return AnyOf((self, checked_predicate(other, "|")))


class Enters(Predicate, frozen=True):
    """An agent comes to hold the conversation: as the entry, by a handoff (to itself too), or as the agent inside a tool."""

    agent: str

    def holds(self, happening: Happening) -> bool:
        """Whether it is this agent that is entered."""
        return happening.kind == "enter" and happening.name == self.agent

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """The agent."""
        return (("agent", self.agent),)

    def __str__(self) -> str:
        return f"enters({self.agent!r})"


class _OfTool(Predicate, frozen=True):
    """Happenings of one tool."""

    tool: str

    def sees(self, tool: str) -> bool:
        """Whether it is this tool."""
        return tool == self.tool

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """The tool."""
        return (("tool", self.tool),)


class Calls(_OfTool, frozen=True):
    """An execution of a tool is started; each attempt is one. A call that was refused did not happen; one that failed did."""

    def holds(self, happening: Happening) -> bool:
        """Whether it is this tool that is started."""
        return happening.kind == "call" and happening.name == self.tool

    def __str__(self) -> str:
        return f"calls({self.tool!r})"


class Succeeds(_OfTool, frozen=True):
    """A tool ran and gave its output."""

    @property
    def kinds(self) -> frozenset[HappeningKind]:
        """What a tool comes to."""
        return frozenset({"success"})

    def holds(self, happening: Happening) -> bool:
        """Whether it is this tool that gave its output."""
        return happening.kind == "success" and happening.name == self.tool

    def __str__(self) -> str:
        return f"succeeds({self.tool!r})"


class Inside(Predicate, frozen=True):
    """An agent of the group, at any depth, comes to hold the conversation."""

    group: str

    def holds(self, happening: Happening) -> bool:
        """Whether the agent that is entered lies in the group."""
        return happening.kind == "enter" and self.group in happening.groups

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """The group."""
        return (("group", self.group),)

    def __str__(self) -> str:
        return f"inside({self.group!r})"


class AnyOf(Predicate, frozen=True):
    """One of several."""

    each: tuple[Predicate, ...]

    def holds(self, happening: Happening) -> bool:
        """Whether one of them holds."""
        return any(one.holds(happening) for one in self.each)

    @property
    def kinds(self) -> frozenset[HappeningKind]:
        """Those of each."""
        return frozenset(kind for one in self.each for kind in one.kinds)

    def sees(self, tool: str) -> bool:
        """Whether one of them sees it."""
        return any(one.sees(tool) for one in self.each)

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """Those of each."""
        return tuple(name for one in self.each for name in one.names)

    def __str__(self) -> str:
        return " | ".join(map(str, self.each))


def enters(agent: str | Agent) -> Predicate:
    """`agent` comes to hold the conversation: as the entry, by a handoff, or as the agent inside a tool."""
    return Enters(_name(agent, "enters"))


def calls(tool: str | Tool) -> Predicate:
    """An execution of `tool` is started, whatever comes of it; each attempt is one. A call that is refused does not start."""
    return Calls(_name(tool, "calls"))


def succeeds(tool: str | Tool) -> Predicate:
    """`tool` ran and gave its output. One that raised, timed out or was cut off did not, nor one that was not run.

    >>> from agentgraph import Agent, AgentGraph, Tool
    >>> from agentgraph.checks import precedes
    >>> desk = AgentGraph.of(Agent("Desk", tools=[Tool(name="verify", sets="verified"), Tool(name="refund", requires="verified")]))
    >>> desk.prove(precedes(succeeds("verify"), calls("refund"))).holds
    True
    """
    return Succeeds(_name(tool, "succeeds"))


def inside(group: str | AgentGroup) -> Predicate:
    """An agent of `group`, at any depth, comes to hold the conversation."""
    return Inside(_name(group, "inside"))


def _name(given: Any, what: str) -> str:
    name = given if isinstance(given, str) else getattr(given, "name", None)
    if not isinstance(name, str) or not name:
        raise DefinitionError(f"{what}(...) was given {given!r:.60}; give the name of one, or the value itself")
    return name


def checked_predicate(given: Any, where: str) -> Predicate:
    """`given`, if it is a predicate.

    Raises:
        DefinitionError: saying what to write instead.
    """
    if not isinstance(given, Predicate):
        raise DefinitionError(f"{where} was given {given!r:.60}; give enters(agent), calls(tool), succeeds(tool) or inside(group)")
    return given
