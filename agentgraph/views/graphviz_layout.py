"""Picture -> Placed, by Graphviz. It is asked with numbers and sizes alone: no text of the picture reaches it, and no font matters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agentgraph.views.graphviz_program import rendered
from agentgraph.views.placed import Placed, Point, Rect, Route, box_size, label_size
from agentgraph.views.text_size import text_size

if TYPE_CHECKING:
    from agentgraph.views.picture import Picture

_INCH = 72
_SECONDS = 8


def graphviz_layout(picture: Picture) -> Placed | None:
    """Where Graphviz puts everything; None where there is no Graphviz, or it does not get ready."""
    if not picture.boxes:
        return None
    answer = rendered("\n".join(_asked(picture)) + "\n", "json0", _SECONDS)
    try:
        return _placed(picture, json.loads(answer)) if answer is not None else None
    except (ValueError, KeyError, IndexError):
        return None  # an old Graphviz that answers otherwise


def _asked(picture: Picture) -> Iterator[str]:
    yield "digraph {"
    yield f'graph [rankdir={"LR" if picture.direction == "LR" else "TB"} nodesep=0.35 ranksep=0.45 pad=0 fontname="Helvetica"]'
    yield 'node [shape=box fixedsize=true label=""]'
    yield 'edge [dir=none fontname="Helvetica"]'
    number = {box.id: at for at, box in enumerate(picture.boxes)}
    frame_number = {frame.id: at for at, frame in enumerate(picture.frames)}

    def nested(frame: str | None) -> Iterator[str]:
        for box in picture.boxes:
            if box.frame == frame:
                width, height = box_size(box)
                yield f"b{number[box.id]} [width={width / _INCH:.3f} height={height / _INCH:.3f}]"
        for inner in picture.frames:
            if inner.parent == frame:
                yield f"subgraph cluster_{frame_number[inner.id]} {{ margin=12 label={_room(*text_size(inner.name))}"
                yield from nested(inner.id)
                yield "}"

    yield from nested(None)
    for at, arrow in enumerate(picture.arrows):
        label = f" label={_room(*label_size(arrow))}" if arrow.label else ""
        yield f"b{number[arrow.source]} -> b{number[arrow.target]} [comment={at}{label}]"
    yield "}"


def _room(width: float, height: float) -> str:
    """A label of that size that says nothing."""
    size = f'width="{max(1, round(width))}" height="{max(1, round(height))}"'
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="0" fixedsize="true" {size}><tr><td></td></tr></table>>'


def _placed(picture: Picture, answer: dict[str, Any]) -> Placed:
    left, low, right, high = map(float, answer["bb"].split(","))

    def point(x: str, y: str) -> Point:
        return Point(float(x) - left, high - float(y))

    boxes: dict[str, Rect] = {}
    frames: dict[str, Rect] = {}
    for thing in answer["objects"]:
        name = thing["name"]
        if name.startswith("cluster_") and "bb" in thing:
            x0, y0, x1, y1 = map(float, thing["bb"].split(","))
            frames[picture.frames[int(name[8:])].id] = Rect((x0 + x1) / 2 - left, high - (y0 + y1) / 2, x1 - x0, y1 - y0)
        elif name.startswith("b"):
            box = picture.boxes[int(name[1:])]
            boxes[box.id] = Rect(*point(*thing["pos"].split(",")), *box_size(box))
    found: dict[int, Route] = {}
    for edge in answer.get("edges", ()):
        curve = tuple(point(*one.split(",")) for one in edge["pos"].split())
        found[int(edge["comment"])] = Route(curve, point(*edge["lp"].split(",")) if "lp" in edge else None)
    return Placed(right - left, high - low, boxes, frames, tuple(found[at] for at in range(len(picture.arrows))))
