"""What of a topology can make a difference to a demand: the cone of influence, as model checkers call it.

A call that the demand does not heed, and that sets no fact which something else here needs, changes nothing; a handoff to agents from
which nothing here can be come to leads nowhere. A proof walks neither, and no fact that only such guards ask for. Verdicts and the
lengths of paths stay what they were: what is left out comes back to where it began, or goes where nothing can break.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.conversation.happening import Happening
from agentgraph.possible.rooms import Room, may_end, outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentgraph.definition.tool import Tool

    Heeds = Callable[[Happening], bool]


class _Place:
    """A room, and what is known to matter in it so far."""

    def __init__(self, room: Room, true: frozenset[str]) -> None:
        self.room = room
        self.agents = tuple(room.connected(true))
        self.ends = False
        """Whether it matters that a turn, or a run inside a tool, ends here."""
        self.leading: frozenset[str] = frozenset()
        """The agents at which something that matters can be done, or from which handoffs lead to one."""


class Cone:
    """The tools, handoffs and facts that can make a difference to a demand. O(facts * graph), once."""

    def __init__(self, outside: Room, inside: Callable[[Tool], Room], true: frozenset[str], heeds: Heeds) -> None:
        """`inside` gives the room in a tool, the same each time. `true` are the facts that can become true."""
        self._inside, self._true, self._heeds = inside, true, heeds
        self.facts: frozenset[str] = frozenset()
        self._tools: set[int] = set()
        self._places: dict[int, _Place] = {}
        self._outside = self._placed(None, outside)
        self._outside.ends = any(heeds(Happening("final", agent=name)) for name in outside.agents)
        size = None
        while size != (size := self._grown()):
            pass

    @property
    def ends(self) -> bool:
        """Whether ends of turns matter."""
        return self._outside.ends

    def has(self, tool: Tool) -> bool:
        """Whether calls of `tool` matter."""
        return id(tool) in self._tools

    def leads(self, inside: Tool | None, agent: str) -> bool:
        """Whether something that matters can be come to from `agent`, by handoffs in the room inside a tool, or in the graph."""
        return agent in self._places[id(inside) if inside is not None else 0].leading

    # -- until nothing is found any more -----------------------------------------------------------------------------

    def _placed(self, tool: Tool | None, room: Room) -> _Place:
        place = self._places[id(tool) if tool is not None else 0] = _Place(room, self._true)
        for inner in self._inner(place):
            if id(inner) not in self._places:
                self._placed(inner, self._inside(inner))
        return place

    def _inner(self, place: _Place) -> Iterator[Tool]:
        return (tool for _, tool in self._offered(place) if tool.agent is not None)

    def _offered(self, place: _Place) -> Iterator[tuple[str, Tool]]:
        for name in place.agents:
            yield from ((name, tool) for tool in place.room.agents[name].tools if tool.requires <= self._true)

    def _grown(self) -> tuple[int, ...]:
        """One round; how much is known after it."""
        for place in self._places.values():
            acting = {name for name in place.agents if self._acts(place, name)}
            for name, tool in self._offered(place):
                if self._matters(place, name, tool):
                    acting.add(name)
                    self._tools.add(id(tool))
                    self.facts |= tool.requires
                    if tool.agent is not None and self._answer_matters(place, name, tool):
                        self._places[id(tool)].ends = True
            place.leading = self._come_to(place, acting)
        ends, leading = zip(*((place.ends, len(place.leading)) for place in self._places.values()), strict=True)
        return len(self.facts), len(self._tools), sum(ends), sum(leading)

    def _acts(self, place: _Place, name: str) -> bool:
        return self._heeds(place.room.entering(name)) or (place.ends and may_end(place.room.agents[name]))

    def _matters(self, place: _Place, name: str, tool: Tool) -> bool:
        if self._heeds(Happening("call", tool.name, name)) or self._answer_matters(place, name, tool):
            return True
        return tool.agent is not None and self._places[id(tool)].room.entries[0] in self._places[id(tool)].leading

    def _answer_matters(self, place: _Place, name: str, tool: Tool) -> bool:
        if tool.sets & self.facts or (tool.final and place.ends):
            return True
        return self._heeds(outcome(tool, name, given=True)) or self._heeds(outcome(tool, name, given=False))

    def _come_to(self, place: _Place, acting: set[str]) -> frozenset[str]:
        """The agents from which handoffs lead to `acting`; what these handoffs need is noted."""
        coming: dict[str, list[str]] = {}
        for name in place.agents:
            for edge in place.room.leaving[name]:
                if edge.handoff.requires <= self._true:
                    coming.setdefault(edge.target, []).append(name)
        todo = list(acting)
        for name in todo:  # grows as it is walked
            found = [source for source in coming.get(name, ()) if source not in acting]
            acting.update(found)
            todo.extend(dict.fromkeys(found))
        for name in place.agents:
            for edge in place.room.leaving[name]:
                if edge.target in acting and edge.handoff.requires <= self._true:
                    self.facts |= edge.handoff.requires
        return frozenset(acting)
