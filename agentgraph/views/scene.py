"""A topology and a look at it -> the picture: the view, what of it is shown, and a title that says what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.errors import DefinitionError
from agentgraph.graph.collapse import quotient, stand_ins
from agentgraph.graph.edge import listed
from agentgraph.views.architecture_view import architecture_picture, full_picture
from agentgraph.views.compare.overlay import Overlaid
from agentgraph.views.display import one_line, shortened
from agentgraph.views.ids import ShortIds, made_id
from agentgraph.views.look import Look, closed_by
from agentgraph.views.machine_view import machine_picture
from agentgraph.views.picture import Direction, Picture
from agentgraph.views.shrink import MOST_BOXES, MOST_IN_A_ROW, around, fits, nearest, widest, with_merged_pairs
from agentgraph.views.topology_view import MOST, name_ids, number, topology_picture
from agentgraph.views.traffic import HOLDERS, checked, laid_over, routes_of, visited

if TYPE_CHECKING:
    from collections.abc import Collection

    from agentgraph.graph.topology import Topology
    from agentgraph.views.look import Tools


def picture_of(topology: Topology, look: Look) -> Picture:
    """What `look` sees of `topology`.

    Raises:
        DefinitionError: for a focus or a group that there is not; or, with `on_large="error"`, for what is too large to be read.
    """
    closed = closed_by(topology, look.groups)
    tools = look.tools_shown
    routes = checked(routes_of(look.run, look.step), topology) if look.run is not None else ()
    hopeless = look.on_large == "collapse" and look.focus is None and _nodes(topology, closed) > MOST_BOXES
    all_of_it = shown = None if hopeless else _drawn(topology, look, closed, tools)
    if all_of_it is not None and look.focus is not None:
        shown = around(all_of_it, _centre(topology, look, closed, all_of_it), look.hops)
    if shown is not None and look.on_large == "error" and not fits(shown):
        raise DefinitionError(_too_large(topology, shown))
    if shown is None or (look.on_large == "collapse" and not fits(shown)):
        shown = _first_that_fits(_smaller(topology, look, closed, tools, visited(routes)))
    if routes:
        shown = laid_over(shown, topology, routes)
    whole = all_of_it is not None and _held(shown) == _held(all_of_it)
    return replace(shown, direction=look.direction or _direction(look, shown), title=_title(topology, look, shown, whole=whole))


def _held(picture: Picture) -> int:
    """How many boxes stand for who may hold a conversation."""
    return sum(box.kind in HOLDERS for box in picture.boxes)


def _first_that_fits(pictures: Iterator[Picture]) -> Picture:
    """The first that does, or else the last."""
    picture = next(pictures)
    while not fits(picture) and (smaller := next(pictures, None)) is not None:
        picture = smaller
    return picture


def _nodes(topology: Topology, closed: Collection[str]) -> int:
    """How many agents and closed groups there are to draw: fewer boxes no view has."""
    return len(set(stand_ins(topology, closed).values()))


def _drawn(topology: Topology, look: Look, closed: Collection[str], tools: Tools) -> Picture:
    picture = _unmarked(topology, look, closed, tools)
    return topology.painted(picture) if isinstance(topology, Overlaid) else picture


def _unmarked(topology: Topology, look: Look, closed: Collection[str], tools: Tools) -> Picture:
    short = look.ids == "short" or (look.ids is None and look.view in ("architecture", "full"))
    if look.view == "topology":
        return topology_picture(topology, closed, tools, name_ids(short=short))
    seen = quotient(topology, closed) if closed else topology
    sizes = {name: size for name, size in Counter(stand_ins(topology, closed).values()).items() if name in closed}
    if look.view == "machine":
        return machine_picture(seen, name_ids(short=short), sizes)
    ids = ShortIds() if short else lambda letter, name: made_id(_WORDS[letter], name)
    return (architecture_picture if look.view == "architecture" else full_picture)(seen, tools, ids, sizes)


_WORDS = {"A": "agent", "T": "tool", "H": "handoff"}


def _smaller(topology: Topology, look: Look, closed: Collection[str], tools: Tools, visited_agents: Collection[str]) -> Iterator[Picture]:
    """Less and less: tools as a number, arrows back and forth as one, groups closed from the inside out, and what is nearest to where it
    starts. What cannot fit is not drawn, a level that would leave one box tells nothing, and what a run visited is the last to go.
    """
    fewer: Tools = "badge" if tools == "box" else tools

    def drawn(level: Collection[str]) -> Picture:
        picture = _drawn(topology, look, level, fewer)
        return picture if look.focus is None else around(picture, _centre(topology, look, level, picture), look.hops)

    depths = sorted({len(topology.path_of(name)) for name in topology.groups}, reverse=True)
    inner = ({name for name in topology.groups if len(topology.path_of(name)) >= depth} for depth in depths)
    every = [closed, *(frozenset(closed) | group for group in inner)]
    levels = [closed, *(level for level in every[1:] if _nodes(topology, level) > 1)]
    for level in levels:
        if look.focus is not None or _nodes(topology, level) <= MOST_BOXES:
            picture = drawn(level)
            yield picture
            yield with_merged_pairs(picture)
    focus = topology.agent_at(look.focus or "")
    kept = [*([focus] if focus is not None else []), *visited_agents]
    for level in (levels[-1], every[-1]):
        smallest = with_merged_pairs(drawn(level))
        yield nearest(smallest, _starts(topology, look, level, smallest), _boxes_of(kept, topology, level, smallest))


def _starts(topology: Topology, look: Look, closed: Collection[str], picture: Picture) -> Iterator[str]:
    """The boxes to begin with: the focus, else the entries; and then all others, for what nothing leads to."""
    first = [look.focus] if look.focus is not None else list(topology.entries)
    agents = (agent for name in first if (agent := topology.agent_at(name)) is not None)
    yield from _boxes_of(agents, topology, closed, picture)
    yield from (box.id for box in picture.boxes)


def _boxes_of(agents: Iterable[str], topology: Topology, closed: Collection[str], picture: Picture) -> Iterator[str]:
    """The boxes that stand for these agents, as far as there are any."""
    stands_for = stand_ins(topology, closed)
    named = {box.name: box.id for box in picture.boxes if box.kind in HOLDERS}
    yield from (named[stands_for[agent]] for agent in agents if stands_for.get(agent) in named)


def _centre(topology: Topology, look: Look, closed: Collection[str], picture: Picture) -> str:
    """The box of what `look` has its focus on."""
    agent = topology.agent_at(look.focus or "")
    if agent is None:
        raise DefinitionError(
            f"graph {topology.name!r} has no {look.focus!r:.60} to focus on; it has {listed([*topology.agents, *topology.groups])}"
        )
    name = stand_ins(topology, closed)[agent]
    return next(box.id for box in picture.boxes if box.name == name and box.kind in HOLDERS)


def _direction(look: Look, shown: Picture) -> Direction:
    """From top to bottom; from left to right where a row would be too wide for a page, unless all is to stay as it was."""
    if look.view in ("architecture", "full") or look.on_large != "collapse":
        return "LR" if look.view == "full" else "TD"
    first = [box.id for box in shown.boxes if box.kind == "start" or "entry" in box.marks]
    return "LR" if widest(shown, [*first, *(box.id for box in shown.boxes)]) > MOST_IN_A_ROW else "TD"


_LONGEST_TITLE = 200


def _title(topology: Topology, look: Look, shown: Picture, *, whole: bool) -> str:
    """The title that was asked for; and how many of all agents are to be seen, where some are not."""
    title = shortened(look.title or "", _LONGEST_TITLE)
    if whole:
        return title
    agents = sum(box.name in topology.agents and box.kind in HOLDERS for box in shown.boxes)
    groups = sum(box.name in topology.groups and box.name not in topology.agents and box.kind in HOLDERS for box in shown.boxes)
    counted = f"{agents:,} of {number(len(topology.agents), 'agent')} shown" + (f", and {number(groups, 'group')}" if groups else "")
    return f"{title or shortened(one_line(topology.name), MOST)}: {counted}"


def _too_large(topology: Topology, picture: Picture) -> str:
    return (
        f"the picture of {topology.name!r} has {number(len(picture.boxes), 'box')} and {number(len(picture.arrows), 'arrow')}, more than people can read; "
        "give groups='closed', focus='an agent' with hops=1, or on_large='collapse', which shrinks it"
    )
