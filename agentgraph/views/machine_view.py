"""Edges -> Picture of the compiled machine: a state for each agent, a transition for each handoff tool; and of the turn machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from agentgraph.views.display import one_line, shortened
from agentgraph.views.picture import Arrow, Box, Picture
from agentgraph.views.topology_view import MOST, handoff_lines

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology

_START = "start"


def machine_picture(topology: Topology, ids: Callable[[str, str], str]) -> Picture:
    """The finite-state machine that `topology` is compiled into: entered at its entries, moved by its handoff tools."""
    states = {name: ids("state", name) for name in topology.agents}
    boxes = [Box(_START, "", "start"), *(Box(state, shortened(one_line(name), MOST), "state", name) for name, state in states.items())]
    arrows = [Arrow(_START, states[name]) for name in topology.entries]
    for edge in topology.edges:
        asked = [line for line in handoff_lines(edge) if line != shortened(edge.tool, MOST)]
        label = edge.tool + (f" [{'; '.join(asked)}]" if asked else "")
        arrows.append(Arrow(states[edge.source], states[edge.target], label, name=edge.tool))
    return Picture(tuple(boxes), tuple(arrows), form="states")


def transitions_picture(table: Mapping[tuple[str, str], Iterable[str]], initial: str) -> Picture:
    """A machine that is a table from (state, state) to the events that lead from one to the other. States are drawn by their names."""
    states = dict.fromkeys([initial, *(state for pair in table for state in pair)])
    boxes = [Box(_START, "", "start"), *(Box(state, state, "state", state) for state in states)]
    arrows = [Arrow(source, target, ", ".join(events)) for (source, target), events in table.items()]
    return Picture(tuple(boxes), (Arrow(_START, initial), *arrows), form="states")
