"""Pictures with given texts in every place, and readers of what was drawn of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from agentgraph.views.graphviz_program import is_there, rendered
from agentgraph.views.picture import Arrow, Box, Frame, Message, Note, Participant, Picture, Sequence, Span

HOSTILE = json.loads((Path(__file__).parents[1] / "corpus" / "hostile_names.json").read_text(encoding="utf-8"))["names"]
NAMES: list[str] = [entry["name"] for entry in HOSTILE]
SVG = "{http://www.w3.org/2000/svg}"

texts = st.text(st.characters(), max_size=20) | st.sampled_from(NAMES)
needs_graphviz = not is_there()


def picture_with(names: list[str], form: Any = "flow") -> Picture:
    """Each name as a box, as the frame around it, as what its loop says, and as what the box is about."""
    return Picture(
        tuple(Box(f"b{at}", name, "agent", name, f"f{at}", name) for at, name in enumerate(names)),
        tuple(Arrow(f"b{at}", f"b{at}", name, about=name) for at, name in enumerate(names)),
        tuple(Frame(f"f{at}", name) for at, name in enumerate(names)),
        title=names[0],
        form=form,
    )


def sequence_with(name: str) -> Sequence:
    """A name in every place of a sequence."""
    inside = (Message("b", "a", name, reply=True, marks=("failed",)), Note(("a", "b"), name))
    return Sequence(
        (Participant("a", name), Participant("b", name)),
        (Message("a", "b", name), Note(("a",), name), Span("par", name, (inside, (Message("b", "b", name),)))),
        name,
    )


# -- readers -----------------------------------------------------------------------------------------------------------


def graphviz_json(dot: str) -> dict[str, Any]:
    """How Graphviz has understood a text."""
    answer = rendered(dot, "json")
    assert answer is not None, "Graphviz refused it"
    read: dict[str, Any] = json.loads(answer)
    return read


def label_read(thing: dict[str, Any]) -> str:
    """The label that was drawn."""
    return "\n".join(step["text"] for step in thing.get("_ldraw_", ()) if step["op"] == "T")


def svg_texts(svg: str) -> list[str]:
    """The texts that were drawn."""
    return ["\n".join(span.text or "" for span in text) for text in ET.fromstring(svg).iter(f"{SVG}text")]


def svg_elements(svg: str) -> set[str]:
    return {element.tag.removeprefix(SVG) for element in ET.fromstring(svg).iter()}


def svg_attributes(svg: str) -> set[tuple[str, str]]:
    return {(name, value) for element in ET.fromstring(svg).iter() for name, value in element.attrib.items()}


class Page(HTMLParser):
    """What a browser makes of a page: its elements, attributes, and the texts of its list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.items: list[str] = []
        self._path: list[str] = []
        self.feed(page)
        self.close()
        assert not self._path, f"left open: {self._path}"

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._path.append(tag)
        if tag == "li":
            self.items.append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.handle_starttag(tag, attrs)
        self._path.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._path.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        if self._path[-1:] == ["li"] and data != "\n":  # between lists
            self.items[-1] += data
