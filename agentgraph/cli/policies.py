"""The policies that a command is given: specs and questions, in a list, by name in a dict, or made by a function of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from agentgraph.checks.questions import Question
from agentgraph.checks.spec import Spec
from agentgraph.cli.target import attribute_at
from agentgraph.errors import AgentGraphError, DefinitionError
from agentgraph.graph.topology import Topology


class Policy(NamedTuple):
    """A demand, and what it is called; by its own words where nobody named it."""

    name: str
    demand: Spec | Question


def policies_at(targets: Iterable[str], topology: Topology) -> tuple[Policy, ...]:
    """The policies that `targets` name, each demand once.

    Raises:
        DefinitionError: for a target that cannot be found, or is something else.
    """
    found: dict[str, Policy] = {}
    for target in targets:
        for policy in _named(target, attribute_at(target), topology):
            found.setdefault(str(policy.demand), policy)
    return tuple(found.values())


def _named(target: str, given: Any, topology: Topology) -> Iterator[Policy]:
    if callable(given):
        given = _made(target, given, topology)
    if isinstance(given, Spec | Question):
        given = [given]
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise _wrong(target, given)
    rows = given.items() if isinstance(given, Mapping) else ((None, demand) for demand in given)
    for name, demand in rows:
        if not isinstance(demand, Spec | Question):
            raise _wrong(target, demand)
        yield Policy(str(demand) if name is None else str(name), demand)


def _made(target: str, make: Any, topology: Topology) -> Any:
    try:
        made = make(topology)
        return list(made) if isinstance(made, Iterator) else made
    except AgentGraphError:
        raise
    except (Exception, SystemExit) as wrong:
        raise DefinitionError(f"{target} failed when it was given the graph: {type(wrong).__name__}: {wrong}") from wrong


def _wrong(target: str, given: Any) -> DefinitionError:
    return DefinitionError(
        f"{target} gives {given!r:.60}; a policy is a spec such as precedes(succeeds('verify'), calls('refund')), or a question such as reaches('Human'): give a list or a dict of them, or a function of the graph"
    )
