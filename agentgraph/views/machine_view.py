"""Edges -> Picture of the compiled machine: a state for each agent, a transition for each handoff tool; and of the turn machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from agentgraph.views.display import one_line, shortened
from agentgraph.views.ids import made_id
from agentgraph.views.picture import Arrow, Box, Picture
from agentgraph.views.topology_view import MOST, few, handoff_lines, number

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology

_START = "start"


def machine_picture(topology: Topology, ids: Callable[[str, str], str], sizes: Mapping[str, int]) -> Picture:
    """The finite-state machine that `topology` is compiled into: entered at its entries, moved by its handoff tools.

    `sizes` of the groups that are closed, each of which is a state that stands for so many.
    """
    states = {name: ids("state", name) for name in topology.agents}
    boxes = [Box(_START, "", "start"), *(_state(state, name, sizes) for name, state in states.items())]
    arrows = [Arrow(_START, states[name]) for name in topology.entries]
    for edge in topology.edges:
        asked = [line for line in handoff_lines(edge) if line != shortened(edge.tool, MOST)]
        label = edge.tool + (f" [{few(asked, between='; ')}]" if asked else "")
        arrows.append(Arrow(states[edge.source], states[edge.target], label, name=edge.tool))
    return Picture(tuple(boxes), tuple(arrows), form="states")


def _state(state: str, name: str, sizes: Mapping[str, int]) -> Box:
    label = shortened(one_line(name), MOST)
    return Box(state, f"{label}\n{number(sizes[name], 'agent')}", "group", name) if name in sizes else Box(state, label, "state", name)


def transitions_picture(table: Mapping[tuple[str, str], Iterable[str]], initial: str) -> Picture:
    """A machine that is a table from (state, state) to the events that lead from one to the other."""
    states = {state: made_id("state", state) for state in (initial, *(state for pair in table for state in pair))}
    boxes = [Box(_START, "", "start"), *(Box(box, state, "state", state) for state, box in states.items())]
    arrows = [Arrow(states[source], states[target], ", ".join(events)) for (source, target), events in table.items()]
    return Picture(tuple(boxes), (Arrow(_START, states[initial]), *arrows), form="states")
