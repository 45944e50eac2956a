"""Picture -> Mermaid: flowcharts, and state diagrams. One statement a line; every label quoted; a class on a line of its own.

So adding a box adds its lines and changes no other. Ids and arrows are separated by blanks: "o" beside an arrow is one of its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.views.mermaid_text import escaped, quoted, title

if TYPE_CHECKING:
    from agentgraph.views.picture import Arrow, Box, Frame, Kind, Line, Picture
    from agentgraph.views.theme import Paint, Theme

_SHAPES: Mapping[Kind, tuple[str, str]] = {"group": ("[[", "]]"), "user": ("[", "]"), "human": ("([", "])")}
_LINES: Mapping[tuple[Line, bool], str] = {
    ("solid", False): "-->",
    ("solid", True): "<-->",
    ("dotted", False): "-.->",
    ("dotted", True): "<-.->",
    ("thick", False): "==>",
    ("thick", True): "<==>",
}
_INDENT = "    "


def mermaid(picture: Picture, theme: Theme) -> str:
    """`picture` as Mermaid text, that ends with one line break. O(boxes + arrows)."""
    lines = _states(picture, theme) if picture.form == "states" else _flowchart(picture, theme)
    return "\n".join([*_front_matter(picture.title), *lines]) + "\n"


def _front_matter(text: str) -> Iterator[str]:
    if text:
        yield from ("---", f"title: {title(text)}", "---")


# -- flowcharts ----------------------------------------------------------------------------------------------------------


def _flowchart(picture: Picture, theme: Theme) -> Iterator[str]:
    yield f"flowchart {picture.direction}"
    yield from _nested(picture, None, _INDENT, _box, lambda frame: f"subgraph {frame.id}[{quoted(frame.name)}]", "end")
    for arrow in picture.arrows:
        label = f"|{quoted(arrow.label)}|" if arrow.label else ""
        yield f"{_INDENT}{arrow.source} {_LINES[arrow.line, arrow.both]}{label} {arrow.target}"
    yield from _classes(picture, theme)
    for at, arrow in enumerate(picture.arrows):
        style = _arrow_style(arrow, theme)
        if style:
            yield f"{_INDENT}linkStyle {at} {style}"


def _box(box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind, ("[", "]"))
    return f"{box.id}{opening}{quoted(box.label)}{closing}"


def _arrow_style(arrow: Arrow, theme: Theme) -> str:
    stroke = theme.mixed("", arrow.marks).stroke
    styles = [f"stroke:{stroke}"] if stroke else []
    if arrow.weight:
        styles.append(f"stroke-width:{width(arrow.weight)}px")
    return ",".join(styles)


def width(weight: int) -> int:
    """The pixels of an arrow that was taken so often: a pixel more for each doubling, so that one and a thousand fit one picture."""
    return 1 + min(weight.bit_length(), 10)


# -- states --------------------------------------------------------------------------------------------------------------


def _states(picture: Picture, theme: Theme) -> Iterator[str]:
    yield "stateDiagram-v2"
    if picture.direction == "LR":
        yield f"{_INDENT}direction LR"
    ends = {box.id for box in picture.boxes if box.kind in ("start", "end")}
    yield from _nested(picture, None, _INDENT, _state, _composite, "}")
    for arrow in picture.arrows:
        source, target = ("[*]" if end in ends else end for end in (arrow.source, arrow.target))
        label = f" : {escaped(arrow.label, 'state')}" if arrow.label else ""
        yield f"{_INDENT}{source} --> {target}{label}"
    yield from _classes(picture, theme)


def _state(box: Box) -> str | None:
    return None if box.kind in ("start", "end") else f'state "{escaped(box.label, "state")}" as {box.id}'


def _composite(frame: Frame) -> str:
    return f'state "{escaped(frame.name, "state")}" as {frame.id} {{'


# -- both ----------------------------------------------------------------------------------------------------------------


def _nested(
    picture: Picture, frame: str | None, indent: str, box: Callable[[Box], str | None], opened: Callable[[Frame], str], closed: str
) -> Iterator[str]:
    """The boxes in a frame, and the frames in it."""
    for one in picture.boxes:
        if one.frame == frame and (line := box(one)) is not None:
            yield indent + line
    for inner in picture.frames:
        if inner.parent == frame:
            yield indent + opened(inner)
            yield from _nested(picture, inner.id, indent + _INDENT, box, opened, closed)
            yield indent + closed


def _classes(picture: Picture, theme: Theme) -> Iterator[str]:
    """What is used of the theme, and by which box. A later class wins: a mark over a kind."""
    worn = [(box.id, name) for box in picture.boxes for name in theme.worn(box.kind, box.marks)]
    worn += [(frame.id, name) for frame in picture.frames for name in theme.worn("", frame.marks)]
    for name in dict.fromkeys(name for _, name in worn):
        yield f"{_INDENT}classDef {name} {_painted(theme.paint(name))}"
    for box, name in worn:
        yield f"{_INDENT}class {box} {name}"


def _painted(paint: Paint) -> str:
    styles = {"fill": paint.fill, "stroke": paint.stroke, "color": paint.ink}
    told = [f"{name}:{value}" for name, value in styles.items() if value]
    return ",".join([*told, *(["stroke-dasharray:5 3"] if paint.dashed else []), *(["stroke-width:3px"] if paint.heavy else [])])
