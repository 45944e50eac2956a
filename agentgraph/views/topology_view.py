"""Topology -> Picture: agents as boxes, groups as frames or as boxes, handoffs as arrows that say what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.definition.naming import handoff_tool_name
from agentgraph.graph.collapse import stand_ins
from agentgraph.views.display import display, one_line, shortened
from agentgraph.views.ids import ShortIds, made_id
from agentgraph.views.picture import Arrow, Box, Frame, Kind, Mark, Picture

if TYPE_CHECKING:
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology
    from agentgraph.views.look import Tools

MOST = 60
"""Characters of one line of a label; what is longer is whole where one points at it."""

NameId = Callable[[str, str], str]
_LETTERS = {"agent": "A", "group": "G", "tool": "T"}


def name_ids(*, short: bool) -> NameId:
    """What gives a box its id, from its kind and its name."""
    if not short:
        return made_id
    counted = ShortIds()
    return lambda kind, name: counted(_LETTERS.get(kind, kind[:1].upper()), name)


def topology_picture(topology: Topology, closed: Collection[str], tools: Tools, ids: NameId) -> Picture:
    """Every agent that is in no closed group, every closed group, and the handoffs among them. O(agents + tools + handoffs)."""
    stands_for = stand_ins(topology, closed)
    nodes = {name: ids("group" if name in closed else "agent", name) for name in dict.fromkeys(stands_for.values())}
    held: dict[str, list[str]] = {}
    for agent, node in stands_for.items():
        held.setdefault(node, []).append(agent)
    frames = {name: ids("group", name) for name in topology.groups if set(topology.path_of(name)).isdisjoint(closed)}
    entries = frozenset(topology.entries)
    boxes, arrows = list[Box](), list(_arrows(topology.edges, stands_for, nodes))
    for name, node in nodes.items():
        frame = _frame_of(topology, held[name][0], frames)
        own = list(_tools(topology, held[name])) if tools != "none" else []
        lines = [shortened(one_line(name), MOST)]
        if name in closed:
            lines.append(number(len(held[name]), "agent"))
        if own and tools == "badge":
            lines.append(number(len(own), "tool"))
        marks: tuple[Mark, ...] = () if entries.isdisjoint(held[name]) else ("entry",)
        boxes.append(Box(node, "\n".join(lines), _kind(topology, name, closed), name, frame, _about(topology, name, closed), marks))
        if tools == "box":
            shown = [Box(ids("tool", f"{name} {tool.name}"), tool_label(tool), "tool", tool.name, frame, tool.description) for tool in own]
            boxes += shown
            arrows += [Arrow(node, box.id, line="dotted") for box in shown]
    return Picture(
        tuple(boxes),
        tuple(arrows),
        tuple(Frame(frames[name], shortened(display(name), MOST), frames.get(topology.groups[name].parent or "")) for name in frames),
    )


def _kind(topology: Topology, name: str, closed: Collection[str]) -> Kind:
    return "group" if name in closed else "human" if name in topology.humans else "agent"


def _about(topology: Topology, name: str, closed: Collection[str]) -> str:
    return topology.groups[name].description if name in closed else topology.agents[name].description


def _frame_of(topology: Topology, agent: str, frames: Mapping[str, str]) -> str | None:
    """The innermost open group around an agent, or around the closed group that it is in."""
    open_groups = [group for group in topology.groups_of(agent) if group in frames]
    return frames[open_groups[-1]] if open_groups else None


def _tools(topology: Topology, agents: Iterable[str]) -> Iterator[Tool]:
    """The tools of these agents, each once."""
    yield from {tool.name: tool for name in agents for tool in topology.agents[name].tools}.values()


def _arrows(edges: Iterable[Edge], stands_for: Mapping[str, str], nodes: Mapping[str, str]) -> Iterator[Arrow]:
    """One arrow for what leads from node to node and says the same; what closed groups merge is one arrow with all that is said."""
    merged: dict[tuple[str, str, str], list[Edge]] = {}
    for edge in edges:
        source, target = stands_for[edge.source], stands_for[edge.target]
        if source == target and not edge.source == edge.target == source:
            continue  # inside a closed group
        whole = source != edge.source or target != edge.target
        merged.setdefault((source, target, "" if whole else edge.tool), []).append(edge)
    parallel: dict[tuple[str, str], int] = {}
    for source, target, _ in merged:
        parallel[source, target] = parallel.get((source, target), 0) + 1
    for (source, target, tool), alike in merged.items():
        several = parallel[source, target] > 1
        said = dict.fromkeys(line for edge in alike for line in handoff_lines(edge, named=several))
        guarded = all(edge.handoff.guarded for edge in alike)
        about = "; ".join(dict.fromkeys(edge.handoff.description for edge in alike if edge.handoff.description))
        yield Arrow(nodes[source], nodes[target], few(said), "dotted" if guarded else "solid", about=about, name=tool)


def handoff_lines(edge: Edge, *, named: bool = False) -> Iterator[str]:
    """What a handoff asks for, a line each; and its tool, where it must be told from another or was named by hand."""
    handoff = edge.handoff
    if named or (handoff.tool_name is not None and handoff.tool_name != handoff_tool_name(handoff.target_name)):
        yield shortened(edge.tool, MOST)
    for fact in sorted(handoff.requires):
        yield f"needs {shortened(one_line(fact), MOST)}"
    if handoff.when is not None:
        yield f"if {shortened(condition(handoff.when), MOST)}"
    if handoff.payload_shape is not None:
        yield f"fills in {shortened(one_line(handoff.payload_shape.name), MOST)}"


def condition(when: Callable[..., object]) -> str:
    """What a predicate is called."""
    name = str(getattr(when, "__name__", type(when).__name__))
    return "a condition" if name in ("<lambda>", "_unknown_condition", "partial") else one_line(name)


def tool_label(tool: Tool) -> str:
    """A tool's name, and what it sets, needs and does."""
    lines = [tool.name]
    lines += [f"sets {shortened(one_line(fact), MOST)}" for fact in sorted(tool.sets)]
    lines += [f"needs {shortened(one_line(fact), MOST)}" for fact in sorted(tool.requires)]
    if tool.agent is not None:
        lines.append(f"asks {shortened(one_line(tool.agent.name), MOST)}")
    if tool.needs_approval:
        lines.append("asks a person")
    if tool.final:
        lines.append("ends the turn")
    return few(lines)


def few(lines: Iterable[str], most: int = 6, between: str = "\n") -> str:
    r"""The first of these lines as one label, and how many there are more.

    >>> few(["needs a", "needs b", "needs c"], most=2)
    'needs a\nand 2 more'
    """
    told = list(lines)
    return between.join(told if len(told) <= most else [*told[: most - 1], f"and {len(told) - most + 1:,} more"])


def number(count: int, noun: str) -> str:
    """`count` of them.

    >>> number(1, "tool"), number(2000, "agent")
    ('1 tool', '2,000 agents')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
