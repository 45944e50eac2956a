"""Picture -> Placed, in pure Python: layers of boxes; each frame is laid out by itself and then one large box around its own.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures" (1981): layers, an order in each
that keeps arrows short, and places. An arrow that leaves a frame goes through a gate in its border. It is drawn downward; LR is that on
its side.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from agentgraph.views.layering import BESIDE, BETWEEN, WHOLE, planned
from agentgraph.views.placed import Placed, Point, Rect, Route, box_size, label_size
from agentgraph.views.rows import Knot, arrange, spaced, tie
from agentgraph.views.text_size import text_size

if TYPE_CHECKING:
    from agentgraph.views.layering import Level, Link
    from agentgraph.views.picture import Picture

_MARGIN, _BEND = 14.0, 26.0
"""Room around what lies in a frame, and for a loop beside its box."""


def layered_layout(picture: Picture) -> Placed:
    """Where everything is. O(sweeps x (boxes + arrows x layers))."""
    return _Layout(picture).placed()


@dataclass(slots=True)
class _Laid:
    """A frame, or the whole picture, that is laid out: its size, and where things are, from its upper left corner."""

    width: float = 0.0
    height: float = 0.0
    rects: dict[int, Rect] = field(default_factory=dict)
    lines: dict[int, list[Point]] = field(default_factory=dict)
    """The bends of each arrow; all go downward, so they are in order when they are sorted by their height."""
    labels: dict[int, Point] = field(default_factory=dict)
    loops: dict[int, Route] = field(default_factory=dict)
    upper_gates: dict[int, float] = field(default_factory=dict)
    lower_gates: dict[int, float] = field(default_factory=dict)
    """Where an arrow goes through a border."""


class _Layout:
    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.lying = picture.direction == "LR"
        self.labels = [self.turned(label_size(arrow)) for arrow in picture.arrows]
        self.sizes = [self.turned(box_size(box)) for box in picture.boxes]
        numbers = {box.id: at for at, box in enumerate(picture.boxes)}
        self.ends = [(numbers[arrow.source], numbers[arrow.target]) for arrow in picture.arrows]
        self.loops: dict[int, list[int]] = {}
        for at, (source, target) in enumerate(self.ends):
            if source == target:
                self.loops.setdefault(source, []).append(at)
        self.levels: Mapping[int, Level] = planned(
            picture, [self.with_loops(at) for at in range(len(self.sizes))], [width for width, _ in self.labels]
        )

    def turned(self, size: tuple[float, float]) -> tuple[float, float]:
        return (size[1], size[0]) if self.lying else size

    def with_loops(self, box: int) -> tuple[float, float]:
        """The size of a box, with room for its loops on both sides, so that it stays in the middle."""
        width, height = self.sizes[box]
        loops = self.loops.get(box, ())
        aside = max((_BEND + self.labels[at][0] for at in loops), default=0.0)
        return width + 2 * aside, max(height, len(loops) * max((self.labels[at][1] for at in loops), default=0.0), len(loops) * BETWEEN)

    def placed(self) -> Placed:
        whole = self.laid(WHOLE)
        boxes, frames = self.picture.boxes, self.picture.frames
        upright = Placed(
            whole.width,
            whole.height,
            {box.id: whole.rects[at] for at, box in enumerate(boxes)},
            {frame.id: whole.rects[at] for at, frame in enumerate(frames, start=len(boxes)) if at in whole.rects},
            tuple(whole.loops[at] if at in whole.loops else self.route(at, whole) for at in range(len(self.ends))),
        )
        return _on_its_side(upright) if self.lying else upright

    def route(self, arrow: int, whole: _Laid) -> Route:
        source, target = (whole.rects[end] for end in self.ends[arrow])
        points = sorted(whole.lines[arrow], key=lambda at: (at.y, at.x))
        return Route(_smooth(points if source.y < target.y else points[::-1]), whole.labels.get(arrow), label_on_line=True)

    # -- one frame -------------------------------------------------------------------------------------------------

    def laid(self, frame: int) -> _Laid:
        """Everything in a frame, its border included."""
        level = self.levels[frame]
        boxes = len(self.sizes)
        inner = {item: self.laid(item) for item in level.items if item >= boxes}
        knots: dict[int, Knot] = {}
        rows: list[list[Knot]] = [[] for _ in range(2 * max(level.layer.values(), default=0) + 3)]
        for item in level.items:
            width, height = self.with_loops(item) if item < boxes else (inner[item].width, inner[item].height)
            knots[item] = Knot(width, height, item)
            rows[2 * level.layer[item] + 1].append(knots[item])
        crowded = {_middle_gap(*_rows_between(link, level, len(rows))) for link in level.links if link.labelled}
        chains = {link: self.chain(link, level, knots, inner, rows, crowded) for link in level.links}
        arrange(rows, BESIDE)
        return self.measured(frame, rows, chains, inner)

    def chain(
        self,
        link: Link,
        level: Level,
        knots: Mapping[int, Knot],
        inner: Mapping[int, _Laid],
        rows: list[list[Knot]],
        crowded: Collection[int],
    ) -> list[Knot]:
        """The bends of a link, tied to its ends. A border's end is a bend in the first or the last row."""
        top, end = _rows_between(link, level, len(rows))
        middle = _middle_gap(top, end)
        border = {at for at, is_border in ((top, link.upper is None), (end - 1, link.lower is None)) if is_border}
        bends: list[Knot] = []
        for at in range(top, end):
            if at % 2 == 0 and at not in crowded and at not in border and end - top > 1:
                continue  # nothing is in the way
            bends.append(Knot(*self.labels[link.arrow]) if link.labelled and at == middle else Knot())
            rows[at].append(bends[-1])
        if link.upper is not None:
            gate = inner[link.upper].lower_gates.get(link.arrow, 0.0) if link.upper in inner else 0.0
            tie(knots[link.upper], bends[0], gate)
        for upper, lower in pairwise(bends):
            tie(upper, lower)
        if link.lower is not None:
            gate = inner[link.lower].upper_gates.get(link.arrow, 0.0) if link.lower in inner else 0.0
            tie(bends[-1], knots[link.lower], 0.0, gate)
        return bends

    def measured(self, frame: int, rows: list[list[Knot]], chains: Mapping[Link, list[Knot]], inner: Mapping[int, _Laid]) -> _Laid:
        """The places of rows and of what is in them, as places in the frame."""
        boxes = len(self.sizes)
        name = self.picture.frames[frame - boxes].name if frame != WHOLE else ""
        title_width, title_height = text_size(name) if name else (0.0, 0.0)
        margin = _MARGIN if frame != WHOLE else 0.0
        before = (margin + title_height, margin) if self.lying else (margin, margin + title_height)
        least = (0.0, title_width + 2 * margin) if self.lying else (title_width + 2 * margin, 0.0)
        left = min((knot.x - knot.width / 2 for row in rows for knot in row), default=0.0)
        right = max((knot.x + knot.width / 2 for row in rows for knot in row), default=0.0)
        width = max(right - left + before[0] + margin, least[0])
        shift = before[0] + (width - before[0] - margin - (right - left)) / 2 - left
        middles, height = _heights(rows, before[1])
        height = max(height + margin, least[1])
        laid = _Laid(width, height)
        for row, y in zip(rows, middles, strict=True):
            for knot in row:
                knot.x += shift
                if knot.item is not None:
                    self.put(knot.item, Point(knot.x, y), inner, laid)
        self.draw(laid, rows, middles, chains, inner)
        return laid

    def put(self, item: int, middle: Point, inner: Mapping[int, _Laid], laid: _Laid) -> None:
        """A box with its loops, or a frame with all that is in it."""
        if item not in inner:
            laid.rects[item] = Rect(*middle, *self.sizes[item])
            laid.loops |= self.looped(item, laid.rects[item])
            return
        own = inner[item]
        x, y = middle.x - own.width / 2, middle.y - own.height / 2
        laid.rects[item] = Rect(*middle, own.width, own.height)
        laid.rects |= {one: Rect(rect.x + x, rect.y + y, rect.width, rect.height) for one, rect in own.rects.items()}
        laid.loops |= {
            at: Route(tuple(_moved(p, x, y) for p in loop.curve), loop.label and _moved(loop.label, x, y)) for at, loop in own.loops.items()
        }
        laid.labels |= {at: _moved(label, x, y) for at, label in own.labels.items()}
        for arrow, points in own.lines.items():
            laid.lines.setdefault(arrow, []).extend(_moved(point, x, y) for point in points)

    def looped(self, box: int, rect: Rect) -> dict[int, Route]:
        """The loops of a box, one below the other on its right."""
        loops = self.loops.get(box, ())
        made: dict[int, Route] = {}
        side, far = rect.x + rect.width / 2, rect.x + rect.width / 2 + _BEND
        slot, inner = (height / max(1, len(loops)) for height in (self.with_loops(box)[1], rect.height))
        for at, arrow in enumerate(loops):
            y, near = (rect.y + one * (at + 0.5 - len(loops) / 2) for one in (slot, inner))
            half, tied = min(slot * 0.3, 12), min(inner * 0.3, 12)
            curve = (Point(side, near - tied), Point(far, y - half), Point(far, y + half), Point(side, near + tied))
            made[arrow] = Route(curve, Point(far + self.labels[arrow][0] / 2, y) if self.labels[arrow][0] else None)
        return made

    def draw(
        self, laid: _Laid, rows: list[list[Knot]], middles: list[float], chains: Mapping[Link, list[Knot]], inner: Mapping[int, _Laid]
    ) -> None:
        """The lines of arrows through this frame, and its gates."""
        tall = [max((knot.height for knot in row), default=0.0) for row in rows]
        place = {id(knot): (y, height) for row, y, height in zip(rows, middles, tall, strict=True) for knot in row}
        starts = self.fastened({link: bends[0] for link, bends in chains.items()}, laid, inner, "upper")
        ends = self.fastened({link: bends[-1] for link, bends in chains.items()}, laid, inner, "lower")
        for link, bends in chains.items():
            points: list[Point] = []
            for bend in bends:
                y, height = place[id(bend)]
                # through a row of boxes straight on, so that the line bends where there is room
                points += [Point(bend.x, y - height / 2), Point(bend.x, y + height / 2)] if height else [Point(bend.x, y)]
                if bend.width:
                    laid.labels[link.arrow] = Point(bend.x, y)
            if link.upper is None:
                points[0] = Point(bends[0].x, 0.0)
                laid.upper_gates[link.arrow] = bends[0].x - laid.width / 2
            if link.lower is None:
                points[-1] = Point(bends[-1].x, laid.height)
                laid.lower_gates[link.arrow] = bends[-1].x - laid.width / 2
            laid.lines.setdefault(link.arrow, []).extend([*starts.get(link, ()), *points, *ends.get(link, ())])

    def fastened(self, bends: Mapping[Link, Knot], laid: _Laid, inner: Mapping[int, _Laid], side: str) -> dict[Link, list[Point]]:
        """Where links meet their boxes: side by side along the border, in the order of their next bends."""
        along: dict[int, list[Link]] = {}
        for link in bends:
            item = link.upper if side == "upper" else link.lower
            if item is not None and item not in inner:
                along.setdefault(item, []).append(link)
        places: dict[Link, list[Point]] = {}
        for item, links in along.items():
            rect = laid.rects[item]
            y = rect.top + rect.height if side == "upper" else rect.top
            links.sort(key=lambda one: bends[one].x)
            for link, x in zip(links, _along(rect, [bends[link].x for link in links]), strict=True):
                places[link] = [Point(x, y)]
        return places


