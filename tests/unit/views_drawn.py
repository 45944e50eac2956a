"""Pictures with given texts in every place, and readers of what was drawn of them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from functools import cache
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
    read = _answered(dot)
    if _errs_about_backslashes():
        for things, kind in (([read], "graph"), (read.get("objects", ()), "node"), (read.get("edges", ()), "edge")):
            drawn = _drawn(dot, kind)
            for thing in things:
                thing["drawn"] = drawn.get(thing["name"] if kind == "node" else str(thing.get("_gvid", 0) + 1), "")
    return read


def label_read(thing: dict[str, Any]) -> str:
    """The label that was drawn."""
    drawn: str | None = thing.get("drawn")
    return drawn if drawn is not None else "\n".join(_texts_of(thing))


def _answered(dot: str) -> dict[str, Any]:
    answer = rendered(dot, "json")
    assert answer is not None, "Graphviz refused it"
    read: dict[str, Any] = json.loads(answer)
    return read


def _texts_of(thing: dict[str, Any]) -> list[str]:
    return [step["text"] for step in thing.get("_ldraw_", ()) if step["op"] == "T"]


@cache
def _errs_about_backslashes() -> bool:
    """The Graphviz in the wheel draws one, and tells two in JSON. So what it has drawn is read from what it has drawn."""
    return _texts_of(_answered('digraph { a [label="\\\\"] }')["objects"][0]) != ["\\"]


def _drawn(dot: str, kind: str) -> dict[str, str]:
    """The labels in the SVG: of nodes and clusters by name, of edges, and of the graph, by number."""
    answer = rendered(dot, "svg")
    assert answer is not None
    root = ET.fromstring(answer)
    whole = root.find(f"{SVG}g")
    assert whole is not None
    if kind == "graph":
        return {"1": "\n".join(text.text or "" for text in whole.findall(f"{SVG}text"))}
    found: dict[str, str] = {}
    for group in whole.iter(f"{SVG}g"):
        label = "\n".join(text.text or "" for text in group.iter(f"{SVG}text"))
        if kind == "edge" and group.get("class") == "edge":
            found[group.get("id", "").removeprefix("edge")] = label
        elif kind == "node" and group.get("class") in ("node", "cluster"):
            found[group.findtext(f"{SVG}title", "")] = label
    return found


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
