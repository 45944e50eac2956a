"""Making a large picture small enough to be read: less is shown, in an order that loses least first, and the title says so.

Some sixty boxes are what a page holds at a size that people read. Mermaid refuses 500 arrows and 50,000 characters, which
nothing inside a diagram can raise.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.views.picture import Arrow, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BOXES = 60
MOST_ARROWS = 120


def fits(picture: Picture) -> bool:
    """Whether people can read it."""
    return len(picture.boxes) <= MOST_BOXES and len(picture.arrows) <= MOST_ARROWS


def with_merged_pairs(picture: Picture) -> Picture:
    """Arrows that lead back and forth and look alike as one with two heads. O(arrows)."""
    waiting: dict[tuple[str, str], list[int]] = {}
    merged: list[Arrow | None] = []
    for arrow in picture.arrows:
        back = waiting.get((arrow.target, arrow.source), [])
        turned = replace(arrow, source=arrow.target, target=arrow.source, about="", name="")
        found = next((at for at in back if _bare(merged[at]) == turned), None)
        if found is not None and arrow.source != arrow.target:
            back.remove(found)
            first = merged[found]
            assert first is not None
            merged[found] = replace(first, both=True, about="; ".join(filter(None, dict.fromkeys((first.about, arrow.about)))), name="")
            continue
        waiting.setdefault((arrow.source, arrow.target), []).append(len(merged))
        merged.append(arrow)
    return replace(picture, arrows=tuple(arrow for arrow in merged if arrow is not None))


def _bare(arrow: Arrow | None) -> Arrow | None:
    """What is to be seen of it."""
    return arrow and replace(arrow, about="", name="")


def around(picture: Picture, centre: str, hops: int) -> Picture:
    """The boxes that at most so many arrows, followed either way, lead to from `centre`. O(boxes + arrows)."""
    return only(picture, (box for box, distance in _nearest(picture, centre) if distance <= hops))


def nearest(picture: Picture, centres: Iterable[str]) -> Picture:
    """The boxes nearest to the first of `centres`, as many as can be read."""
    order: dict[str, None] = {}
    for centre in centres:
        order.update(dict.fromkeys(box for box, _ in _nearest(picture, centre)))
        if len(order) >= MOST_BOXES:
            break
    kept = list(order)[:MOST_BOXES]
    few = only(picture, kept)
    while len(few.arrows) > MOST_ARROWS and len(kept) > 1:
        kept = kept[: len(kept) * 4 // 5]
        few = only(picture, kept)
    return few


def _nearest(picture: Picture, centre: str) -> Iterable[tuple[str, int]]:
    beside: dict[str, dict[str, None]] = {}
    for arrow in picture.arrows:
        beside.setdefault(arrow.source, {})[arrow.target] = None
        beside.setdefault(arrow.target, {})[arrow.source] = None
    distance, waiting = {centre: 0}, deque([centre])
    while waiting:
        at = waiting.popleft()
        yield at, distance[at]
        for other in beside.get(at, ()):
            if other not in distance:
                distance[other] = distance[at] + 1
                waiting.append(other)


def only(picture: Picture, kept: Iterable[str]) -> Picture:
    """These boxes, the arrows among them, and the frames around them."""
    ids = frozenset(kept)
    boxes = tuple(box for box in picture.boxes if box.id in ids)
    parents = {frame.id: frame.parent for frame in picture.frames}
    needed: set[str] = set()
    for box in boxes:
        frame = box.frame
        while frame is not None and frame not in needed:
            needed.add(frame)
            frame = parents.get(frame)
    return replace(
        picture,
        boxes=boxes,
        arrows=tuple(arrow for arrow in picture.arrows if arrow.source in ids and arrow.target in ids),
        frames=tuple(frame for frame in picture.frames if frame.id in needed),
    )
