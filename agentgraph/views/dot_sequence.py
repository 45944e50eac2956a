"""Sequence -> DOT: a ladder. A column of points for each participant, a row for each thing that happens.

DOT draws an edge within a row from left to right, and moves what says otherwise; so a message to the left is an edge to the right
with its head at the back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentgraph.views.dot import FONT, painted
from agentgraph.views.dot_text import listed, quoted
from agentgraph.views.ladder import Row, rows, wrapped
from agentgraph.views.picture import Message

if TYPE_CHECKING:
    from agentgraph.views.picture import Participant, Sequence
    from agentgraph.views.theme import Theme

_INDENT = "    "
_INK = '"#333333"'


def dot_sequence(sequence: Sequence, theme: Theme) -> str:
    """`sequence` as DOT text, that ends with one line break. O(participants x happenings)."""
    return "\n".join(["digraph {", *(_INDENT + line for line in _statements(sequence, theme)), "}"]) + "\n"


def _statements(sequence: Sequence, theme: Theme) -> Iterator[str]:
    title = quoted(sequence.title) if sequence.title else None
    yield "graph" + listed(
        splines="line", nodesep=0.9, ranksep=0.22, fontname=FONT, fontsize=14, label=title, labelloc="t" if title else None
    )
    yield "node" + listed(shape="point", width=0.02, color='"#999999"', fontname=FONT, fontsize=14)
    yield "edge" + listed(color='"#999999"', fontname=FONT, fontsize=12, style="dashed", arrowhead="none")
    columns = [participant.id for participant in sequence.participants]
    heads = [_head(participant, theme) for participant in sequence.participants]
    yield f"{{ rank=same; {'; '.join(heads)} }}" if heads else "{ }"
    if len(columns) > 1:
        yield " -> ".join(map(quoted, columns)) + listed(style="invis")
    above = columns
    for at, row in enumerate(rows(sequence), start=1):
        points = [f"{column}@{at}" for column in columns]  # no id has an "@"
        remark = f"; {quoted(points[columns.index(row.over[0])])}{_remark(row)}" if row.message is None and row.over else ""
        yield f"{{ rank=same; {'; '.join(map(quoted, points))}{remark} }}"
        for upper, lower in zip(above, points, strict=True):
            yield f"{quoted(upper)} -> {quoted(lower)}" + listed(weight=1000)
        if row.message is not None:
            yield _message(row.message, columns, points)
        above = points


def _head(participant: Participant, theme: Theme) -> str:
    paint = painted(theme.mixed(participant.kind, ()))
    filled = {"style": "filled", "color": '"#555555"', "fillcolor": '"#ffffff"'} | {name: value for name, value in paint.items() if value}
    return quoted(participant.id) + listed(label=quoted(participant.label), shape="box", **filled)


def _remark(row: Row) -> str:
    shape, fill = ("note", '"#fff9c4"') if row.bound == "" else ("tab", '"#eeeeee"')
    return listed(label=quoted("\n".join(wrapped(row.text))), shape=shape, style="filled", fillcolor=fill, fontsize=12)


def _message(message: Message, columns: list[str], points: list[str]) -> str:
    source, target = columns.index(message.source), columns.index(message.target)
    back = source > target
    failed = bool({"refused", "failed"} & set(message.marks))
    head = "tee" if failed else "normal"
    ends = f"{quoted(points[min(source, target)])} -> {quoted(points[max(source, target)])}"
    return ends + listed(
        label=quoted("\n".join(wrapped(message.text))) if message.text else None,
        style="dashed" if message.reply else "solid",
        dir="back" if back else None,
        arrowhead=None if back else head,
        arrowtail=head if back else None,
        color='"#c62828"' if failed else _INK,
        weight=0,
    )
