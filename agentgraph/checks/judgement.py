"""What a spec says of one recording: it holds, or the first happening that breaks it and the way there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.checks.along import along
from agentgraph.checks.predicate import AnyOf, Inside, Predicate
from agentgraph.checks.recording import Moment, Outcomes, Recording, recording_of
from agentgraph.conversation.happening import Happening
from agentgraph.engine.happened import CameTo, executions
from agentgraph.errors import DefinitionError
from agentgraph.machine.happening import BROKEN, is_shown
from agentgraph.machine.machine import Machine

if TYPE_CHECKING:
    from agentgraph.checks.spec import Spec
    from agentgraph.graph.topology import Topology


class Judgement(Struct, frozen=True):
    """True where the spec holds, whatever is not known of what happened. `index` is the message at which it was broken, `path` what
    happened up to it.
    """

    spec: Spec
    holds: bool
    index: int | None = None
    path: tuple[Happening, ...] = ()
    sure: bool = True
    """Whether all readings of the recording agree: a call of which nobody heard again may have run, or not."""

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        if self.holds:
            return f"{self.spec} holds in this recording"
        if self.sure:
            return f"{self.spec} is broken at message {self.index} by: {', '.join(map(str, self.path))}"
        return f"{self.spec} may be broken at message {self.index}, since nobody knows whether a call ran, by: {', '.join(map(str, self.path))}"

    __repr__ = __str__


def judged(spec: Spec, run: Any, graph: Any = None, outcome: Outcomes | None = None) -> Judgement:
    """Fold `spec` over what `run` records. O(messages).

    Raises:
        DefinitionError: for what is no record of a run, and for a spec that speaks of groups where no graph is known.
    """
    topology = topology_of(graph if graph is not None else getattr(getattr(run, "result", run), "machine", None))
    if topology is None and any(map(_speaks_of_groups, spec.predicates)):
        raise DefinitionError(f"{spec} speaks of groups, which a recording does not know; give check(run, graph)")
    states, path, broken = {spec.start}, list[Happening](), Judgement(spec, holds=True)
    for index, happening in happenings(recording_of(run, outcome), topology):
        path.append(happening)
        states = _after(spec, states, happening)
        if BROKEN in states and broken.holds:
            broken = Judgement(spec, holds=False, index=index, path=_shown(path), sure=False)
        if states == {BROKEN}:
            return Judgement(spec, holds=False, index=index, path=_shown(path))
    return broken


def _after(spec: Spec, states: set[int], happening: Happening) -> set[int]:
    """The states that `spec` may be in after `happening`."""
    after = {_state(spec, spec.after(state, happening)) for state in states} if is_shown(spec, happening) else states
    if happening.sure:
        return after
    succeeded = _after(spec, after, replace(happening, kind="success", sure=True)) if happening.kind == "call" else after
    return states | after | succeeded


def _state(spec: Spec, given: Any) -> int:
    if type(given) is not int:
        raise DefinitionError(
            f"{spec} gave the state {given!r:.40}; the state after a happening is a whole number, and BROKEN where it must not be"
        )
    return given


_UNSAID = frozenset({"success", "failure", "refusal", "skip", "handoff"})


def _shown(path: list[Happening]) -> tuple[Happening, ...]:
    """What leads there: agents entered, tools called, turns ended; the last is what has broken it."""
    return (*(happening for happening in path[:-1] if happening.kind not in _UNSAID), path[-1])


def topology_of(graph: Any) -> Topology | None:
    """The topology of a graph or a machine, if there is one.

    Raises:
        DefinitionError: for anything else.
    """
    from agentgraph.graph.topology import Topology

    if graph is None or isinstance(graph, Topology):
        return graph
    if isinstance(graph, Machine):
        from agentgraph.views.compare.resolved import of_machine

        return of_machine(graph)
    raise DefinitionError(f"check(run, graph) was given graph={graph!r:.60}; give an AgentGraph or a machine")


def _speaks_of_groups(predicate: Predicate) -> bool:
    return isinstance(predicate, Inside) or (isinstance(predicate, AnyOf) and any(map(_speaks_of_groups, predicate.each)))


def happenings(recording: Recording, topology: Topology | None = None) -> Iterator[tuple[int, Happening]]:
    """What happened, each with the index of its message. An agent that speaks without having been handed to was entered all the same."""
    holder, last = "", -1
    final_tools = {(name, tool.name) for name, a in topology.agents.items() for tool in a.tools if tool.final} if topology else set()
    returned, came_to = "", list[Happening]()  # what a call came to stands behind what went on inside of it
    for moment in along(recording, topology):
        if moment.kind == "inside":
            if moment.happening is not None:
                yield moment.index, moment.happening
                continue
            for happening in _of_call(moment) if moment.name else (_entered(moment.agent, topology),):
                yield moment.index, happening
            continue
        while came_to:
            yield last, came_to.pop()
        is_same, last = moment.index == last, moment.index
        if moment.kind == "user":
            if returned:  # a tool ended the turn before
                yield last - 1, Happening("final", agent=returned)
            returned = ""
            continue
        if moment.agent and moment.agent != holder:
            holder = moment.agent
            yield last, _entered(holder, topology)
        if moment.kind == "call":
            for happening in _of_call(moment):
                if happening.kind in ("success", "failure"):
                    came_to.append(happening)
                else:
                    yield last, happening
        ends = moment.ends
        if ends is None:
            ends = (holder, moment.name) in final_tools and moment.answer == "given"
        if moment.kind == "call" and ends:
            returned = holder
        elif not is_same or moment.kind == "handoff":
            returned = ""
        if moment.kind == "handoff":
            yield last, Happening("handoff", moment.name, moment.agent)
            holder = moment.target
            yield last, _entered(holder, topology)
        if moment.kind == "speech" and moment.ends:
            yield last, Happening("final", agent=holder)
    while came_to:
        yield last, came_to.pop()
    if recording.left not in ("", holder):
        holder = recording.left
        yield last, _entered(holder, topology)
    if returned:
        yield recording.last, Happening("final", agent=returned)


def _of_call(moment: Moment) -> Iterator[Happening]:
    """Its executions, and what came of the last. A call of others' that nobody has answered counts as one that gave something."""
    came_to = _CAME_TO.get(moment.answer)
    return executions((Happening("call", moment.name, moment.agent),), moment.earlier, came_to) if came_to is not None else iter(())


_CAME_TO: Mapping[str, CameTo] = {
    "given": "given",
    "none": "given",
    "unset": "failed",
    "failed": "failed",
    "running": "running",
    "unknown": "unknown",
    "refused": "refused",
    "skipped": "skipped",
}


def _entered(agent: str, topology: Topology | None) -> Happening:
    groups = topology.groups_of(agent) if topology is not None and agent in topology.agents else ()
    return Happening("enter", agent, groups=groups)
