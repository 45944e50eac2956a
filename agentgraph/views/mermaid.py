"""Picture -> Mermaid: flowcharts, and state diagrams. One statement a line; every label quoted; a class on a line of its own.

So adding a box adds its lines and changes no other. Ids and arrows are separated by blanks: "o" beside an arrow is one of its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.errors import DefinitionError
from agentgraph.views.mermaid_text import MOST_CHARACTERS, escaped, quoted, title

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


MOST_ARROWS = 450
"""Mermaid refuses 500 arrows and 50,000 characters, and nothing inside a diagram can raise that; some are left for what is put around it."""


def mermaid(picture: Picture, theme: Theme) -> str:
    """`picture` as Mermaid text, that ends with one line break. O(boxes + arrows).

    Raises:
        DefinitionError: when it is larger than Mermaid takes, with what to ask for instead.
    """
    if len(picture.arrows) > MOST_ARROWS:
        raise DefinitionError(_too_large(picture, f"{len(picture.arrows):,} arrows", MOST_ARROWS))
    lines = _states(picture, theme) if picture.form == "states" else _flowchart(picture, theme)
    text = "\n".join([*_front_matter(picture.title), *lines]) + "\n"
    if len(text) > MOST_CHARACTERS:
        raise DefinitionError(_too_large(picture, f"{len(text):,} characters", MOST_CHARACTERS))
    return text


def _too_large(picture: Picture, size: str, most: int) -> str:
    focus = next((box.name for box in picture.boxes if box.name), "")
    return (
        f"this picture has {size}, and Mermaid takes no more than {most:,} of them. Leave out on_large='all', and the picture is made "
        f"smaller: graph.diagram(), graph.diagram(groups='closed') or graph.diagram(focus={focus!r}, hops=1)"
    )


def _front_matter(text: str) -> Iterator[str]:
    if text:
        yield from ("---", f"title: {title(text)}", "---")


# -- flowcharts ----------------------------------------------------------------------------------------------------------


def _flowchart(picture: Picture, theme: Theme) -> Iterator[str]:
    yield f"flowchart {picture.direction}"
    # No direction of its own for a frame: Mermaid before 11.13 refuses TD there, and later ones let arrows end at the border for it.
    yield from _nested(picture, _box, lambda frame: f"subgraph {frame.id}[{quoted(frame.name)}]", "end")
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
    yield from _nested(picture, _state, _composite, "}")
    for arrow in picture.arrows:
        source, target = ("[*]" if end in ends else end for end in (arrow.source, arrow.target))
        label = f" : {escaped(arrow.label, 'state')}" if arrow.label else ""
        yield f"{_INDENT}{source} --> {target}{label}"
        if arrow.both:
            yield f"{_INDENT}{target} --> {source}{label}"  # a transition has one head
    yield from _classes(picture, theme)


def _state(box: Box) -> str | None:
    return None if box.kind in ("start", "end") else f'state "{escaped(box.label, "state")}" as {box.id}'


def _composite(frame: Frame) -> str:
    return f'state "{escaped(frame.name, "state")}" as {frame.id} {{'


# -- both ----------------------------------------------------------------------------------------------------------------


def _nested(picture: Picture, box: Callable[[Box], str | None], opened: Callable[[Frame], str], closed: str) -> Iterator[str]:
    """The boxes in a frame, and the frames in it, however deep. O(boxes + frames)."""
    held: dict[str | None, list[Box]] = {}
    for one in picture.boxes:
        held.setdefault(one.frame, []).append(one)
    inner: dict[str | None, list[Frame]] = {}
    for frame in reversed(picture.frames):
        inner.setdefault(frame.parent, []).append(frame)
    waiting: list[tuple[Frame | None, int]] = [(None, 1)]
    while waiting:
        around, depth = waiting.pop()
        if depth < 0:
            yield _INDENT * -depth + closed
            continue
        if around is not None:
            yield _INDENT * (depth - 1) + opened(around)
            waiting.append((None, 1 - depth))
        name = None if around is None else around.id
        yield from (_INDENT * depth + line for one in held.get(name, ()) if (line := box(one)) is not None)
        waiting += [(frame, depth + 1) for frame in inner.get(name, ())]


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
