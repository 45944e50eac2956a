"""Sequence -> SVG: a column for each participant, and what passes between them from top to bottom. Its own layout, in pure Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.views.display import display
from agentgraph.views.ladder import Row, rows, wrapped
from agentgraph.views.markup import Markup, element, joined, number
from agentgraph.views.placed import ARROW_FONT, Point, Rect
from agentgraph.views.svg import BORDER, INK, PANEL, STROKE, document, line, rectangle, text
from agentgraph.views.text_size import text_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.views.picture import Message, Participant, Sequence
    from agentgraph.views.theme import Theme

_BESIDE, _BETWEEN, _HEAD, _LOOP, _INSET, _AROUND = 24.0, 10.0, 40.0, 34.0, 10.0, 20.0
_FAILED, _NOTE = "#c62828", "#fff9c4"
_MOST_BEFORE_FEET = 10
"""Rows; where there are more, the participants stand below too."""


def svg_sequence(sequence: Sequence, theme: Theme, about: str) -> str:
    """`sequence` as an SVG document, that ends with one line break. O(participants x happenings)."""
    found = list(rows(sequence))
    columns = _Columns(sequence, found)
    drawn: list[Markup] = []
    spans: list[Markup] = []
    opened: list[_Span] = []
    y = _HEAD + _BETWEEN * 1.5
    for row in found:
        label = "\n".join(wrapped(row.text)) if display(row.text) else ""
        width, height = text_size(label, ARROW_FONT)
        if row.message is not None:
            drawn.append(_message(row.message, label, y, columns))
            if opened and row.message.source == row.message.target:
                opened[-1].widen(columns.x[row.message.source] + _LOOP + width + _INSET)
            y += (height or ARROW_FONT) + 8 + (14 if row.message.source == row.message.target else 0) + _BETWEEN
        elif row.bound == "begin":
            opened.append(_Span(label, y, columns.x[row.over[0]] - _AROUND, columns.x[row.over[-1]] + _AROUND))
            y += (height + 10 if label else 0) + _BETWEEN
        elif row.bound == "part":
            opened[-1].parts.append(y)
            y += 12 + _BETWEEN
        elif row.bound == "end":
            span = opened.pop()
            spans[:0] = [span.border(y)]  # what lies around others lies below them
            drawn += span.told()
            if opened:
                opened[-1].widen(span.left - _INSET, span.right + _INSET)
            y += _BETWEEN
        else:
            rect = columns.over(row, width, y, height)
            drawn.append(element("g", rectangle(rect, 2, _NOTE, BORDER), text(label, rect.x, rect.y, ARROW_FONT, fill=INK)))
            if opened:
                opened[-1].widen(rect.left - _INSET, rect.left + rect.width + _INSET)
            y += height + 10 + _BETWEEN
    feet = len(found) > _MOST_BEFORE_FEET
    bottom = y + (_HEAD if feet else 0)
    lifelines = [element("path", d=f"M{x:.1f} {_HEAD}V{y:.1f}", stroke=BORDER, stroke_dasharray="4 4") for x in columns.x.values()]
    heads = [_head(one, columns, at, theme) for at in (_HEAD / 2, *((y + _HEAD / 2,) if feet else ())) for one in sequence.participants]
    return document([*lifelines, *spans, *drawn, *heads], columns.width, bottom, sequence.title, about)


class _Span:
    """What happens together, as far as it has been drawn: around whom it passes between, and around what is wider than that."""

    def __init__(self, label: str, top: float, left: float, right: float) -> None:
        self.label, self.top, self.left, self.right = label, top, left, right
        self.parts: list[float] = []
        width, self.height = text_size(label, ARROW_FONT)
        self.width = width + 16
        missing = max(self.width - (right - left), 0) / 2
        self.widen(left - missing, right + missing)

    def widen(self, *sides: float) -> None:
        """Reach to these sides, too."""
        self.left, self.right = min(self.left, *sides), max(self.right, *sides)

    def border(self, bottom: float) -> Markup:
        """The frame around it."""
        rect = Rect((self.left + self.right) / 2, (self.top + bottom) / 2, self.right - self.left, bottom - self.top)
        return rectangle(rect, 4, "none", BORDER)

    def told(self) -> Iterator[Markup]:
        """What it is, and where its parts begin."""
        if self.label:
            rect = Rect(self.left + self.width / 2, self.top + (self.height + 6) / 2, self.width, self.height + 6)
            yield joined([rectangle(rect, 2, "#eaeef2", BORDER), text(self.label, rect.x, rect.y, ARROW_FONT, fill=INK)])
        for y in self.parts:
            path = f"M{number(self.left)} {number(y)}H{number(self.right)}"
            yield element("path", d=path, stroke=BORDER, stroke_dasharray="6 4")
            place = Rect(self.left + 18, y + 10, 30, ARROW_FONT)
            yield rectangle(place, 0, PANEL, "none")  # over a lifeline that passes by
            yield text("and", place.x, place.y, ARROW_FONT, fill=STROKE)


class _Columns:
    """Where the lifelines are: as near to each other as what passes between them permits."""

    def __init__(self, sequence: Sequence, found: list[Row]) -> None:
        self.order = {participant.id: at for at, participant in enumerate(sequence.participants)}
        self.half = [max(text_size(participant.label)[0] + 24, 60) / 2 for participant in sequence.participants]
        gaps = [left + right + _BESIDE for left, right in zip(self.half, self.half[1:], strict=False)]
        after = max(self.half[-1:], default=0.0)
        before = max(self.half[:1], default=0.0)
        for row in sorted(found, key=lambda row: self._reach(row)[1] - self._reach(row)[0]):  # what is near first
            first, last = self._reach(row)
            room = text_size("\n".join(wrapped(row.text)), ARROW_FONT)[0] + _BESIDE
            if row.message is not None and first == last:
                if first < len(gaps):
                    gaps[first] = max(gaps[first], room + _LOOP)
                else:
                    after = max(after, room + _LOOP)
            elif first == last:
                wide = room / 2 + _INSET
                before, after = (max(before, wide) if first == 0 else before), (max(after, wide) if last == len(gaps) else after)
                for at in (first - 1, first):
                    if 0 <= at < len(gaps):
                        gaps[at] = max(gaps[at], wide)
            elif (missing := room - sum(gaps[first:last])) > 0:
                gaps[first:last] = [gap + missing / (last - first) for gap in gaps[first:last]]
        deepest = max((row.depth for row in found), default=0) + any(row.bound for row in found)
        margin = deepest * _INSET
        x, self.x = before + margin, {}
        for one, gap in zip(self.order, [*gaps, 0.0], strict=False):
            self.x[one] = x
            x += gap
        self.width = (x + after + margin) if self.x else 0.0

    def _reach(self, row: Row) -> tuple[int, int]:
        places = [self.order[one] for one in row.over]
        return min(places), max(places)

    def over(self, row: Row, width: float, y: float, height: float) -> Rect:
        """The rectangle of a note over its participants."""
        first, last = (self.x[row.over[0]], self.x[row.over[-1]])
        return Rect((first + last) / 2, y + (height + 8) / 2, max(width + 16, last - first + 40 if last > first else 0), height + 8)


def _head(participant: Participant, columns: _Columns, y: float, theme: Theme) -> Markup:
    paint = theme.mixed(participant.kind, ())
    half = columns.half[columns.order[participant.id]]
    _, height = text_size(participant.label)
    rect = Rect(columns.x[participant.id], y, 2 * half, max(_HEAD - 8, height))
    return element(
        "g", rectangle(rect, 3, paint.fill or PANEL, paint.stroke or STROKE), text(participant.label, rect.x, rect.y, fill=paint.ink or INK)
    )


def _message(message: Message, label: str, y: float, columns: _Columns) -> Markup:
    source, target = columns.x[message.source], columns.x[message.target]
    failed = bool({"refused", "failed"} & set(message.marks))
    color = _FAILED if failed else INK
    width, height = text_size(label, ARROW_FONT)
    height = height or ARROW_FONT
    dashes = "6 4" if message.reply else None
    if source == target:
        middle = y + height / 2 + 6
        far = source + _LOOP - 8
        curve = [Point(source, middle - 9), Point(far, middle - 9), Point(far, middle + 9), Point(source, middle + 9)]
        place = Point(source + _LOOP + width / 2, middle)
    else:
        below = y + height + 4
        curve = [Point(source, below), Point(target, below)]
        place = Point((source + target) / 2, y + height / 2)
    paper = [rectangle(Rect(*place, width + 4, height), 0, PANEL, "none")] if label else []  # over lifelines that pass by
    cross = _cross(curve[-1], color, from_left=source <= target) if failed else []
    return element(
        "g",
        *line(curve, color, heads=(False, not failed), dashes=dashes),
        *cross,
        *paper,
        *([text(label, *place, ARROW_FONT, fill=color)] if label else []),
    )


def _cross(at: Point, color: str, *, from_left: bool) -> list[Markup]:
    """What stands in place of a head where something was refused or has failed."""
    x = at.x - 7 if from_left else at.x + 7
    path = f"M{x - 5:.1f} {at.y - 5:.1f}l10 10m0 -10l-10 10"
    return [element("path", d=path, stroke=color, stroke_width=2, fill="none")]
