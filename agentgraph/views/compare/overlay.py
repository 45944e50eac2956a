"""Two topologies in one: what is there and what was, drawn like any other, and then marked.

So every view, every focus and every group that is closed works for a comparison as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agentgraph.graph.edge import Group
from agentgraph.views.compare.missed import with_loosened
from agentgraph.views.compare.painter import ADDED, CHANGED, REMOVED, Fate, Fates, painted
from agentgraph.views.compare.resolved import Resolved, renamed
from agentgraph.views.display import one_line, shortened
from agentgraph.views.picture import Picture
from agentgraph.views.topology_view import MOST

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent
    from agentgraph.graph.topology import Topology
    from agentgraph.views.compare.difference import Detail, Difference, HandoffAt


class Overlaid(Resolved):
    """All agents and handoffs of two topologies, under the names of the newer, and what became of each."""

    fates: Fates

    def painted(self, picture: Picture) -> Picture:
        """`picture`, which is one of this, with what is added, removed or changed marked."""
        return painted(self, self.fates, picture)


def overlaid(difference: Difference, *, every_tool: bool = False) -> Overlaid:
    """Both topologies of `difference` in one. With `every_tool` agents have the tools too that they have no longer."""
    names = {rename.old: rename.new for rename in difference.agents_renamed}
    new, old = difference.new, renamed(difference.old, names, difference.new)
    gone = {(h.source, h.target, h.tool) for h in difference.handoffs_removed}
    lost = [edge for edge, before in zip(old.edges, difference.old.edges, strict=True) if before[:3] in gone]
    agents = [_with_all_tools(agent, old) if every_tool else agent for agent in new.agents.values()]
    both = Overlaid.made(
        new.name,
        [*agents, *(agent for name, agent in old.agents.items() if name not in new.agents)],
        [*new.edges, *lost],
        _groups(old, new),
        new.entries,
        home=new.home,
        human=new.human,
    )
    both.fates = _fates(difference, old, both)
    return both


def _fates(difference: Difference, old: Topology, both: Topology) -> Fates:
    new = difference.new
    changed = {change.new: change.details for change in difference.agents_changed}
    was = {rename.new: rename.old for rename in difference.agents_renamed}
    handoffs = {_key(change.new): change.details for change in difference.handoffs_changed}
    return with_loosened(
        difference,
        Fates(
            agents={
                **{name: _in_words(changed.get(name, ()), was.get(name)) for name in {**changed, **was}},
                **dict.fromkeys(difference.agents_added, ADDED),
                **{name: REMOVED for name in both.agents if name not in new.agents},
            },
            handoffs={
                **{edge[:3]: REMOVED for edge in both.edges[len(new.edges) :]},
                **{_key(handoff): ADDED for handoff in difference.handoffs_added},
                **{at: _in_words(details, None) for at, details in handoffs.items()},
            },
            tools={(name, tool): fate for name in both.agents for tool, fate in _tools(name, old, new)},
            groups={
                **dict.fromkeys(difference.groups_added, ADDED),
                **dict.fromkeys(difference.groups_removed, REMOVED),
                **dict.fromkeys((change.name for change in difference.groups_changed), CHANGED),
            },
        ),
    )


def _key(handoff: HandoffAt) -> tuple[str, str, str]:
    return handoff.source, handoff.target, handoff.tool


def _in_words(details: Iterable[Detail], before: str | None) -> Fate:
    """What it was called, and which parts of it changed."""
    parts = dict.fromkeys("tools" if detail.part.startswith("tool ") else detail.part for detail in details)
    called = (f"was {shortened(one_line(before), MOST)}",) if before is not None else ()
    return Fate("changed", (*called, *((f"changed: {', '.join(parts)}",) if parts else ())))


def _with_all_tools(agent: Agent, old: Topology) -> Agent:
    before = old.agents.get(agent.name)
    held = {tool.name for tool in agent.tools}
    lost = tuple(tool for tool in before.tools if tool.name not in held) if before is not None else ()
    return agent.replace(tools=(*agent.tools, *lost), handoffs=()) if lost else agent


def _tools(name: str, old: Topology, new: Topology) -> Iterator[tuple[str, Fate | None]]:
    """What became of every tool of an agent that one of them has."""
    was, now = ({tool.name: tool for tool in t.agents[name].tools} if name in t.agents else {} for t in (old, new))
    for tool in {**now, **was}:
        if tool not in was or tool not in now:
            yield tool, ADDED if tool in now else REMOVED
        else:
            a, b = was[tool], now[tool]
            same = (a.sets, a.requires, a.final, a.needs_approval) == (b.sets, b.requires, b.final, b.needs_approval)
            yield tool, None if same else CHANGED


def _groups(old: Topology, new: Topology) -> Iterable[Group]:
    """The groups there are, and around agents that are gone those that were; an agent of both lies where it is now."""
    groups = dict(new.groups)
    for name in old.agents:
        if name in new.agents:
            continue
        inner, around = name, [group for group in old.groups_of(name) if group in groups or group not in new.agents]
        for at in range(len(around) - 1, -1, -1):
            group = groups.get(around[at])
            parent = around[at - 1] if at else None
            groups[around[at]] = (
                Group(around[at], inner, (inner,), parent)
                if group is None
                else group._replace(members=tuple(dict.fromkeys((*group.members, inner))))
            )
            if group is not None:
                break
            inner = around[at]
    return groups.values()
