"""No name breaks a drawing, changes what is drawn, or becomes anything but text. What was drawn is read back."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from agentgraph import Agent, AgentGraph, AgentGraphError, tool
from agentgraph.views.diagram import Diagram
from agentgraph.views.display import display
from agentgraph.views.graphviz_program import rendered
from agentgraph.views.layered import layered_layout
from agentgraph.views.outline import Item, outline
from agentgraph.views.picture import Picture, Sequence
from agentgraph.views.svg import svg
from agentgraph.views.text_tree import text_tree
from agentgraph.views.theme import theme_called
from tests.unit.views_drawn import (
    NAMES,
    Page,
    graphviz_json,
    label_read,
    needs_graphviz,
    picture_with,
    sequence_with,
    svg_attributes,
    svg_elements,
    svg_texts,
    texts,
)

THEME = theme_called(None)
IN_SVG = {"svg", "title", "desc", "rect", "g", "text", "tspan", "path", "polygon", "circle"}
IN_PAGE = IN_SVG | {"html", "head", "meta", "style", "body", "main", "h1", "h2", "figure", "ul", "ol", "li", "p"}
SAFE_VALUE = re.compile(r"[-#\w .,()/:']*\Z")
graphviz = pytest.mark.skipif(needs_graphviz, reason="Graphviz is not installed")


def plain(picture: Picture) -> str:
    return svg(picture, THEME, layered_layout(picture), text_tree(picture))


# -- DOT ---------------------------------------------------------------------------------------------------------------


def assert_dot_is_read_as(picture: Picture) -> None:
    dot = Diagram(picture).to_dot()
    read = graphviz_json(dot)
    boxes = {one["name"]: one for one in read["objects"] if not one["name"].startswith("cluster_")}
    frames = {one["name"]: one for one in read["objects"] if one["name"].startswith("cluster_")}
    number = {one["_gvid"]: one["name"] for one in read["objects"]}
    edges = [(number[edge["tail"]], number[edge["head"]]) for edge in read["edges"]]

    assert {name: label_read(one) for name, one in boxes.items()} == {box.id: display(box.label) for box in picture.boxes}
    assert {name: label_read(one) for name, one in frames.items()} == {f"cluster_{one.id}": display(one.name) for one in picture.frames}
    assert Counter(edges) == Counter((arrow.source, arrow.target) for arrow in picture.arrows)
    assert Counter(map(label_read, read["edges"])) == Counter(display(arrow.label) for arrow in picture.arrows)
    assert label_read(read) == display(picture.title)


def assert_tooltips_are_read(picture: Picture) -> None:
    drawn = rendered(Diagram(picture).to_dot(), "svg")
    assert drawn is not None
    link, title = "{http://www.w3.org/2000/svg}a", "{http://www.w3.org/1999/xlink}title"
    found = {element.get(title) for element in ET.fromstring(drawn).iter(link)}

    assert found >= {display(arrow.about) for arrow in picture.arrows if display(arrow.about)}


@graphviz
def test_dot_is_read_back_for_each_hostile_name() -> None:
    assert_dot_is_read_as(picture_with(NAMES))
    assert_tooltips_are_read(picture_with(NAMES))


@graphviz
@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=10))
def test_dot_is_read_back_for_any_text(names: list[str]) -> None:
    assert_dot_is_read_as(picture_with(names))


@graphviz
@settings(max_examples=25)
@given(texts)
def test_dot_of_a_sequence_is_read_back(name: str) -> None:
    read = graphviz_json(Diagram(sequence_with(name)).to_dot())
    boxes = {one["name"]: label_read(one) for one in read["objects"] if "name" in one}

    assert boxes["a"] == boxes["b"] == display(name)
    assert {name for name in boxes if "@" not in name and not name.startswith("%")} == {"a", "b"}
    shown = "".join(display(name).split())
    assert ["".join(label_read(edge).split()) for edge in read["edges"] if label_read(edge)] == [shown] * (3 if shown else 0)


# -- SVG ---------------------------------------------------------------------------------------------------------------


def assert_only_texts_of(picture: Picture, drawn: str) -> None:
    expected = [box.label for box in picture.boxes] + [arrow.label for arrow in picture.arrows]
    expected += [*(frame.name for frame in picture.frames), picture.title]

    assert Counter(filter(None, svg_texts(drawn))) == Counter(filter(None, map(display, expected)))
    assert_inert(drawn)


def assert_inert(drawn: str) -> None:
    assert svg_elements(drawn) <= IN_SVG
    for name, value in svg_attributes(drawn):
        assert not name.startswith("on")
        assert name not in ("href", "style", "class", "id")
        assert SAFE_VALUE.match(value), (name, value)


def test_svg_shows_each_hostile_name_as_text() -> None:
    assert_only_texts_of(picture_with(NAMES), plain(picture_with(NAMES)))


@graphviz
def test_svg_by_graphviz_shows_each_hostile_name_as_text() -> None:
    assert_only_texts_of(picture_with(NAMES), Diagram(picture_with(NAMES)).to_svg())


@given(st.lists(texts, min_size=1, max_size=6), st.sampled_from(["flow", "states"]))
def test_svg_shows_any_text_as_text(names: list[str], form: str) -> None:
    assert_only_texts_of(picture_with(names, form), plain(picture_with(names, form)))


@given(texts)
def test_svg_of_a_sequence_shows_any_text_as_text(name: str) -> None:
    drawn = Diagram(sequence_with(name)).to_svg()
    squeezed = Counter("".join(text.split()) for text in svg_texts(drawn))
    shown = "".join(display(name).split())

    assert_inert(drawn)
    if shown:
        assert squeezed[shown] + (shown == "and") >= 8, squeezed


# -- HTML and text -----------------------------------------------------------------------------------------------------


def told(items: tuple[Item, ...]) -> list[str]:
    return [line for item in items for line in (item.text, *told(item.inside))]


def assert_page_says(drawn: Picture | Sequence) -> None:
    page = Page(Diagram(drawn).to_html())
    expected = told(outline(drawn))

    assert page.elements <= IN_PAGE
    assert page.attributes.isdisjoint({"href", "src", "style", "id"})
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.items[-len(expected) :] == expected


def test_a_page_shows_each_hostile_name_as_text() -> None:
    assert_page_says(picture_with(NAMES))


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=5))
def test_a_page_shows_any_text_as_text(names: list[str]) -> None:
    assert_page_says(picture_with(names))
    assert_page_says(sequence_with(names[0]))


@given(st.lists(texts, min_size=1, max_size=5))
def test_a_tree_of_lines_has_a_line_for_each_thing_and_nothing_for_a_terminal_to_obey(names: list[str]) -> None:
    for drawn in (picture_with(names), sequence_with(names[0])):
        tree = text_tree(drawn)
        lines = tree.removesuffix("\n").split("\n")

        assert len(lines) == len(told(outline(drawn))) + bool(drawn.title)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", tree)


# -- from a graph ------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(texts, texts)
def test_a_graph_with_any_names_is_drawn_in_every_view(name: str, other: str) -> None:
    @tool(name="look", description=other)
    def look() -> str:
        """Look."""
        return ""

    try:
        graph = AgentGraph(name)
        graph.add_agent(Agent(name, description=other, tools=(look,))).add_agent(Agent(f"{name} 2")).add_handoff(
            name, f"{name} 2", description=other
        )
    except AgentGraphError:
        return  # a name that the graph itself refuses
    for view in ("topology", "architecture", "full", "machine"):
        picture = graph.diagram(view=view, title=other).drawn
        assert isinstance(picture, Picture)
        assert_only_texts_of(picture, plain(picture))
        assert_page_says(picture)
