"""Picture -> which box or frame lies in which layer, and through which frames each arrow goes. The first half of `layered.py`.

Boxes and frames are numbers here: boxes first, then frames; the whole picture is -1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentgraph.views.picture import Picture

WHOLE = -1
BESIDE, BETWEEN = 26.0, 22.0
"""Room between neighbours in a row, and between rows."""
_NARROW, _BROADER = 760.0, 1.6
"""A row is filled up to the first; a large picture up to so many times the side of the square of that area."""


class Link(NamedTuple):
    """What of an arrow lies in one frame: from an item down to another. None is the frame's own border."""

    arrow: int
    upper: int | None
    lower: int | None
    labelled: bool


@dataclass(slots=True)
class Level:
    """What lies directly in a frame: its items, the layer of each, and the links among them."""

    items: list[int] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    layer: dict[int, int] = field(default_factory=dict)


def planned(picture: Picture, sizes: Sequence[tuple[float, float]], labels: Sequence[float]) -> Mapping[int, Level]:
    """From the sizes of boxes and the widths of the arrows' labels: the level of each frame, and of the whole. O(boxes + arrows x depth)."""
    paths = _paths(picture)
    levels: dict[int, Level] = {frame: Level() for frame in [WHOLE, *range(len(picture.boxes), len(paths))]}
    for item, path in enumerate(paths):
        levels[path[-2]].items.append(item)
    roughly = _rough_sizes(paths, sizes)
    first = _firsts(picture, paths)
    numbers = {box.id: at for at, box in enumerate(picture.boxes)}
    meeting: dict[int, list[tuple[int, int, int]]] = {frame: [] for frame in levels}
    for at, arrow in enumerate(picture.arrows):
        source, target = numbers[arrow.source], numbers[arrow.target]
        if source != target:
            depth = next(d for d, (one, other) in enumerate(zip(paths[source], paths[target], strict=False)) if one != other)
            meeting[paths[source][depth - 1]].append((at, source, target))
    for frame, level in levels.items():
        depth = len(paths[frame]) if frame != WHOLE else 1
        pairs = [(paths[source][depth], paths[target][depth]) for _, source, target in meeting[frame]]
        level.layer = _layers(level.items, pairs, _with_labels(roughly, pairs, [labels[at] for at, _, _ in meeting[frame]]), first)
        for at, source, target in meeting[frame]:
            if level.layer[paths[source][depth]] > level.layer[paths[target][depth]]:
                source, target = target, source  # noqa: PLW2901 (from here on, the upper and the lower)
            level.links.append(Link(at, paths[source][depth], paths[target][depth], bool(picture.arrows[at].label)))
            for outer, inner in zip(paths[source][depth:], paths[source][depth + 1 :], strict=False):
                levels[outer].links.append(Link(at, inner, None, labelled=False))
            for outer, inner in zip(paths[target][depth:], paths[target][depth + 1 :], strict=False):
                levels[outer].links.append(Link(at, None, inner, labelled=False))
    return levels


def _paths(picture: Picture) -> list[tuple[int, ...]]:
    """The frames around each box and frame, the whole picture first, itself last."""
    numbers = {frame.id: at for at, frame in enumerate(picture.frames, start=len(picture.boxes))}
    parents = {frame.id: frame.parent for frame in picture.frames}

    def path(frame: str | None) -> tuple[int, ...]:
        return (WHOLE,) if frame is None else (*path(parents[frame]), numbers[frame])

    return [(*path(box.frame), at) for at, box in enumerate(picture.boxes)] + [path(frame.id) for frame in picture.frames]


def _rough_sizes(paths: Sequence[tuple[int, ...]], sizes: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The sizes of boxes, and squares for frames that hold about what lies in them."""
    area = [0.0] * len(paths)
    for path, (width, height) in zip(paths, sizes, strict=False):
        for frame in path[1:-1]:
            area[frame] += (width + BESIDE) * (height + 2 * BETWEEN)
    return [*sizes, *(((one * _BROADER) ** 0.5, (one / _BROADER) ** 0.5) for one in area[len(sizes) :])]


def _with_labels(
    sizes: Sequence[tuple[float, float]], pairs: Sequence[tuple[int, int]], labels: Sequence[float]
) -> list[tuple[float, float]]:
    """The sizes of items that are as wide as the labels of their arrows, which lie beside each other above them."""
    beside = [0.0] * len(sizes)
    for (source, target), label in zip(pairs, labels, strict=True):
        for item in (source, target):
            beside[item] += label and label + BESIDE / 2
    return [(max(width, aside), height) for (width, height), aside in zip(sizes, beside, strict=True)]


def _firsts(picture: Picture, paths: Sequence[tuple[int, ...]]) -> frozenset[int]:
    """What holds a box in which conversations start."""
    entries = [at for at, box in enumerate(picture.boxes) if box.kind == "start" or "entry" in box.marks]
    return frozenset(item for at in entries for item in paths[at])


def _layers(
    items: Sequence[int], pairs: Sequence[tuple[int, int]], sizes: Sequence[tuple[float, float]], first: frozenset[int]
) -> dict[int, int]:
    """A layer for each item: below all that lead to it and were met before, and not in a row that is full."""
    order = {item: at for at, item in enumerate(_met(items, pairs, first))}
    above: dict[int, list[int]] = {item: [] for item in items}
    for source, target in pairs:
        upper, lower = sorted((source, target), key=order.__getitem__)
        above[lower].append(upper)
    area = sum((sizes[item][0] + BESIDE) * (sizes[item][1] + 2 * BETWEEN) for item in items)
    most = max(_NARROW, _BROADER * area**0.5)
    layer: dict[int, int] = {}
    filled: dict[int, float] = {}
    for item in order:
        at = max((layer[one] + 1 for one in above[item]), default=0)
        while filled.get(at) and filled[at] + sizes[item][0] > most:
            at += 1
        layer[item] = at
        filled[at] = filled.get(at, 0.0) + sizes[item][0] + BESIDE
    return layer


def _met(items: Sequence[int], pairs: Sequence[tuple[int, int]], first: frozenset[int]) -> Iterator[int]:
    """Each item, as one meets them who starts where conversations start, and follows arrows breadth first."""
    after: dict[int, list[int]] = {item: [] for item in items}
    for source, target in pairs:
        after[source].append(target)
    led_to = {target for _, target in pairs}
    starts = sorted(items, key=lambda item: (item not in first, item in led_to or not after[item], not after[item]))
    met: set[int] = set()
    for start in starts:
        waiting = deque([start] if start not in met else [])
        met.add(start)
        while waiting:
            item = waiting.popleft()
            yield item
            for other in after[item]:
                if other not in met:
                    met.add(other)
                    waiting.append(other)
