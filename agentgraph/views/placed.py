"""Where things are: what a layout makes of a picture, and what is drawn. Units are pixels, y grows downward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from agentgraph.views.text_size import text_size

if TYPE_CHECKING:
    from agentgraph.views.picture import Arrow, Box

LABEL_FONT, ARROW_FONT = 14, 12


class Point(NamedTuple):
    """A place."""

    x: float
    y: float


class Rect(NamedTuple):
    """An upright rectangle, by its middle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """Its left side."""
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        """Its upper side."""
        return self.y - self.height / 2


class Route(NamedTuple):
    """How an arrow goes: a cubic Bezier curve (1, 4, 7 ... points; the first and the last lie on borders), and the middle of its label."""

    curve: tuple[Point, ...]
    label: Point | None = None
    label_on_line: bool = False


class Placed(NamedTuple):
    """Every box, frame and arrow of a picture, the arrows in its order."""

    width: float
    height: float
    boxes: Mapping[str, Rect]
    frames: Mapping[str, Rect]
    routes: tuple[Route, ...]


def box_size(box: Box) -> tuple[float, float]:
    """How large a box must be for its label."""
    if box.kind in ("start", "end"):
        return 18, 18
    width, height = text_size(box.label, LABEL_FONT)
    return max(width + 24, 56), max(height + 18, 36)


def label_size(arrow: Arrow) -> tuple[float, float]:
    """How much room the label of an arrow takes."""
    width, height = text_size(arrow.label, ARROW_FONT)
    return (width + 8, height + 4) if height else (0.0, 0.0)
