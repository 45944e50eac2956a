"""Making a large picture small enough to be read: less is shown, in an order that loses least first, and the title says so.

Some sixty boxes are what a page holds at a size that people read. Mermaid refuses 500 arrows and 50,000 characters, which
nothing inside a diagram can raise.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.views.picture import Arrow, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_BOXES = 60
MOST_ARROWS = 120
MOST_IN_A_ROW = 16
MOST_TEXT = 44_000
_ESCAPED = re.compile(r"[^\w ]|[_\ufb02]")
_ESCAPE = 8


def fits(picture: Picture) -> bool:
    """Whether people can read it, and Mermaid."""
    return len(picture.boxes) <= MOST_BOXES and len(picture.arrows) <= MOST_ARROWS and _length(picture) <= MOST_TEXT


def _length(picture: Picture) -> int:
    """The characters that it takes to write it down, at most: an id stands in its line and in those of its classes."""
    depth = _depths(picture)
    boxes = sum(4 * (len(box.id) + depth[box.frame]) + _written(box.label) + 60 for box in picture.boxes)
    arrows = sum(len(arrow.source) + len(arrow.target) + _written(arrow.label) + 80 for arrow in picture.arrows)
    frames = sum(3 * len(frame.id) + 12 * depth[frame.id] + _written(frame.name) + 80 for frame in picture.frames)
    return boxes + arrows + frames


def _depths(picture: Picture) -> Mapping[str | None, int]:
    """How many frames lie around what is in each, and in none."""
    parents = {frame.id: frame.parent for frame in picture.frames}
    depths: dict[str | None, int] = {None: 0}
    for frame in parents:
        path: list[str] = []
        at: str | None = frame
        while at is not None and at not in depths:
            path.append(at)
            at = parents.get(at)
        depths.update((one, depths[at] + far) for far, one in enumerate(reversed(path), 1))
    return depths


def _written(text: str) -> int:
    return len(text) + _ESCAPE * len(_ESCAPED.findall(text))


def with_merged_pairs(picture: Picture) -> Picture:
    """Arrows that lead back and forth and look alike as one with two heads, but between states, whose arrows have one. O(arrows)."""
    if picture.form == "states":
        return picture
    waiting: dict[tuple[object, ...], list[int]] = {}
    merged: list[Arrow | None] = []
    for arrow in picture.arrows:
        look = (arrow.label, arrow.line, arrow.both, arrow.marks, arrow.weight)
        back = waiting.get((arrow.target, arrow.source, *look))
        if back and arrow.source != arrow.target:
            at = back.pop(0)
            first = merged[at]
            assert first is not None
            merged[at] = replace(first, both=True, about="; ".join(filter(None, dict.fromkeys((first.about, arrow.about)))), name="")
            continue
        waiting.setdefault((arrow.source, arrow.target, *look), []).append(len(merged))
        merged.append(arrow)
    return replace(picture, arrows=tuple(arrow for arrow in merged if arrow is not None))


def around(picture: Picture, centre: str, hops: int) -> Picture:
    """The boxes that at most so many arrows, followed either way, lead to from `centre`. O(boxes + arrows)."""
    return only(picture, (box for box, distance in _nearest(_beside(picture), centre, set()) if distance <= hops))


def nearest(picture: Picture, centres: Iterable[str], first: Iterable[str] = ()) -> Picture:
    """The boxes `first`, and those nearest to the first of `centres`, then to the next, as many as can be read. O(boxes + arrows)."""
    beside, met = _beside(picture), set[str]()
    order = dict.fromkeys(first)
    for box in (box for centre in centres for box, _ in _nearest(beside, centre, met)):
        if len(order) >= MOST_BOXES:
            break
        order[box] = None
    kept = list(order)[:MOST_BOXES]
    few = only(picture, kept)
    while not fits(few) and len(kept) > 1:
        kept = kept[: len(kept) * 4 // 5]
        few = only(picture, kept)
    return few


def _beside(picture: Picture) -> Mapping[str, Mapping[str, None]]:
    """For every box, those that an arrow connects it with."""
    beside: dict[str, dict[str, None]] = {}
    for arrow in picture.arrows:
        beside.setdefault(arrow.source, {})[arrow.target] = None
        beside.setdefault(arrow.target, {})[arrow.source] = None
    return beside


def _nearest(beside: Mapping[str, Mapping[str, None]], centre: str, met: set[str]) -> Iterator[tuple[str, int]]:
    """Boxes that are not `met` yet, with how many arrows lead to each, the nearest first."""
    waiting = deque([(centre, 0)] if centre not in met else [])
    met.add(centre)
    while waiting:
        at, distance = waiting.popleft()
        yield at, distance
        for other in beside.get(at, ()):
            if other not in met:
                met.add(other)
                waiting.append((other, distance + 1))


def widest(picture: Picture, centres: Iterable[str]) -> int:
    """How many boxes a row holds, at most, where what lies as far from the first of `centres` stands in one row. O(boxes + arrows)."""
    beside, met = _beside(picture), set[str]()
    rows = Counter(distance for centre in centres for _, distance in _nearest(beside, centre, met))
    return max(rows.values(), default=0)


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