def _along(rect: Rect, wished: list[float]) -> list[float]:
    """Places along a border, as near to what is wished as there is room; `wished` goes to the right."""
    room = min(14.0, rect.width / 4)
    first, last = rect.left + room, rect.left + rect.width - room
    step = min(14.0, (last - first) / max(1, len(wished) - 1))
    found = spaced([min(max(x, first), last) for x in wished], [1.0] * len(wished), [0.0, *[step] * (len(wished) - 1)])
    return [min(max(x, first + step * at), last - step * (len(found) - 1 - at)) for at, x in enumerate(found)]


def _rows_between(link: Link, level: Level, rows: int) -> tuple[int, int]:
    """The first row that a link goes through, and the one after the last. Layers are every second row; the others are gaps."""
    top = 2 * level.layer[link.upper] + 2 if link.upper is not None else 0
    return top, 2 * level.layer[link.lower] + 1 if link.lower is not None else rows


def _middle_gap(top: int, end: int) -> int:
    """The gap nearest to the middle: where the label lies."""
    return top + (end - 1 - top) // 4 * 2


def _heights(rows: list[list[Knot]], top: float) -> tuple[list[float], float]:
    """The middle of each row, and where the last ends. Empty rows take no room."""
    middles, y = [], top
    for at, row in enumerate(rows):
        tall = max((knot.height for knot in row), default=0.0)
        outer = at in (0, len(rows) - 1)
        middles.append(y + tall / 2)
        y += tall + (BETWEEN if row and at < len(rows) - 2 else 0.0) + (BETWEEN / 2 if outer and row else 0.0)
    return middles, y


def _moved(at: Point, x: float, y: float) -> Point:
    return Point(at.x + x, at.y + y)


def _smooth(points: list[Point]) -> tuple[Point, ...]:
    """A curve through `points`, that is upright at each of them."""
    curve = points[:1]
    for start, end in pairwise(points):
        if end != start:
            middle = (start.y + end.y) / 2
            curve += [Point(start.x, middle), Point(end.x, middle), end]
    return tuple(curve)


def _on_its_side(placed: Placed) -> Placed:
    def point(at: Point) -> Point:
        return Point(at.y, at.x)

    def rect(at: Rect) -> Rect:
        return Rect(at.y, at.x, at.height, at.width)

    return Placed(
        placed.height,
        placed.width,
        {name: rect(one) for name, one in placed.boxes.items()},
        {name: rect(one) for name, one in placed.frames.items()},
        tuple(Route(tuple(map(point, route.curve)), route.label and point(route.label), route.label_on_line) for route in placed.routes),
    )
