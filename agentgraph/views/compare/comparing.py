"""Two topologies -> what changed from one to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgraph.errors import DefinitionError
from agentgraph.graph import topology_file
from agentgraph.graph.topology import Topology
from agentgraph.machine.machine import Machine
from agentgraph.possible.loosened import Moved, moved
from agentgraph.possible.privilege import privileges
from agentgraph.views.compare.difference import AgentChange, Detail, Difference, GroupChange, HandoffAt, HandoffChange, Wording
from agentgraph.views.compare.reach import reach_changes
from agentgraph.views.compare.renames import renames
from agentgraph.views.compare.resolved import of_machine, renamed
from agentgraph.views.topology_view import condition

if TYPE_CHECKING:
    from agentgraph.definition.handoff import Handoff

Comparable = Topology | Machine | str | Path
Key = tuple[str, str, str]


def diff(old: Comparable, new: Comparable) -> Difference:
    """What changed from `old` to `new`: graphs, machines, or files that `graph.save` wrote.

    >>> from agentgraph import Agent, AgentGraph
    >>> old = AgentGraph("desk").add_agent(Agent("Triage"))
    >>> new = AgentGraph("desk").add_agent(Agent("Triage")).add_agent(Agent("Refunds")).add_handoff("Triage", "Refunds")
    >>> print(diff(old, new))
    added agent Refunds
    added handoff Triage -> Refunds
    from the entries: Refunds is reachable now
    from Triage: Refunds is reachable now

    Raises:
        DefinitionError: for a file that cannot be read, and for what is no topology.
    """
    first, second = as_topology(old), as_topology(new)
    found = renames(first, second)
    return _Comparison(first, second, {rename.old: rename.new for rename in found}).difference(found)


def as_topology(given: Any) -> Topology:
    """The topology that `given` is, was compiled from, or names the file of.

    Raises:
        DefinitionError: for anything else.
    """
    if isinstance(given, Topology):
        return given
    if isinstance(given, Machine):
        return of_machine(given)
    if isinstance(given, str | Path):
        return topology_file.load(Topology, given)
    raise DefinitionError(f"{given!r:.60} is no topology; give an AgentGraph, a machine, or the path of a saved topology")


class _Comparison:
    """`old` under the names of `new`, beside it."""

    def __init__(self, old: Topology, new: Topology, names: Mapping[str, str]) -> None:
        self.old, self.new, self.names = old, new, names
        self.moved = renamed(old, names, new)
        self.before = {b: a for a, b in names.items()}
        self.was, self.now = topology_file.deciding(self.moved), topology_file.deciding(new)
        self.tool_before = {
            (edge.source, edge.target, edge.tool): HandoffAt(*written[:3])
            for edge, written in zip(self.moved.edges, old.edges, strict=True)
        }

    def difference(self, found: Any) -> Difference:
        """All of it."""
        added, removed, paired = self._handoffs()
        reach_of_entries, reach = reach_changes(self.moved, self.new, self.before)
        guarantees = self._guarantees()
        return Difference(
            old=self.old,
            new=self.new,
            agents_added=tuple(sorted(self.new.agents.keys() - self.moved.agents.keys())),
            agents_removed=tuple(sorted(self.moved.agents.keys() - self.new.agents.keys())),
            agents_renamed=found,
            agents_changed=tuple(self._agents()),
            handoffs_added=added,
            handoffs_removed=removed,
            handoffs_changed=tuple(change for change in paired if change.details),
            handoffs_followed=tuple(change for change in paired if not change.details and change.old != change.new),
            groups_added=tuple(sorted(self.new.groups.keys() - self.old.groups.keys())),
            groups_removed=tuple(sorted(self.old.groups.keys() - self.new.groups.keys())),
            groups_changed=tuple(self._groups()),
            entries=Detail("entry", self.old.entries, self.new.entries) if self.was["entry"] != self.now["entry"] else None,
            reach_of_entries=reach_of_entries,
            reach=reach,
            loosened=guarantees.loosened,
            tightened=guarantees.tightened,
            wordings=tuple(self._wordings()),
        )

    def _agents(self) -> Iterator[AgentChange]:
        was, now = ({agent["name"]: agent for agent in data["agents"]} for data in (self.was, self.now))
        for name in sorted(was.keys() & now.keys()):
            details = [
                *_tool_details(was[name].get("tools", ()), now[name].get("tools", ())),
                *_single("may finish", was[name].get("may_finish", True), now[name].get("may_finish", True)),
                *_single("entry", name in self.moved.entries, name in self.new.entries),
                *_single("group", *("".join(topology.groups_of(name)[-1:]) for topology in (self.moved, self.new))),
            ]
            if details:
                yield AgentChange(self.before.get(name, name), name, tuple(details))

    def _handoffs(self) -> tuple[tuple[HandoffAt, ...], tuple[HandoffAt, ...], list[HandoffChange]]:
        """Those that are new, those that are gone, and those of both, told by their ends and their tool; or by their ends, where one is left."""
        was, now = _variants(self.was["handoffs"]), _variants(self.now["handoffs"])
        pairs = {at: at for at in was if at in now}
        gone, come = _by_ends(at for at in was if at not in now), _by_ends(at for at in now if at not in was)
        pairs |= {gone[ends][0]: come[ends][0] for ends in gone.keys() & come.keys() if len(gone[ends]) == len(come[ends]) == 1}
        changes = [
            HandoffChange(self.tool_before[a], HandoffAt(*b), tuple(self._handoff_details(a, was[a], b, now[b])))
            for a, b in sorted(pairs.items())
        ]
        paired = set(pairs.values())
        return (
            tuple(HandoffAt(*at) for at in sorted(now) if at not in paired),
            tuple(sorted(self.tool_before[at] for at in was if at not in pairs)),
            sorted(changes, key=lambda change: change.new),
        )

    def _handoff_details(self, a: Key, old: list[Any], b: Key, new: list[Any]) -> Iterator[Detail]:
        if a[2] != b[2]:
            yield Detail("tool", (self.tool_before[a].tool,), (b[2],))
        if len(old) == len(new) == 1:
            yield from _several("needs", old[0][0], new[0][0])
            yield from _single("condition", old[0][1], new[0][1])
            yield from _single("payload", old[0][2], new[0][2])
        elif old != new:
            yield Detail("written", (f"{len(old)} times",), (f"{len(new)} times",))

    def _groups(self) -> Iterator[GroupChange]:
        was, now = ({name: (root, members) for name, root, members in data["groups"]} for data in (self.was, self.now))
        for name in sorted(was.keys() & now.keys()):
            if was[name] != now[name]:
                details = [*_single("root", was[name][0], now[name][0]), *_several("members", was[name][1], now[name][1])]
                yield GroupChange(name, tuple(self._as_it_was(detail) for detail in details))

    def _as_it_was(self, detail: Detail) -> Detail:
        return Detail(detail.part, tuple(self.before.get(name, name) for name in detail.gone), detail.new)

    def _guarantees(self) -> Moved:
        """A machine does not say who reaches a person, so where one of both does not, those of the other are meant."""
        return moved(privileges(self.moved, self.new.humans), privileges(self.new, self.moved.humans))

    # -- what is no part of the topology -----------------------------------------------------------------------------

    def _wordings(self) -> Iterator[Wording]:
        for part in ("name", "home", "human"):
            if _rewritten(getattr(self.moved, part), getattr(self.new, part)):
                yield Wording("the graph", "the graph", part)
        for name in sorted(self.moved.agents.keys() & self.new.agents.keys()):
            a, b = self.moved.agents[name], self.new.agents[name]
            if isinstance(a.instructions, str) and isinstance(b.instructions, str) and _rewritten(a.instructions, b.instructions):
                yield Wording(self.before.get(name, name), name, "instructions")
            if a.description != b.description:
                yield Wording(self.before.get(name, name), name, "description")
        old, new = ({(edge.source, edge.target, edge.tool): edge.handoff for edge in t.edges} for t in (self.moved, self.new))
        for at in sorted(old.keys() & new.keys()):
            a_at = self.tool_before[at]
            for part in _wordings_of(old[at], new[at]):
                yield Wording(f"{a_at.source} -> {a_at.target}", f"{at[0]} -> {at[1]}", part)
        for name in sorted(self.old.groups.keys() & self.new.groups.keys()):
            if self.old.groups[name].description != self.new.groups[name].description:
                yield Wording(name, name, "description")


def _rewritten(old: object, new: object) -> bool:
    """A file holds no instructions, and a machine no home; so none is no other than some."""
    return bool(old) and bool(new) and old != new


def _wordings_of(old: Handoff, new: Handoff) -> Iterator[str]:
    if (old.description or "") != (new.description or ""):
        yield "description"
    if old.when is not None and new.when is not None:
        names = {condition(old.when), condition(new.when)}
        if len(names) > 1 and "a condition" not in names:
            yield "condition"
    if old.payload_shape is not None and new.payload_shape is not None and old.payload_shape.schema != new.payload_shape.schema:
        yield "payload"


# -- details ---------------------------------------------------------------------------------------------------------------


def _single(part: str, old: Any, new: Any) -> Iterator[Detail]:
    if old != new:
        yield Detail(part, _word(old), _word(new))


def _word(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return ("yes",) if value else ("no",)
    return (value,) if value else ()


def _several(part: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Detail]:
    was, now = set(old), set(new)
    if was != now:
        yield Detail(part, tuple(sorted(was - now)), tuple(sorted(now - was)))


def _tool_details(old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]) -> Iterator[Detail]:
    was, now = ({tool["name"]: tool for tool in tools} for tools in (old, new))
    yield from _several("tools", was, now)
    for name in sorted(was.keys() & now.keys()):
        a, b = was[name], now[name]
        yield from _several(f"tool {name} needs", a.get("requires", ()), b.get("requires", ()))
        yield from _several(f"tool {name} sets", a.get("sets", ()), b.get("sets", ()))
        yield from _single(f"tool {name} ends the turn", a.get("final", False), b.get("final", False))
        yield from _single(f"tool {name} asks a person", a.get("needs_approval", False), b.get("needs_approval", False))
        if a.get("agent") != b.get("agent"):
            yield Detail(f"tool {name} asks", (_answering(a),), (_answering(b),))


def _answering(tool: Mapping[str, Any]) -> str:
    who = tool.get("agent")
    return str(who.get("name") or who.get("group")) if who else "nobody"


def _variants(rows: Iterable[list[Any]]) -> dict[Key, list[tuple[tuple[str, ...], bool, bool]]]:
    """What handoffs ask for, by their ends and their tool; more than one where a tool was written twice."""
    variants: dict[Key, list[tuple[tuple[str, ...], bool, bool]]] = {}
    for source, target, tool, needs, conditional, payload in rows:
        variants.setdefault((source, target, tool), []).append((tuple(needs), conditional, payload))
    return variants


def _by_ends(handoffs: Iterable[Key]) -> dict[tuple[str, str], list[Key]]:
    ends: dict[tuple[str, str], list[Key]] = {}
    for at in handoffs:
        ends.setdefault(at[:2], []).append(at)
    return ends
