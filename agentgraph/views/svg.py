"""Picture and where its things are -> SVG. Whoever laid it out, it is drawn here: the same looks, and one place where texts become markup.

It needs nothing from outside: no font, no style sheet, no marker, no id that could meet another's on the same page. It has its own
light panel behind it, so it can be read on a dark page too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence as Several
from math import hypot
from typing import TYPE_CHECKING

from agentgraph.views.display import display
from agentgraph.views.markup import Markup, element, joined, number
from agentgraph.views.mermaid import width as line_width
from agentgraph.views.placed import ARROW_FONT, LABEL_FONT, Point, Rect, label_size
from agentgraph.views.text_size import LINE, text_size
from agentgraph.views.told import marked, told_of

if TYPE_CHECKING:
    from agentgraph.views.picture import Arrow, Box, Frame, Kind, Line, Picture
    from agentgraph.views.placed import Placed, Route
    from agentgraph.views.theme import Theme

FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
PANEL, INK, STROKE, BORDER = "#ffffff", "#1f2328", "#57606a", "#8c959f"
EDGE = 16.0
"""Room around everything."""
_HEAD = 9.0
_STRAIGHT = 2  # points of what is no curve
_NOWHERE = 0.5  # pixels that are too few to point somewhere
_DASHES: Mapping[Line, str | None] = {"solid": None, "dotted": "2 4", "thick": None}
_CORNERS: Mapping[Kind, float] = {"human": 18, "state": 12, "tool": 8}


def svg(picture: Picture, theme: Theme, placed: Placed, about: str) -> str:
    """`picture` as an SVG document, that ends with one line break; `about` is what it says to who cannot see it."""
    frames = [frame for frame in picture.frames if frame.id in placed.frames]
    frames.sort(key=lambda frame: -placed.frames[frame.id].width * placed.frames[frame.id].height)  # what lies within another lies upon it
    drawn = [
        *(_frame(frame, placed.frames[frame.id], theme) for frame in frames),
        *(_arrow(arrow, route, theme) for arrow, route in zip(picture.arrows, placed.routes, strict=True)),
        *(_box(box, placed.boxes[box.id], theme) for box in picture.boxes),
        *(label for arrow, route in zip(picture.arrows, placed.routes, strict=True) for label in _label(arrow, route, theme)),
    ]
    return document(drawn, placed.width, placed.height, picture.title, about)


def document(drawn: list[Markup], width: float, height: float, title: str, about: str) -> str:
    """An SVG document around what is drawn: its panel, its title, and what it is about."""
    title_width, title_height = text_size(title, LABEL_FONT + 2)
    above = title_height + EDGE / 2 if title_height else 0.0
    whole = max(width, title_width) + 2 * EDGE, height + above + 2 * EDGE
    heading = [text(title, whole[0] / 2, EDGE + title_height / 2, LABEL_FONT + 2, font_weight="bold")] if title_height else []
    middle = f"translate({number((whole[0] - width) / 2)} {number(EDGE + above)})"
    inside = [
        element("title", display(title) or "Diagram"),
        element("desc", about),
        element("rect", width=whole[0], height=whole[1], rx=6, fill=PANEL),
        *heading,
        element("g", "\n" if drawn else "", joined(drawn, "\n"), Markup("\n"), transform=middle),
    ]
    root = element(
        "svg",
        Markup("\n"),
        joined(inside, "\n"),
        Markup("\n"),
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        width=whole[0],
        height=whole[1],
        viewBox=f"0 0 {number(whole[0])} {number(whole[1])}",
        font_family=FONT,
        font_size=LABEL_FONT,
        fill=INK,
    )
    return root + "\n"


def text(label: str, x: float, y: float, font: float = LABEL_FONT, **attributes: str | float | None) -> Markup:
    """The lines of a text around the point (x, y)."""
    lines = display(label).split("\n")
    first = y - (len(lines) - 1) * font * LINE / 2 + font * 0.35
    spans = [element("tspan", line, x=x, y=first + at * font * LINE) for at, line in enumerate(lines)]
    return element("text", *spans, **{"text_anchor": "middle", "font_size": None if font == LABEL_FONT else font, **attributes})


def line(curve: Several[Point], color: str, *, heads: tuple[bool, bool], wide: float = 1.4, dashes: str | None = None) -> Iterator[Markup]:
    """A curve, with heads where it begins and ends."""
    points = list(curve)
    at_start: list[Markup] = []
    at_end: list[Markup] = []
    if heads[1]:
        points, at_end = _headed(points, color, wide)
    if heads[0]:
        backward, at_start = _headed(points[::-1], color, wide)
        points = backward[::-1]
    yield element("path", d=_path(points), fill="none", stroke=color, stroke_width=wide, stroke_dasharray=dashes)
    yield from (*at_start, *at_end)


def _headed(points: list[Point], color: str, wide: float) -> tuple[list[Point], list[Markup]]:
    """A curve that leaves room for the head at its end, and that head."""
    tip, (x, y), long = points[-1], _towards(points), _HEAD + wide
    base, half = Point(tip.x - x * long, tip.y - y * long), long * 0.42
    corners = (tip, Point(base.x - y * half, base.y + x * half), Point(base.x + y * half, base.y - x * half))
    head = element("polygon", points=" ".join(f"{number(at.x)},{number(at.y)}" for at in corners), fill=color)
    return [*points[:-1], base], [head]


def _towards(points: list[Point]) -> tuple[float, float]:
    """The direction in which a curve arrives."""
    end = points[-1]
    for before in reversed(points[:-1]):
        length = hypot(end.x - before.x, end.y - before.y)
        if length > _NOWHERE:
            return (end.x - before.x) / length, (end.y - before.y) / length
    return 0.0, 1.0


def _path(points: list[Point]) -> str:
    places = [f"{number(point.x)} {number(point.y)}" for point in points]
    return f"M{places[0]}{'C' if len(places) > _STRAIGHT else 'L'}{' '.join(places[1:])}"


# -- the things of a picture ---------------------------------------------------------------------------------------------


def _frame(frame: Frame, rect: Rect, theme: Theme) -> Markup:
    paint = theme.mixed("", frame.marks)
    border = rectangle(
        rect, 8, paint.fill or "#f6f8fa", paint.stroke or BORDER, wide=2.5 if paint.heavy else 1, dashes="5 3" if paint.dashed else None
    )
    width, height = text_size(frame.name)
    name = text(
        frame.name,
        rect.left + 12 + width / 2 if width < rect.width - 24 else rect.x,
        rect.top + 7 + height / 2,
        fill=paint.ink or STROKE,
        font_weight="bold",
    )
    return element("g", border, name)


def _box(box: Box, rect: Rect, theme: Theme) -> Markup:
    if box.kind in ("start", "end"):
        ring = [element("circle", cx=rect.x, cy=rect.y, r=rect.width / 2, fill="none", stroke=INK)] if box.kind == "end" else []
        return element("g", element("title", box.kind), element("circle", cx=rect.x, cy=rect.y, r=rect.width / 2 - 2, fill=INK), *ring)
    paint = theme.mixed(box.kind, box.marks)
    stroke, corner = paint.stroke or STROKE, _CORNERS.get(box.kind, 3)
    wide, dashes = 3.0 if paint.heavy else 1.3, "5 3" if paint.dashed else None
    inside = [rectangle(rect, corner, paint.fill or PANEL, stroke, wide=wide, dashes=dashes)]
    if box.kind == "group":
        inside.append(rectangle(Rect(rect.x, rect.y, rect.width - 8, rect.height - 8), 2, "none", stroke, wide=1, dashes=dashes))
    about = "\n".join(filter(None, (told_of(box), ", ".join(marked(box.marks)))))
    return element("g", *([element("title", about)] if about else []), *inside, text(box.label, rect.x, rect.y, fill=paint.ink or INK))


def rectangle(rect: Rect, corner: float, fill: str, stroke: str, *, wide: float = 1, dashes: str | None = None) -> Markup:
    """A rectangle with round corners."""
    return element(
        "rect",
        x=rect.left,
        y=rect.top,
        width=rect.width,
        height=rect.height,
        rx=corner,
        fill=fill,
        stroke=stroke,
        stroke_width=wide,
        stroke_dasharray=dashes,
    )


def _arrow(arrow: Arrow, route: Route, theme: Theme) -> Markup:
    paint = theme.mixed("", arrow.marks)
    wide = float(line_width(arrow.weight)) if arrow.weight else 3.0 if arrow.line == "thick" or paint.heavy else 1.4
    dashes = "6 4" if paint.dashed else _DASHES[arrow.line]
    about = [element("title", arrow.about)] if arrow.about else []
    return element("g", *about, *line(route.curve, paint.stroke or STROKE, heads=(arrow.both, True), wide=wide, dashes=dashes))


def _label(arrow: Arrow, route: Route, theme: Theme) -> Iterator[Markup]:
    """Where it lies on its line, on a panel of its own; after all boxes, so that none hides it."""
    if route.label is not None and display(arrow.label):
        width, height = label_size(arrow)
        paper = [element("rect", x=route.label.x - width / 2, y=route.label.y - height / 2, width=width, height=height, fill=PANEL)]
        yield element(
            "g",
            *(paper if route.label_on_line else ()),
            text(arrow.label, *route.label, ARROW_FONT, fill=theme.mixed("", arrow.marks).stroke or INK),
        )
