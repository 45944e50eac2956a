r"""Pictures before any syntax: boxes, arrows and frames; or participants and what passes between them.

Exporters read these values and nothing else, so a new one is a file of a hundred lines. Labels are the text itself, with
"\n" between lines; ids are made by `ids.py`, never names. Order is the order of drawing.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

SCHEMA = 1

Kind = Literal[
    "agent",
    "group",
    "human",
    "tool",
    "handoff",
    "user",
    "runner",
    "engine",
    "context",
    "callbacks",
    "model",
    "tools",
    "state",
    "start",
    "end",
]
"""What a box or a participant stands for; themes paint by it."""
Mark = Literal["entry", "added", "removed", "changed", "visited", "active", "refused", "failed"]
"""What else is to be seen of it: where conversations start, in a comparison, or of a run."""
Line = Literal["solid", "dotted", "thick"]
Direction = Literal["TD", "LR"]


class Box(Struct, frozen=True, omit_defaults=True):
    """A node. `name` is what it stands for; `frame` the id of the frame it lies in; `about` is shown where one points at it."""

    id: str
    label: str
    kind: Kind = "agent"
    name: str = ""
    frame: str | None = None
    about: str = ""
    marks: tuple[Mark, ...] = ()


class Arrow(Struct, frozen=True, omit_defaults=True):
    """An edge from box to box. `both` is one line for two arrows that lead back and forth."""

    source: str
    target: str
    label: str = ""
    line: Line = "solid"
    both: bool = False
    about: str = ""
    marks: tuple[Mark, ...] = ()
    weight: int = 0
    """How often it was taken; drawn as a width where it is known."""
    name: str = ""
    """The tool of the one handoff that it stands for; nothing for several, and for what is no handoff."""


class Frame(Struct, frozen=True, omit_defaults=True):
    """A border around boxes: an open group."""

    id: str
    name: str
    parent: str | None = None
    marks: tuple[Mark, ...] = ()


class Picture(Struct, frozen=True, omit_defaults=True, tag="picture"):
    """Boxes, arrows and frames. `form` is "states" for a machine: boxes are its states."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...] = ()
    frames: tuple[Frame, ...] = ()
    direction: Direction = "TD"
    title: str = ""
    form: Literal["flow", "states"] = "flow"


class Participant(Struct, frozen=True, omit_defaults=True):
    """Who takes part in a sequence: a lifeline."""

    id: str
    label: str
    kind: Kind = "agent"


class Message(Struct, frozen=True, omit_defaults=True, tag="message"):
    """Something that passes from one participant to another; `reply` is what comes back."""

    source: str
    target: str
    text: str
    reply: bool = False
    marks: tuple[Mark, ...] = ()


class Note(Struct, frozen=True, tag="note"):
    """A remark beside one participant or over several."""

    over: tuple[str, ...]
    text: str


class Span(Struct, frozen=True, tag="span"):
    """Messages that belong together: side by side ("par", a section each), or inside one thing ("group")."""

    kind: Literal["par", "group"]
    title: str
    sections: tuple[tuple[Happening, ...], ...]


Happening = Message | Note | Span


class Sequence(Struct, frozen=True, omit_defaults=True, tag="sequence"):
    """Participants from left to right, and what passes between them from top to bottom."""

    participants: tuple[Participant, ...]
    happenings: tuple[Happening, ...] = ()
    title: str = ""


def as_data(drawn: Picture | Sequence) -> dict[str, Any]:
    """`drawn` as JSON values, with the number of their schema."""
    data: dict[str, Any] = msgspec.to_builtins(drawn)
    return {"agentgraph_picture": SCHEMA, **data}
