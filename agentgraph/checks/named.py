"""Names in specs and questions: whether they are there, and what they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.checks.predicate import AnyOf, Calls, Enters, Inside, Predicate, Succeeds, calls, enters, inside
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.possible.rooms import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.graph.topology import Topology
    from agentgraph.possible.rooms import Names


def check_names(topology: Topology, predicates: Iterable[Predicate]) -> None:
    """Refuse what speaks of an agent, tool or group that is not in `topology`: it would hold, or fail, for no reason.

    Raises:
        DefinitionError: saying what there is.
    """
    names = names_of(topology)
    for predicate in predicates:
        _check(topology.name, names, predicate)


def _check(graph: str, names: Names, predicate: Predicate) -> None:
    match predicate:
        case AnyOf(each):
            for one in each:
                _check(graph, names, one)
        case Enters(name) if name not in names.agents:
            hint = f"; {name!r} is a group: write inside({name!r})" if name in names.groups else ""
            raise DefinitionError(f"{predicate}: {graph!r} has no agent {name!r}; it has {listed(names.agents)}{hint}")
        case Calls(name) | Succeeds(name) if name not in names.tools:
            hint = f"; {name!r} is an agent: write enters({name!r})" if name in names.agents else ""
            raise DefinitionError(f"{predicate}: {graph!r} has no tool {name!r}; it has {listed(names.tools)}{hint}")
        case Inside(name) if name not in names.groups:
            hint = f"; {name!r} is an agent: write enters({name!r})" if name in names.agents else ""
            raise DefinitionError(f"{predicate}: {graph!r} has no group {name!r}; it has {listed(names.groups)}{hint}")


def predicate_of(topology: Topology, given: str | Predicate) -> Predicate:
    """A predicate, or a name as one: an agent is entered, a group is entered somewhere, a tool is called. An agent comes before its group.

    Raises:
        DefinitionError: for a name that is not there, or stands for two things.
    """
    if isinstance(given, Predicate):
        check_names(topology, (given,))
        return given
    names = names_of(topology)
    groups = set(names.groups) - set(names.agents)  # a group may share the name of its root alone
    meant = [make(given) for make, known in ((enters, names.agents), (calls, names.tools), (inside, groups)) if given in known]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise DefinitionError(f"{given!r} may mean {' or '.join(map(str, meant))}; write the one that is meant")
    raise DefinitionError(
        f"{topology.name!r} has no {given!r:.60}; it has the agents {listed(names.agents)}, the tools {listed(names.tools)}, the groups {listed(names.groups)}"
    )
