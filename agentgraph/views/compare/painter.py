"""A picture of two topologies in one, marked: what became of each box, arrow and frame.

What is marked says so in words too: colours alone are not seen by everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.views.picture import Arrow, Box, Frame, Mark, Picture

if TYPE_CHECKING:
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology

T = TypeVar("T", Box, Arrow)
_HOLDERS = ("agent", "group", "human", "state")


class Fate(Struct, frozen=True):
    """What became of something, and the lines that say so."""

    mark: Mark
    lines: tuple[str, ...]


ADDED, REMOVED, CHANGED = Fate("added", ("added",)), Fate("removed", ("removed",)), Fate("changed", ("changed",))


class Fates(Struct, frozen=True):
    """What became of everything that did not stay as it was: agents and groups by name, handoffs by (source, target, tool), tools by (agent, tool)."""

    agents: Mapping[str, Fate | None]
    handoffs: Mapping[tuple[str, str, str], Fate]
    tools: Mapping[tuple[str, str], Fate | None]
    groups: Mapping[str, Fate]


def painted(topology: Topology, fates: Fates, picture: Picture) -> Picture:
    """`picture`, which shows `topology`, with marks. O(boxes + arrows + handoffs)."""
    return _Painter(topology, fates, picture).painted()


class _Painter:
    """Boxes are told by what they stand for, arrows by what their ends stand for and by their tool."""

    def __init__(self, topology: Topology, fates: Fates, picture: Picture) -> None:
        self.topology, self.fates, self.picture = topology, fates, picture
        self.agents = {box.id: agents for box in picture.boxes if box.kind in _HOLDERS and (agents := self._agents(box))}
        holder = {agent: box for box, agents in self.agents.items() for agent in agents}
        self.owner = {arrow.target: arrow.source for arrow in picture.arrows if arrow.source in self.agents}
        self.between: dict[tuple[str, str], list[Edge]] = {}
        self.leaving: dict[str, list[Edge]] = {}
        for edge in topology.edges:
            self.between.setdefault((holder[edge.source], holder[edge.target]), []).append(edge)
            self.leaving.setdefault(holder[edge.source], []).append(edge)

    def painted(self) -> Picture:
        """The picture with marks."""
        boxes = tuple(_marked(box, self._fate(box)) for box in self.picture.boxes)
        marks = {box.id: {"added": ADDED, "removed": REMOVED}.get(box.marks[-1]) for box in boxes if box.marks}
        arrows = tuple(self._arrow(arrow, marks) for arrow in self.picture.arrows)
        return replace(self.picture, boxes=boxes, arrows=arrows, frames=tuple(map(self._frame, self.picture.frames)))

    def _agents(self, box: Box) -> tuple[str, ...]:
        """The agents that a box stands for: one, or those of a closed group."""
        if box.name in self.topology.groups and (box.kind == "group" or box.name not in self.topology.agents):
            return tuple(self.topology.members(box.name))
        return (box.name,)

    def _fate(self, box: Box) -> Fate | None:
        agents = self.agents.get(box.id)
        if agents == (box.name,):
            return self.fates.agents.get(box.name)
        if agents is not None:
            inside = [self._handoff(edge) for edge in self.between.get((box.id, box.id), ())]
            return _together([*map(self.fates.agents.get, agents), self.fates.groups.get(box.name), *inside])
        owner = self.owner.get(box.id, "")
        if box.kind == "tool":
            known = [(agent, box.name) for agent in self.agents.get(owner, ()) if (agent, box.name) in self.fates.tools]
            return _together(map(self.fates.tools.get, known))
        if box.kind == "handoff":
            return _together(self._handoff(edge) for edge in self.leaving.get(owner, ()) if edge.tool == box.name)
        return None

    def _handoff(self, edge: Edge) -> Fate | None:
        return self.fates.handoffs.get(edge[:3])

    def _arrow(self, arrow: Arrow, ends: Mapping[str, Fate | None]) -> Arrow:
        """A handoff has a fate of its own; what else there is shares that of the box it leads to or from."""
        edges = [edge for edge in self.between.get((arrow.source, arrow.target), ()) if arrow.name in ("", edge.tool)]
        if edges:
            marked = _marked(arrow, _together(map(self._handoff, edges)))
        else:
            fate = ends.get(arrow.source) or ends.get(arrow.target)
            marked = replace(arrow, marks=(*arrow.marks, fate.mark)) if fate else arrow
        return replace(marked, line="dotted") if "removed" in marked.marks else marked

    def _frame(self, frame: Frame) -> Frame:
        fate = self.fates.groups.get(frame.name)
        return replace(frame, marks=(*frame.marks, fate.mark)) if fate else frame


def _together(fates: Iterable[Fate | None]) -> Fate | None:
    """What became of several at once."""
    different = list(dict.fromkeys(fates))
    if len(different) > 1:
        return CHANGED
    return different[0] if different else None


def _marked(drawn: T, fate: Fate | None) -> T:
    if fate is None:
        return drawn
    said = "\n".join(fate.lines)
    return replace(drawn, label=f"{drawn.label}\n{said}" if drawn.label else said, marks=(*drawn.marks, fate.mark))
