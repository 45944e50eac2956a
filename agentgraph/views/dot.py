"""Picture -> DOT: a digraph with a cluster for each frame. One statement a line, so adding a box changes no other line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.views.dot_text import listed, quoted, tooltip
from agentgraph.views.mermaid import width
from agentgraph.views.told import told_of

if TYPE_CHECKING:
    from agentgraph.views.picture import Arrow, Box, Frame, Kind, Line, Picture
    from agentgraph.views.theme import Paint, Theme

FONT = '"Helvetica,Arial,sans-serif"'
_INDENT = "    "
_LINES: Mapping[Line, str | None] = {"solid": None, "dotted": "dotted", "thick": "bold"}
_ROUNDED: frozenset[Kind] = frozenset({"human", "state", "tool"})
_HEAVY, _PLAIN_STROKE, _FRAME_STROKE = 3, '"#555555"', '"#999999"'


def dot(picture: Picture, theme: Theme) -> str:
    """`picture` as DOT text, that ends with one line break. O(boxes + arrows)."""
    return "\n".join(["digraph {", *_statements(picture, theme), "}"]) + "\n"


def _statements(picture: Picture, theme: Theme) -> Iterator[str]:
    title = quoted(picture.title) if picture.title else None
    rankdir = "LR" if picture.direction == "LR" else "TB"
    yield _INDENT + "graph" + listed(rankdir=rankdir, fontname=FONT, fontsize=14, label=title, labelloc="t" if title else None)
    yield _INDENT + "node" + listed(shape="box", style="filled", fillcolor='"#ffffff"', color=_PLAIN_STROKE, fontname=FONT, fontsize=14)
    yield _INDENT + "edge" + listed(color=_PLAIN_STROKE, fontname=FONT, fontsize=12)
    yield from _nested(picture, theme, None, _INDENT)
    for arrow in picture.arrows:
        yield _INDENT + _arrow(arrow, theme)


def _nested(picture: Picture, theme: Theme, frame: str | None, indent: str) -> Iterator[str]:
    """The boxes in a frame, and the frames in it."""
    for box in picture.boxes:
        if box.frame == frame:
            yield indent + _box(box, theme)
    for inner in picture.frames:
        if inner.parent == frame:
            yield f"{indent}subgraph {quoted('cluster_' + inner.id)} {{"
            yield from _frame(inner, theme, indent + _INDENT)
            yield from _nested(picture, theme, inner.id, indent + _INDENT)
            yield f"{indent}}}"


def _frame(frame: Frame, theme: Theme, indent: str) -> Iterator[str]:
    paint = theme.mixed("", frame.marks)
    styles = ["rounded", *(["filled"] if paint.fill else []), *(["dashed"] if paint.dashed else [])]
    attributes = {
        "label": quoted(frame.name),
        "tooltip": tooltip(frame.name),
        "style": f'"{",".join(styles)}"',
        "color": quoted(paint.stroke) if paint.stroke else _FRAME_STROKE,
        "fillcolor": quoted(paint.fill) if paint.fill else None,
        "fontcolor": quoted(paint.ink) if paint.ink else None,
        "penwidth": _HEAVY if paint.heavy else None,
    }
    yield from (f"{indent}{name}={value}" for name, value in attributes.items() if value is not None)


def _box(box: Box, theme: Theme) -> str:
    if box.kind == "start":
        return quoted(box.id) + listed(shape="point", width=0.2, label='""', fillcolor='"#333333"')
    if box.kind == "end":
        return quoted(box.id) + listed(shape="doublecircle", width=0.2, label='""', fillcolor='"#333333"')
    about = told_of(box)
    return quoted(box.id) + listed(
        label=quoted(box.label),
        tooltip=tooltip(about) if about else None,
        peripheries=2 if box.kind == "group" else None,
        **painted(theme.mixed(box.kind, box.marks), rounded=box.kind in _ROUNDED),
    )


def painted(paint: Paint, *, rounded: bool = False) -> dict[str, str | float | None]:
    """The attributes of a box that is painted so."""
    styles = ["filled", *(["rounded"] if rounded else []), *(["dashed"] if paint.dashed else [])]
    return {
        "style": f'"{",".join(styles)}"' if len(styles) > 1 else None,
        "fillcolor": quoted(paint.fill) if paint.fill else None,
        "color": quoted(paint.stroke) if paint.stroke else None,
        "fontcolor": quoted(paint.ink) if paint.ink else None,
        "penwidth": _HEAVY if paint.heavy else None,
    }


def _arrow(arrow: Arrow, theme: Theme) -> str:
    paint = theme.mixed("", arrow.marks)
    stroke = quoted(paint.stroke) if paint.stroke else None
    return f"{quoted(arrow.source)} -> {quoted(arrow.target)}" + listed(
        label=quoted(arrow.label) if arrow.label else None,
        tooltip=tooltip(arrow.about) if arrow.about else None,
        style="dashed" if paint.dashed else _LINES[arrow.line],
        dir="both" if arrow.both else None,
        color=stroke,
        fontcolor=stroke,
        penwidth=width(arrow.weight) if arrow.weight else None,
    )
