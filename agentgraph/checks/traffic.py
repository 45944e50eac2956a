"""What really happened in many runs, counted: who spoke, who handed over to whom, who called what. A fold: runs are read one by one and let go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from msgspec import Struct, field

from agentgraph.checks.along import along
from agentgraph.checks.recording import recording_of
from agentgraph.conversation.context import Context
from agentgraph.definition.agent import Agent
from agentgraph.definition.handoff import Handoff
from agentgraph.definition.naming import acceptable
from agentgraph.definition.tool import Tool
from agentgraph.engine.trace import Trace
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import Topology

T = TypeVar("T", bound=Topology)


class Traffic(Struct):
    """How often, in how many runs. A change of speaker that nobody handed over for counts as a handoff: it is what happened."""

    runs: int = 0
    entries: Counter[str] = field(default_factory=Counter)
    """Who was the first to hold the conversation."""
    agents: Counter[str] = field(default_factory=Counter)
    """Messages by who spoke; an agent that was only handed to has none."""
    handoffs: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls that ran, by who called which tool."""
    tools: dict[tuple[str, str], str] = field(default_factory=dict)
    """By which tool a handoff was first seen to be made."""

    def add(self, run: Any, topology: Topology | None = None) -> None:
        """Count one run: of a result or a trace what it did itself, of other records all of it. O(messages).

        Raises:
            DefinitionError: for what is no record of a run.
        """
        recording = recording_of(run)
        self.runs += 1
        holder, spoke_at = "", -1
        for moment in along(recording, topology):
            if moment.kind in ("user", "inside") or not moment.agent:
                continue
            is_new = moment.index >= recording.since
            if is_new and moment.agent != holder:
                if holder:
                    self.handoffs[holder, moment.agent] += 1
                else:
                    self.entries[moment.agent] += 1
            holder = moment.agent
            if is_new and moment.index != spoke_at:
                self.agents[holder] += 1
                spoke_at = moment.index
            if is_new and moment.kind == "call" and moment.ran:
                self.calls[holder, moment.name] += 1
            if moment.kind == "handoff":
                if is_new:
                    self.handoffs[holder, moment.target] += 1
                    self.agents[moment.target] += 0
                    self.tools.setdefault((holder, moment.target), moment.name)
                holder = moment.target


def traffic_of(runs: Iterable[Any], topology: Topology | None = None) -> Traffic:
    """What happened in `runs`: any records of runs, several or one; with `topology`, calls of its handoffs are seen to be handoffs.

    Raises:
        DefinitionError: for what is no record of a run.
    """
    if isinstance(runs, Context | Trace | Mapping) or hasattr(runs, "trace"):
        runs = [runs]
    if isinstance(runs, str | bytes) or not isinstance(runs, Iterable):
        raise DefinitionError(f"runs were given as a {type(runs).__name__}; give results, traces, contexts, or lists of messages")
    traffic = Traffic()
    for run in runs:
        traffic.add(run, topology)
    return traffic


def drawn_up(topology: T, traffic: Traffic) -> T:
    """Add to `topology` what `traffic` has seen. Names of tools that no provider accepts are written as one would."""
    for agent in traffic.agents:
        tools = dict.fromkeys(acceptable(name) for caller, name in traffic.calls if caller == agent)
        topology.add_agent(Agent(agent, tools=[Tool(name=name) for name in tools]))
    for source, target in traffic.handoffs:
        tool = traffic.tools.get((source, target), "")
        topology.add_handoff(source, Handoff(target, tool_name=tool if tool and acceptable(tool) == tool else None))
    if traffic.entries:
        topology.entry = [name for name, _ in traffic.entries.most_common()]
    return topology
