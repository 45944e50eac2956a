"""Answers to questions about a graph, as verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.checks.explored import Explored, Way, explore, handoffs_until, shortest_way, that_reach
from agentgraph.checks.named import predicate_of
from agentgraph.checks.questions import NoWayAround, Question, Reaches, Within
from agentgraph.checks.spec import Precedes
from agentgraph.checks.verdict import Verdict, path_of
from agentgraph.checks.walk import counterexample
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.possible.model import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.checks.predicate import Predicate
    from agentgraph.checks.questions import Sources
    from agentgraph.graph.topology import Topology
    from agentgraph.possible.model import State

_POSSIBLE = (
    "this is a fact about the graph: a way is there, and whether the model takes it is its choice",
    "`when=` may say yes, payloads fit, approvals are given, tools succeed",
)


def answer(topology: Topology, question: Question) -> Verdict:
    """What is to be said to `question`. O(states * what is offered), for each agent that is asked of.

    Raises:
        DefinitionError: for names that are not there, and for a graph that is too large.
    """
    match question:
        case Reaches(x, sources):
            return _reaches(topology, question, predicate_of(topology, x), sources)
        case Within(k, x, sources):
            return _within(topology, question, k, predicate_of(topology, x), sources)
        case NoWayAround(via, to):
            return _no_way_around(topology, question, predicate_of(topology, via), predicate_of(topology, to))
    raise DefinitionError(f"prove was given {question!r:.60}; give a spec or a question of agentgraph.checks")


def _no_way_around(topology: Topology, question: Question, via: Predicate, to: Predicate) -> Verdict:
    spec = Precedes(via, to)
    steps = counterexample(Model(topology, heeds=spec.heeds), spec) or ()
    return Verdict(
        holds=not steps,
        spec=question,
        path=path_of(steps),
        topology=topology,
        steps=steps,
        advice="take this way out of the graph, or guard it",
    )


def _reaches(topology: Topology, question: Question, x: Predicate, sources: Sources) -> Verdict:
    asked = _asked(topology, sources)
    stuck: dict[str, tuple[Explored, State]] = {}
    for explored, states in _where(topology, asked):
        able = that_reach(explored, x)
        for name, state in states:
            if state not in able:
                stuck.setdefault(name, (explored, state))
    if not stuck:
        model = Model(topology, also=asked)
        way = shortest_way(model, [model.begun(asked[0])], x) if len(asked) == 1 else None
        return _verdict(topology, question, holds=True, way=way)
    agents = tuple(name for name in asked if name in stuck)
    explored, first = stuck[agents[0]]
    return _verdict(topology, question, holds=False, way=Way(explored.way(first), 0), agents=agents)


def _within(topology: Topology, question: Question, k: int, x: Predicate, sources: Sources) -> Verdict:
    if sources is None:
        model = Model(topology)
        way = shortest_way(model, model.starts(), x)
        return _verdict(topology, question, holds=way is not None and way.handoffs <= k, way=way, counted=True)
    asked = _asked(topology, sources)
    model = Model(topology, also=asked)
    begun = {name: model.begun(name) for name in asked}
    handoffs = handoffs_until(explore(model, begun.values()), x)
    far = tuple(name for name, step in begun.items() if handoffs.get(step.to, k + 1) > k)
    worst = far[0] if far else max(asked, key=lambda name: handoffs[begun[name].to])
    way = shortest_way(model, [begun[worst]], x)
    return _verdict(topology, question, holds=not far, way=way, agents=far, counted=True)


def _verdict(
    topology: Topology, question: Question, *, holds: bool, way: Way | None, agents: tuple[str, ...] = (), counted: bool = False
) -> Verdict:
    steps = way.steps if way is not None else ()
    return Verdict(
        holds=holds,
        spec=question,
        path=path_of(steps),
        assumptions=_POSSIBLE,
        advice="add a handoff on the way, or set the fact that it needs",
        agents=agents,
        distance=way.handoffs if way is not None and (holds or counted) else None,
        topology=topology,
        steps=steps,
    )


def _where(topology: Topology, asked: tuple[str, ...]) -> Iterator[tuple[Explored, list[tuple[str, State]]]]:
    """The states in which each of `asked` holds a conversation that comes to it from an entry; where none does, the one with no facts."""
    model = Model(topology)
    near = explore(model, model.starts())
    held: dict[str, list[State]] = {name: [] for name in asked}
    for state in near.came:
        name = model.holder(state)
        if name in held:
            held[name].append(state)
    yield near, [(name, state) for name, states in held.items() for state in states]
    strangers = [name for name, states in held.items() if not states]
    if strangers:
        model = Model(topology, also=strangers)
        begun = {name: model.begun(name) for name in strangers}
        yield explore(model, begun.values()), [(name, step.to) for name, step in begun.items()]


def _asked(topology: Topology, sources: Sources) -> tuple[str, ...]:
    """The agents that a question is asked of, in the order written.

    Raises:
        DefinitionError: for a name that is neither an agent nor a group.
    """
    if not isinstance(sources, tuple):
        return tuple(topology.agents)
    asked = set[str]()
    for name in sources:
        if name in topology.agents:
            asked.add(name)
        elif name in topology.groups:
            asked.update(topology.members(name))
        else:
            raise DefinitionError(
                f"{topology.name!r} has no agent or group {name!r}; it has {listed((*topology.agents, *topology.groups))}"
            )
    return tuple(name for name in topology.agents if name in asked)
