"""What became reachable: over any chain of handoffs, whatever guards them, from the entries and from each agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import networkx as nx
from msgspec import Struct

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology

Reached = tuple[str, str]
"""("agent" or "tool", its name)."""


class Reach(Struct, frozen=True):
    """What is reached now and was not before, and the reverse, from each of `sources`. Agents are called as in their own graph."""

    sources: tuple[str, ...]
    gained_agents: tuple[str, ...] = ()
    gained_tools: tuple[str, ...] = ()
    lost_agents: tuple[str, ...] = ()
    lost_tools: tuple[str, ...] = ()


def reach_changes(old: Topology, new: Topology, before: Mapping[str, str]) -> tuple[Reach | None, tuple[Reach, ...]]:
    """From the entries; and from every agent of both, those together whose reach changed alike.

    `old` has the names of `new`; `before` says what an agent was called. O(agents * (agents + tools) / 64 + handoffs).
    """
    things = sorted({*_things(old), *_things(new)})
    bit = {thing: 1 << at for at, thing in enumerate(things)}
    was, now = _reached(old, bit), _reached(new, bit)

    def change(sources: Iterable[str], earlier: int, later: int) -> Reach:
        gained, lost = _named(later & ~earlier, things), _named(earlier & ~later, things)
        return Reach(
            tuple(sources), gained["agent"], gained["tool"], tuple(sorted(before.get(name, name) for name in lost["agent"])), lost["tool"]
        )

    alike: dict[tuple[int, int], list[str]] = {}
    for name in sorted(new.agents):
        if name in was and was[name] != now[name]:
            alike.setdefault((now[name] & ~was[name], was[name] & ~now[name]), []).append(name)
    entered = _together(old, was), _together(new, now)
    return (
        change((), *entered) if entered[0] != entered[1] else None,
        tuple(change(sources, was[sources[0]], now[sources[0]]) for sources in alike.values()),
    )


def _things(topology: Topology) -> Iterable[Reached]:
    for name, agent in topology.agents.items():
        yield "agent", name
        for tool in agent.tools:
            yield "tool", tool.name


def _reached(topology: Topology, bit: Mapping[Reached, int]) -> Mapping[str, int]:
    """For each agent, itself and what it reaches, as bits: agents that reach each other are one, and the rest has no circle."""
    circles = nx.condensation(topology.digraph)
    reached: dict[int, int] = {}
    for circle in reversed(list(nx.topological_sort(circles))):
        bits = 0
        for name in circles.nodes[circle]["members"]:
            bits |= bit["agent", name]
            for tool in topology.agents[name].tools:
                bits |= bit["tool", tool.name]
        for following in circles.successors(circle):
            bits |= reached[following]
        reached[circle] = bits
    return {name: reached[circle] for name, circle in circles.graph["mapping"].items()}


def _together(topology: Topology, reached: Mapping[str, int]) -> int:
    bits = 0
    for entry in topology.entries:
        bits |= reached[entry]
    return bits


def _named(bits: int, things: list[Reached]) -> Mapping[str, tuple[str, ...]]:
    named: dict[str, list[str]] = {"agent": [], "tool": []}
    while bits:
        lowest = bits & -bits
        kind, name = things[lowest.bit_length() - 1]
        named[kind].append(name)
        bits ^= lowest
    return {kind: tuple(names) for kind, names in named.items()}
