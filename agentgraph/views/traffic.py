"""Runs laid over a picture: the boxes that were visited, the arrows that were taken, and the agent that holds the conversation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import Context
from agentgraph.engine.trace import Trace
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.graph.topology import Topology
    from agentgraph.views.picture import Arrow, Box, Mark, Picture

HOLDERS = ("agent", "group", "human", "state")
"""The kinds of boxes that hold conversations."""
_NUMBERED = 4
"""So many numbers stand on one arrow; it is counted where it was taken more often."""


class Taken(Struct, frozen=True):
    """A handoff that was carried out."""

    source: str
    tool: str
    target: str


class Route(Struct, frozen=True):
    """The way of one conversation through the graph: who held it, in order, and by which handoffs."""

    agents: tuple[str, ...] = ()
    taken: tuple[Taken, ...] = ()

    @property
    def active(self) -> str | None:
        """The agent that holds the conversation at the end."""
        return self.agents[-1] if self.agents else None


def routes_of(run: Any, step: int | None = None) -> tuple[Route, ...]:
    """The routes of a result, a trace, a context, a route, or several of these; of one trace up to `step`, an index into it.

    Raises:
        DefinitionError: for anything else, and for a step that there is not.
    """
    one = _record(run)
    several = isinstance(one, Iterable) and not isinstance(one, Trace | str)
    runs = [_record(each) for each in one] if several else [one]
    for each in runs:
        if not isinstance(each, Trace | Context | Route):
            raise DefinitionError(f"a diagram was given run={each!r:.60}; give a result, a trace, a context, or several of them")
    if step is None:
        return tuple(map(_route, runs))
    if type(step) is not int or several or not isinstance(runs[0], Trace):
        raise DefinitionError(f"a diagram was given step={step!r:.60}; it is an index into the trace of one run")
    trace = runs[0]
    if not -len(trace) <= step < len(trace):
        raise DefinitionError(
            f"a diagram was given step={step}; the trace has {len(trace)} steps, so give {-len(trace)} to {len(trace) - 1}"
        )
    return (_route(Trace(trace.start, trace[: step % len(trace) + 1])),)


def _record(run: Any) -> Any:
    """What is recorded of a run: by its result, or by what has one, as a stream does."""
    return getattr(getattr(run, "result", run), "trace", run)


def _route(run: Trace | Context | Route) -> Route:
    if isinstance(run, Route):
        return run
    return _of_trace(run) if isinstance(run, Trace) else _of_context(run)


def _of_trace(trace: Trace) -> Route:
    agents, taken = [], []
    before = trace.start
    for _, after in trace:
        handed = after.handed
        if handed is not None and handed != before.handed:
            taken.append(Taken(handed.source, handed.tool, handed.target))
            agents += [handed.source, handed.target]
        elif after.agent is not None:
            agents.append(after.agent)
        before = after
    return Route(tuple(_without_repeats(agents)), tuple(taken))


def _of_context(context: Context) -> Route:
    """Read off the history: who spoke, and which answers say that the conversation moved."""
    agents: list[str] = []
    taken: list[Taken] = []
    asked: dict[str, tuple[str, str]] = {}
    for message in context.messages:
        if message.agent is None:
            continue
        if message.role == "assistant":
            asked.update({call.id: (message.agent, call.name) for call in message.tool_calls})
        elif message.role == "tool" and message.tool_call_id in asked:
            source, tool = asked[message.tool_call_id]
            taken.append(Taken(source, tool, message.agent))
        agents.append(message.agent)
    if context.agent is not None:
        agents.append(context.agent)
    return Route(tuple(_without_repeats(agents)), tuple(taken))


def _without_repeats(agents: Iterable[str]) -> Iterator[str]:
    last = None
    for agent in agents:
        if agent != last:
            yield agent
        last = agent


def visited(routes: Iterable[Route]) -> tuple[str, ...]:
    """Every agent that held a conversation, in order."""
    return tuple(dict.fromkeys(agent for route in routes for agent in route.agents))


def checked(routes: tuple[Route, ...], topology: Topology) -> tuple[Route, ...]:
    """`routes`, if they lead through `topology`.

    Raises:
        DefinitionError: when of one of them nobody who held the conversation is in it.
    """
    for route in routes:
        if route.agents and topology.agents.keys().isdisjoint(route.agents):
            raise DefinitionError(
                f"this run was held by {listed(dict.fromkeys(route.agents))}, none of whom is in the graph {topology.name!r}; give runs of this graph"
            )
    return routes


def laid_over(picture: Picture, topology: Topology, routes: tuple[Route, ...]) -> Picture:
    """`picture`, with what `routes` visited and took marked. O(boxes + arrows + handoffs taken).

    What lies in a closed group counts for the group. What is not to be seen is left out. One route numbers its arrows, several count them.
    """
    boxes = {box.name: box.id for box in picture.boxes if box.kind in HOLDERS}
    node = {agent: _node(topology, agent, boxes) for agent in visited(routes)}
    seen = {box for box in node.values() if box is not None}
    active = node.get(routes[0].active or "") if len(routes) == 1 else None
    numbers = _numbers(picture, node, routes)
    return replace(
        picture,
        boxes=tuple(_marked(box, seen, active) for box in picture.boxes),
        arrows=tuple(_counted(arrow, numbers.get(at, []), alone=len(routes) == 1) for at, arrow in enumerate(picture.arrows)),
    )


def _node(topology: Topology, agent: str, boxes: Mapping[str, str]) -> str | None:
    """The box of an agent, or of the group that hides it."""
    groups = topology.groups_of(agent) if agent in topology.agents else ()
    return next((boxes[name] for name in (agent, *groups) if name in boxes), None)


def _numbers(picture: Picture, node: Mapping[str, str | None], routes: Iterable[Route]) -> Mapping[int, list[int]]:
    """For each arrow, by its place in the picture, which handoffs of their runs took it."""
    between: dict[tuple[str, str], list[int]] = {}
    for at, arrow in enumerate(picture.arrows):
        between.setdefault((arrow.source, arrow.target), []).append(at)
        if arrow.both:
            between.setdefault((arrow.target, arrow.source), []).append(at)
    numbers: dict[int, list[int]] = {}
    for route in routes:
        for number, taken in enumerate(route.taken, 1):
            source, target = node.get(taken.source), node.get(taken.target)
            if source is None or target is None or (source == target and taken.source != taken.target):
                continue
            ways = between.get((source, target), [])
            if ways:
                best = next((at for at in ways if taken.tool in _said(picture.arrows[at])), ways[0])
                numbers.setdefault(best, []).append(number)
    return numbers


def _said(arrow: Arrow) -> list[str]:
    """The words of a label: the tool is among them where arrows must be told apart."""
    return arrow.label.split()


def _marked(box: Box, seen: set[str], active: str | None) -> Box:
    if box.id not in seen:
        return box
    marks: tuple[Mark, ...] = (*box.marks, "visited", *(("active",) if box.id == active else ()))
    return replace(box, marks=marks)


def _counted(arrow: Arrow, numbers: list[int], *, alone: bool) -> Arrow:
    if not numbers:
        return arrow
    few = alone and len(numbers) <= _NUMBERED
    count = ", ".join(map(str, numbers)) if few else f"x{len(numbers):,}"
    label = f"{arrow.label}\n{count}" if arrow.label else count
    return replace(arrow, label=label, marks=(*arrow.marks, "visited"), weight=arrow.weight + len(numbers))
