"""Questions about a graph: what can be reached, how fast, and past whom. What *can* happen is a fact about the graph, not a promise of the model's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgraph.checks.predicate import Predicate
from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.definition.group import AgentGroup
    from agentgraph.definition.tool import Tool

    What = str | Predicate | Agent | AgentGroup | Tool
    Where = str | Agent | AgentGroup


class _Everywhere(Struct, frozen=True):
    def __repr__(self) -> str:
        return "ALL"


ALL = _Everywhere()
"""From every agent: in each state in which a conversation can come to it; where none can, with no facts."""
Named = str | Predicate
"""A predicate, or the name of an agent, a group (any agent in it) or a tool."""
Sources = tuple[str, ...] | _Everywhere | None


class Question(Struct, frozen=True):
    """A question to a graph; `graph.prove(question)` answers it."""


class Reaches(Question, frozen=True):
    """From each of some agents there is a way to x."""

    x: Named
    sources: Sources

    def __str__(self) -> str:
        return f"reaches({_shown(self.x)}{_from(self.sources)})"


class Within(Question, frozen=True):
    """There is a way to x with at most k handoffs."""

    k: int
    x: Named
    sources: Sources

    def __str__(self) -> str:
        return f"within({self.k}, {_shown(self.x)}{_from(self.sources)})"


class NoWayAround(Question, frozen=True):
    """Every way to `to` leads through `via`."""

    via: Named
    to: Named

    def __str__(self) -> str:
        return f"no_way_around({_shown(self.via)}, {_shown(self.to)})"


def reaches(x: What, from_: Where | Iterable[Where] | _Everywhere = ALL) -> Question:
    """Ask whether x can be reached from every agent, or from those named. An agent is where it is: it reaches itself."""
    return Reaches(_named(x, "reaches(x)"), _sources(from_, "reaches"))


def within(k: int, x: What, from_: Where | Iterable[Where] | _Everywhere | None = None) -> Question:
    """Ask whether x can be reached with at most k handoffs, tools being called at none.

    Counted from where conversations begin, the entry that is nearest; given `from_`, from each of those.
    """
    given: Any = k
    if type(given) is not int or given < 0:
        raise DefinitionError(f"within(k, x) was given k={k!r:.40}; give a number of handoffs, 0 or more")
    return Within(k, _named(x, "within(k, x)"), None if from_ is None else _sources(from_, "within"))


def no_way_around(via: What, to: What) -> Question:
    """Ask whether every way from an entry to `to` leads through `via`."""
    return NoWayAround(_named(via, "no_way_around(via, to)"), _named(to, "no_way_around(via, to)"))


def _named(given: Any, where: str) -> Named:
    if isinstance(given, Predicate) or (isinstance(given, str) and given):
        return given
    name = getattr(given, "name", None)
    if isinstance(name, str) and name:
        return name
    raise DefinitionError(
        f"{where} was given {given!r:.60}; give the name of an agent, a group or a tool, or a predicate such as enters(agent)"
    )


def _sources(given: Any, where: str) -> Sources:
    if isinstance(given, _Everywhere):
        return given
    several = [given] if isinstance(given, str) or hasattr(given, "name") else given
    names = [getattr(each, "name", each) for each in several] if isinstance(several, Iterable) else []
    found = tuple(name for name in names if isinstance(name, str))
    if not names or len(found) < len(names):
        raise DefinitionError(f"{where}(from_=...) was given {given!r:.60}; give ALL, the name of an agent or a group, or several")
    return found


def _shown(x: Named) -> str:
    return repr(x) if isinstance(x, str) else str(x)


def _from(sources: Sources) -> str:
    if sources is None or sources == ALL:
        return ""
    return f", from_={sources[0]!r}" if isinstance(sources, tuple) and len(sources) == 1 else f", from_={list(sources)!r}"  # type: ignore[arg-type]
