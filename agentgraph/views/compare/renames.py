"""Who was renamed: an agent that is gone and one that is new with the same, or nearly the same, tools and handoffs.

Told only where no other pair fits as well. Neighbours that were renamed too are known by what was found before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.graph.topology import Topology

_ENOUGH = (2, 3)
"""At least two thirds of all tools and handoffs of the two are of both."""
_MOST_PAIRS = 250_000
"""Beyond so many pairs only agents with exactly the same tools and handoffs are found."""
_ROUNDS = 8
_UNKNOWN = "\0"  # a neighbour that is gone or new itself; no name, since it can be read nowhere

Traits = frozenset[tuple[str, str]]


class Rename(Struct, frozen=True):
    """An agent that has another name now, and why it is held to be the same."""

    old: str
    new: str
    why: str


def renames(old: Topology, new: Topology) -> tuple[Rename, ...]:
    """Every rename that is beyond doubt, by the old name."""
    known: dict[str, str] = {}
    found: dict[str, Rename] = {}
    for _ in range(_ROUNDS):
        gone = [name for name in old.agents if name not in new.agents and name not in known]
        taken = set(known.values())
        come = [name for name in new.agents if name not in old.agents and name not in taken]
        same = {name: name for name in old.agents if name in new.agents} | known
        told = (
            _sure(_traits(old, gone, same), _traits(new, come, {name: name for name in same.values()}), old, new) if gone and come else {}
        )
        if not told:
            break
        known |= {rename.old: rename.new for rename in told.values()}
        found |= told
    return tuple(found[name] for name in sorted(found))


def _traits(topology: Topology, names: Iterable[str], known: Mapping[str, str]) -> Mapping[str, Traits]:
    """What each is told by: its tools, whom it hands over to, and who hands over to it."""
    traits: dict[str, set[tuple[str, str]]] = {name: {("tool", tool.name) for tool in topology.agents[name].tools} for name in names}
    for edge in topology.edges:
        if edge.source in traits:
            traits[edge.source].add(("to", "" if edge.source == edge.target else known.get(edge.target, _UNKNOWN)))
        if edge.target in traits and edge.source != edge.target:
            traits[edge.target].add(("from", known.get(edge.source, _UNKNOWN)))
    return {name: frozenset(of) for name, of in traits.items()}


def _sure(gone: Mapping[str, Traits], come: Mapping[str, Traits], old: Topology, new: Topology) -> dict[str, Rename]:
    """The pairs that fit each other better than anyone else."""
    nearly = len(gone) * len(come) <= _MOST_PAIRS
    said_old, said_new = _said(old, gone), _said(new, come)
    pairs = [
        (a, b, fit)
        for a, b, fit in (_near(gone, come) if nearly else _exact(gone, come))
        if _share_a_tool(old.agents[a], new.agents[b]) or not _told_apart(said_old[a], said_new[b])
    ]
    best_old, best_new = _best((a, fit) for a, _, fit in pairs), _best((b, fit) for _, b, fit in pairs)
    return {a: Rename(a, b, _why(gone[a], come[b])) for a, b, fit in pairs if best_old[a] == best_new[b] == (fit, 1)}


def _best(fits: Iterable[tuple[str, float]]) -> Mapping[str, tuple[float, int]]:
    """How well each fits at best, and to how many."""
    best: dict[str, tuple[float, int]] = {}
    for name, fit in fits:
        most, count = best.get(name, (0.0, 0))
        if fit >= most:
            best[name] = (fit, count + 1 if fit == most else 1)
    return best


def _near(gone: Mapping[str, Traits], come: Mapping[str, Traits]) -> Iterator[tuple[str, str, float]]:
    part, whole = _ENOUGH
    for a, traits in gone.items():
        for b, others in come.items():
            shared, every = len(traits & others), len(traits | others)
            if whole * shared >= part * every:
                yield a, b, shared / every if every else 1.0


def _exact(gone: Mapping[str, Traits], come: Mapping[str, Traits]) -> Iterator[tuple[str, str, float]]:
    """Those that are alone with what they are told by, on either side."""
    olds, news = _by_traits(gone), _by_traits(come)
    for traits in olds:
        if len(olds[traits]) == len(news.get(traits, ())) == 1:
            yield olds[traits][0], news[traits][0], 1.0


def _by_traits(traits: Mapping[str, Traits]) -> dict[Traits, list[str]]:
    alike: dict[Traits, list[str]] = {}
    for name, of in traits.items():
        alike.setdefault(of, []).append(name)
    return alike


def _share_a_tool(a: Agent, b: Agent) -> bool:
    return not {tool.name for tool in a.tools}.isdisjoint(tool.name for tool in b.tools)


Said = tuple[str, str, frozenset[str]]


def _said(topology: Topology, names: Iterable[str]) -> Mapping[str, Said]:
    """What people wrote of each: its description, its instructions, and when to hand over to it."""
    led: dict[str, set[str]] = {name: set() for name in names}
    for edge in topology.edges:
        if edge.target in led and edge.handoff.description:
            led[edge.target].add(edge.handoff.description)
    agents = {name: topology.agents[name] for name in led}
    return {
        name: (agent.description, agent.instructions if isinstance(agent.instructions, str) else "", frozenset(led[name]))
        for name, agent in agents.items()
    }


def _told_apart(a: Said, b: Said) -> bool:
    """Whether somebody described the two, and otherwise: two spokes of one hub are alike in all but that."""
    return any(x and y and x != y for x, y in zip(a, b, strict=True))


def _why(a: Traits, b: Traits) -> str:
    if not a | b:
        return "neither has a tool or a handoff, and no other is gone or new like them"
    if a == b:
        return "the same tools and handoffs"
    return f"{len(a & b)} of {len(a | b)} tools and handoffs are the same"
