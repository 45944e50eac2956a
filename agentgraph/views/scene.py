"""A topology and a look at it -> the picture: the view, what of it is shown, and a title that says what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.errors import DefinitionError
from agentgraph.graph.collapse import quotient, stand_ins
from agentgraph.graph.edge import listed
from agentgraph.views.architecture_view import architecture_picture, full_picture
from agentgraph.views.compare.overlay import Overlaid
from agentgraph.views.display import one_line
from agentgraph.views.ids import ShortIds, made_id
from agentgraph.views.look import Look, closed_by
from agentgraph.views.machine_view import machine_picture
from agentgraph.views.picture import Direction, Picture
from agentgraph.views.shrink import around, fits, nearest, with_merged_pairs
from agentgraph.views.topology_view import name_ids, number, topology_picture

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
    picture = _drawn(topology, look, closed, tools)
    shown = whole = picture
    if look.focus is not None:
        shown = picture = around(picture, _centre(topology, look, closed, picture), look.hops)
    if look.on_large != "all" and not fits(picture):
        if look.on_large == "error":
            raise DefinitionError(_too_large(topology, picture))
        shown = next((smaller for smaller in _smaller(topology, look, closed, tools) if fits(smaller)), picture)
    return replace(
        shown, direction=look.direction or _direction(look), title=_title(topology, look, shown, whole=len(shown.boxes) == len(whole.boxes))
    )


def _drawn(topology: Topology, look: Look, closed: Collection[str], tools: Tools) -> Picture:
    picture = _unmarked(topology, look, closed, tools)
    return topology.painted(picture) if isinstance(topology, Overlaid) else picture


def _unmarked(topology: Topology, look: Look, closed: Collection[str], tools: Tools) -> Picture:
    short = look.ids == "short" or (look.ids is None and look.view in ("architecture", "full"))
    if look.view == "topology":
        return topology_picture(topology, closed, tools, name_ids(short=short))
    seen = quotient(topology, closed) if closed else topology
    if look.view == "machine":
        return machine_picture(seen, name_ids(short=short))
    ids = ShortIds() if short else lambda letter, name: made_id(_WORDS[letter], name)
    return (architecture_picture if look.view == "architecture" else full_picture)(seen, tools, ids)


_WORDS = {"A": "agent", "T": "tool", "H": "handoff"}


def _smaller(topology: Topology, look: Look, closed: Collection[str], tools: Tools) -> Iterator[Picture]:
    """Less and less: tools as a number, arrows back and forth as one, groups closed from the inside out, and what is nearest to where it starts."""
    fewer: Tools = "badge" if tools == "box" else tools

    def drawn(with_closed: Collection[str]) -> Picture:
        picture = _drawn(topology, look, with_closed, fewer)
        return picture if look.focus is None else around(picture, _centre(topology, look, with_closed, picture), look.hops)

    yield drawn(closed)
    yield with_merged_pairs(drawn(closed))
    depths = sorted({len(topology.path_of(name)) for name in topology.groups}, reverse=True)
    small = closed
    for depth in depths:
        small = frozenset(closed) | {name for name in topology.groups if len(topology.path_of(name)) >= depth}
        yield with_merged_pairs(drawn(small))
    smallest = with_merged_pairs(drawn(small))
    yield nearest(smallest, _starts(topology, look, small, smallest))


def _starts(topology: Topology, look: Look, closed: Collection[str], picture: Picture) -> Iterator[str]:
    """The boxes to begin with: the focus, else the entries; and then all others, for what nothing leads to."""
    stands_for = stand_ins(topology, closed)
    first = [look.focus] if look.focus is not None else list(topology.entries)
    named = {box.name: box.id for box in picture.boxes if box.kind in _HOLDERS}
    for name in first:
        agent = topology.agent_at(name)
        if agent is not None and stands_for[agent] in named:
            yield named[stands_for[agent]]
    yield from (box.id for box in picture.boxes)


_HOLDERS = ("agent", "group", "human", "state")


def _centre(topology: Topology, look: Look, closed: Collection[str], picture: Picture) -> str:
    """The box of what `look` has its focus on."""
    agent = topology.agent_at(look.focus or "")
    if agent is None:
        raise DefinitionError(
            f"graph {topology.name!r} has no {look.focus!r} to focus on; it has {listed([*topology.agents, *topology.groups])}"
        )
    name = stand_ins(topology, closed)[agent]
    return next(box.id for box in picture.boxes if box.name == name and box.kind in _HOLDERS)


def _direction(look: Look) -> Direction:
    return "LR" if look.view == "full" else "TD"


def _title(topology: Topology, look: Look, shown: Picture, *, whole: bool) -> str:
    """The title that was asked for; and how many of all agents are to be seen, where some are not."""
    if whole:
        return look.title or ""
    agents = sum(box.name in topology.agents and box.kind in _HOLDERS for box in shown.boxes)
    groups = sum(box.kind == "group" for box in shown.boxes)
    counted = f"{agents:,} of {number(len(topology.agents), 'agent')} shown" + (f", and {number(groups, 'group')}" if groups else "")
    return f"{look.title or one_line(topology.name)}: {counted}"


def _too_large(topology: Topology, picture: Picture) -> str:
    return (
        f"the picture of {topology.name!r} has {number(len(picture.boxes), 'box')} and {number(len(picture.arrows), 'arrow')}, more than people can read; "
        "give groups='closed', focus='an agent' with hops=1, or on_large='collapse', which shrinks it"
    )
