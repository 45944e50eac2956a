"""What is wrong with a topology, or legal and looks wrong: findings, each with a witness and a fix.

Ordinary cycles and hubs are no findings: agents that hand over to each other are what sound systems are made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from agentgraph.checks.explored import that_reach
from agentgraph.checks.named import predicate_of
from agentgraph.checks.predicate import Predicate, enters
from agentgraph.checks.prove import prove
from agentgraph.checks.ways import live_handoffs, reached
from agentgraph.conversation.happening import Happening
from agentgraph.errors import Finding
from agentgraph.graph.edge import listed
from agentgraph.graph.findings import structural
from agentgraph.possible.rooms import may_end, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agentgraph.checks.explored import Explored
    from agentgraph.checks.questions import Question
    from agentgraph.checks.spec import Spec
    from agentgraph.graph.topology import Topology


def findings(topology: Topology, policies: Iterable[Spec | Question] = ()) -> list[Finding]:
    """All there is to say about `topology`: what stops it from being compiled first, then what looks wrong, then broken policies.

    O(agents * 2^facts), and what is offered at each.

    Raises:
        DefinitionError: for a policy that cannot mean anything here.
    """
    broken = structural(topology)
    looks: list[Finding] = []
    if topology.agents:
        explored = reached(topology)
        looks = [
            *_unreachable(topology, explored),
            *_traps(topology, explored),
            *_without_human(topology, explored),
            *_endless(topology, explored),
        ]
    return [*broken, *looks, *_to_themselves(topology), *_breaches(topology), *(_policies(topology, policies) if not broken else ())]


def _unreachable(topology: Topology, explored: Explored) -> Iterator[Finding]:
    """Agents that no conversation comes to, and what keeps it from them."""
    met = {explored.model.holder(state) for state in explored.came}
    settable = frozenset(explored.model.settable)
    for name in topology.agents:
        if name in met:
            continue
        leading = [edge for edge in topology.edges if edge.target == name and edge.source in met]
        lacking = sorted({fact for edge in leading for fact in edge.handoff.requires - settable})
        if lacking:
            why, fix = f"needs the {_facts(lacking)}, which no reachable tool sets", f"let a tool that can be reached set {listed(lacking)}"
        elif leading:
            why, fix = "is handed to only under facts that are never true there", "let the facts be set on the way to it"
        else:
            why, fix = f"cannot be reached from {listed(topology.entries)}", "hand over to it from an agent that is reached, or take it out"
        path = (leading[0].source, name) if leading else (name,)
        yield Finding(code="unreachable-agent", agents=(name,), message=f"{name!r} {why}", path=path, fix=fix)


def _facts(names: list[str]) -> str:
    return f"{'facts' if len(names) > 1 else 'fact'} {listed(names)}"


def _traps(topology: Topology, explored: Explored) -> Iterator[Finding]:
    """Agents from which home cannot be reached again."""
    home = topology.agent_at(topology.home) if topology.home is not None else None
    if home is None:
        return
    for name, path in _stuck(topology, explored, enters(home)):
        yield Finding(
            code="trap",
            agents=(name,),
            message=f"from {name!r} no conversation comes back to {home!r}, the home of {topology.name!r}",
            path=path,
            fix=f"hand over from {name!r} to {home!r}, or to one that does",
        )


def _without_human(topology: Topology, explored: Explored) -> Iterator[Finding]:
    """Agents from which nobody who is declared human can be reached."""
    known = names_of(topology)
    people = [name for name in topology.humans if name in known.agents or name in known.tools or name in known.groups]
    if not people:
        return
    human = _any_of([predicate_of(topology, name) for name in people])
    for name, path in _stuck(topology, explored, human):
        yield Finding(
            code="human-unreachable",
            agents=(name,),
            message=f"from {name!r} no person can be reached: neither by handoffs nor by a tool is there a way to {listed(people)}",
            path=path,
            fix=f"hand over from {name!r} to {people[0]!r}, or to one that does",
        )


def _any_of(each: list[Predicate]) -> Predicate:
    found = each[0]
    for other in each[1:]:
        found |= other
    return found


def _stuck(topology: Topology, explored: Explored, x: Predicate) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The agents that hold conversations from which x cannot be reached, each with a way there from an entry."""
    able = that_reach(explored, x)
    first: dict[str, tuple[str, ...]] = {}
    for state in explored.came:
        name = explored.model.holder(state)
        if name is not None and name not in first and state not in able:
            first[name] = tuple(step.happening.name for step in explored.way(state) if step.happening.kind == "enter")
    return ((name, first[name]) for name in topology.agents if name in first)


def _endless(topology: Topology, explored: Explored) -> Iterator[Finding]:
    """Rings of agents that hand over to each other, none of which may finish nor leads to one that may: a turn there never ends."""
    if all(map(may_end, topology.agents.values())):
        return
    live: nx.DiGraph[str] = nx.DiGraph(live_handoffs(explored))
    ends = {explored.model.holder(state) for state in that_reach(explored, _Ending())}
    for ring in nx.strongly_connected_components(live):
        if ends.isdisjoint(ring) and (len(ring) > 1 or any(live.has_edge(name, name) for name in ring)):
            agents = tuple(name for name in topology.agents if name in ring)
            yield Finding(
                code="endless-ring",
                agents=agents,
                message=f"{listed(agents)} hand over to each other, and no turn can end there: none may finish, and no way leads to one that may",
                path=(*agents, agents[0]),
                fix="let one of them finish (may_finish=True), or hand over to one that may",
            )


class _Ending(Predicate, frozen=True):
    """A turn ends."""

    def holds(self, happening: Happening) -> bool:
        return happening.kind == "final"


def _to_themselves(topology: Topology) -> Iterator[Finding]:
    for name in dict.fromkeys(edge.source for edge in topology.edges if edge.source == edge.target):
        yield Finding(
            code="self-handoff",
            agents=(name,),
            message=f"{name!r} hands over to itself, which spends a model call and changes nothing",
            path=(name, name),
            fix="take this handoff out",
        )


def _breaches(topology: Topology) -> Iterator[Finding]:
    """Side doors: handoffs into a group past its root."""
    for edge in dict.fromkeys((e.source, e.target) for e in topology.edges):
        source, target = edge
        around = topology.groups_of(source)
        for group in topology.groups_of(target):
            root = topology.agent_at(topology.groups[group].root)
            if group not in around and root != target:
                yield Finding(
                    code="group-breach",
                    agents=edge,
                    message=f"{source!r} hands over to {target!r}, which is inside the group {group!r}, past its root {root!r}",
                    path=edge,
                    fix=f"hand over to {group!r}, or take {target!r} out of it",
                )
                break


def _policies(topology: Topology, policies: Iterable[Spec | Question]) -> Iterator[Finding]:
    for policy in policies:
        verdict = prove(topology, policy)
        if not verdict:
            yield Finding(
                code="policy",
                agents=verdict.agents,
                message=str(verdict),
                path=tuple(map(str, verdict.path)),
                fix=verdict.advice,
                severity="error",
            )
