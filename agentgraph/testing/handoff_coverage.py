"""Handoff coverage: which handoffs of a graph really fired, counted from what runs told of themselves.

A tally counts for every topology that runs, by its fingerprint, so that it needs to know none of them. Stepping through recorded events
again is no run and counts nothing; a run that is resumed goes on from where it was, so that no handoff counts twice.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentgraph.runtime.observations import AgentHandoff, RunStarted, ToolRefused, ToolStarted

if TYPE_CHECKING:
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology
    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.observations import Observation
    from agentgraph.views.diagram import Diagram


class Counted(NamedTuple):
    """One thing that happens in runs of one topology."""

    fingerprint: str
    kind: Literal["run", "handoff", "call", "refusal"]
    agent: str
    """Whose it was; of a run, who held it when it began."""
    name: str = ""
    target: str = ""


class Tally:
    """How often what happened, in all runs that were watched. `see` may be called from any thread."""

    def __init__(self) -> None:
        self.counts: Counter[Counted] = Counter()
        self._counting = threading.Lock()

    def see(self, machine: Machine, observation: Observation) -> None:
        """Count one observation; a `Watcher`."""
        counted = _counted(machine.fingerprint, observation)
        if counted is not None:
            with self._counting:
                self.counts[counted] += 1

    def rows(self) -> list[list[Any]]:
        """The counts as JSON values, for another process to add."""
        return [[*counted, times] for counted, times in self.counts.items()]

    def add(self, rows: Iterable[Iterable[Any]]) -> None:
        """Add what the tally of another process has counted."""
        for *counted, times in rows:
            self.counts[Counted(*counted)] += times


def _counted(fingerprint: str, observation: Observation) -> Counted | None:
    match observation:
        case AgentHandoff(source=source, target=target, context=context):
            return Counted(fingerprint, "handoff", source, context.handed.tool if context.handed else "", target)
        case ToolStarted(agent=agent, call=call):
            return Counted(fingerprint, "call", agent, call.name)
        case ToolRefused(agent=agent, call=call):
            return Counted(fingerprint, "refusal", agent, call.name)
        case RunStarted(agent=agent):
            return Counted(fingerprint, "run", agent)
    return None


class HandoffCoverage:
    """What fired of one graph. `edges` are all its handoffs, in their order, each with how often."""

    def __init__(self, graph: Topology, tally: Tally) -> None:
        self.graph = graph
        mine = {counted: times for counted, times in tally.counts.items() if counted.fingerprint == graph.fingerprint}
        fired = {(c.agent, c.name, c.target): times for c, times in mine.items() if c.kind == "handoff"}
        self.edges: tuple[tuple[Edge, int], ...] = tuple(
            (edge, fired.get((edge.source, edge.tool, edge.target), 0)) for edge in graph.edges
        )
        self.runs = sum(times for c, times in mine.items() if c.kind == "run")
        self.entered = _summed({c.target if c.kind == "handoff" else c.agent: 0 for c in mine if c.kind in ("handoff", "run")}, mine)
        self.called = {(c.agent, c.name): times for c, times in mine.items() if c.kind == "call"}
        self.refused = {(c.agent, c.name): times for c, times in mine.items() if c.kind == "refusal"}

    @property
    def never(self) -> tuple[Edge, ...]:
        """The handoffs that did not fire."""
        return tuple(edge for edge, times in self.edges if not times)

    @property
    def percent(self) -> float:
        """How many of a hundred handoffs fired at least once; 100 where there is none."""
        return 100.0 * (1 - len(self.never) / len(self.edges)) if self.edges else 100.0

    def as_data(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "graph": self.graph.name,
            "fingerprint": self.graph.fingerprint,
            "percent": round(self.percent, 2),
            "runs": self.runs,
            "handoffs": [{"source": e.source, "target": e.target, "tool": e.tool, "fired": times} for e, times in self.edges],
            "agents": [{"agent": agent, "entered": self.entered.get(agent, 0)} for agent in self.graph.agents],
            "tools": [
                {"agent": agent.name, "tool": tool.name, "called": self.called.get(at, 0), "refused": self.refused.get(at, 0)}
                for agent in self.graph.agents.values()
                for tool in agent.tools
                for at in [(agent.name, tool.name)]
            ],
        }

    def lines(self) -> list[str]:
        """A table of the handoffs, and a line each for agents and tools."""
        width = max((len(_arrow(edge)) for edge, _ in self.edges), default=0)
        table = [f"{_arrow(edge):<{width}}  {times or 'never':>7}" for edge, times in self.edges]
        fired = len(self.edges) - len(self.never)
        agents = [agent for agent in self.graph.agents if agent in self.entered]
        tools = [(agent.name, tool.name) for agent in self.graph.agents.values() for tool in agent.tools]
        called = [at for at in tools if at in self.called]
        return [
            *table,
            f"{fired} of {len(self.edges)} handoffs fired in {self.runs:,} runs: {self.percent:.1f}%",
            f"{len(agents)} of {len(self.graph.agents)} agents entered{_but(a for a in self.graph.agents if a not in agents)}",
            f"{len(called)} of {len(tools)} tools called{_but(f'{agent}: {name}' for agent, name in tools if (agent, name) not in called)}",
            f"{sum(self.refused.values()):,} calls refused{_listed(self.refused)}",
        ]

    def diagram(self) -> Diagram:
        """The graph, with what fired marked and counted."""
        from agentgraph.views.diagram import Diagram
        from agentgraph.views.look import look_at
        from agentgraph.views.scene import picture_of
        from agentgraph.views.traffic import Route, Taken, laid_over

        title = f"{self.graph.name}: {self.percent:.1f}% of the handoffs fired"
        picture = picture_of(self.graph, look_at(title=title))
        routes = [Route((agent,)) for agent in self.entered]
        for edge, times in self.edges:
            routes += [Route((edge.source, edge.target), (Taken(edge.source, edge.tool, edge.target),))] * times
        return Diagram(laid_over(picture, self.graph, (*routes, Route(), Route())))  # of a single route the steps would be numbered


def _summed(entered: dict[str, int], counts: Mapping[Counted, int]) -> dict[str, int]:
    for counted, times in counts.items():
        if counted.kind in ("handoff", "run"):
            entered[counted.target or counted.agent] += times
    return entered


def _arrow(edge: Edge) -> str:
    return f"{edge.source} -> {edge.target} ({edge.tool})"


def _but(missing: Iterable[str]) -> str:
    names = ", ".join(missing)
    return f"; never: {names}" if names else ""


def _listed(counts: Mapping[tuple[str, str], int]) -> str:
    said = ", ".join(f"{agent}: {name} x{times:,}" for (agent, name), times in sorted(counts.items()))
    return f": {said}" if said else ""
