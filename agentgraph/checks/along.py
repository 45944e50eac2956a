"""A recording along a topology, which alone can tell which calls are handoffs, and where to."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgraph.checks.recording import Moment, Recording
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology


def along(recording: Recording, topology: Topology | None) -> Iterator[Moment]:
    """The moments, with what only `topology` can tell: which calls are handoffs, and where to. Unnamed messages are the holder's.

    The handoff of a message comes last of it, since what stands behind it in the message is still its speaker's.
    """
    ways: dict[str, list[Edge]] = {}
    for edge in topology.edges if topology is not None else ():
        ways.setdefault(edge.tool, []).append(edge)
    holder = recording.start or ("" if topology is None else topology.entry)
    spoke_next = _next_speakers(recording.moments)
    for index, together in groupby(recording.moments, attrgetter("index")):
        handed: Moment | None = None
        for moment in together:
            said = moment if moment.agent or moment.kind == "user" else replace(moment, agent=holder)
            if topology is not None and handed is None:
                said = _resolved(said, ways, spoke_next[index], topology)
            if said.kind == "handoff":
                handed = said
                continue
            if said.kind in ("speech", "call"):
                holder = said.agent
            yield said
        if handed is not None:
            holder = handed.target
            yield handed


def _resolved(moment: Moment, ways: Mapping[str, list[Edge]], spoke_next: str, topology: Topology) -> Moment:
    if moment.kind == "call" and moment.answer in ("given", "none") and moment.name in ways:
        moment = _as_handoff(moment, ways[moment.name], spoke_next, topology)
    if moment.kind == "handoff":
        return replace(moment, target=topology.agent_at(moment.target) or moment.target)
    return moment


def _as_handoff(call: Moment, ways: list[Edge], spoke_next: str, topology: Topology) -> Moment:
    """A call of a handoff tool, as the handoff it is: to whom it may lead, and of several to who spoke next."""
    own = [edge.target for edge in ways if edge.source == call.agent]
    if not own and any(tool.name == call.name for tool in _tools(topology, call.agent)):
        return call
    targets = own or [edge.target for edge in ways]
    return replace(call, kind="handoff", target=spoke_next if spoke_next in targets else targets[0])


def _tools(topology: Topology, agent: str) -> tuple[Tool, ...]:
    return topology.agents[agent].tools if agent in topology.agents else ()


def _next_speakers(moments: Sequence[Moment]) -> dict[int, str]:
    """By message, who is named in the next that names anybody."""
    following: dict[int, str] = {}
    named = later = ""
    for moment in reversed(moments):
        if moment.index not in following:
            later = named
        following[moment.index] = later
        if moment.agent and moment.kind != "inside":
            named = moment.agent
    return following
