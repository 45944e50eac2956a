"""Any text, anywhere in a picture: Mermaid accepts what is written, reads it as it is displayed, and finds no box, arrow or line more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, strategies as st

from agentgraph import Agent, AgentGraph, DefinitionError, Handoff, Tool
from agentgraph.graph.edge import Group
from agentgraph.views.diagram import Diagram
from agentgraph.views.display import display, one_line, shortened
from agentgraph.views.picture import Arrow, Box, Frame, Message, Note, Participant, Picture, Sequence, Span
from tests.pictures.mermaid_parser import Mermaid, Said
from tests.strategies import Ticket

CORPUS: list[dict[str, str]] = json.loads((Path(__file__).parents[1] / "corpus" / "hostile_names.json").read_text(encoding="utf-8"))[
    "names"
]
BENIGN = "Billing Agent"
MOST = 500
"""Characters of a name: with it in every place, more would be more than Mermaid takes in all."""

any_text = st.text(max_size=30) | st.text(
    alphabet=st.sampled_from("%{}[]()|<>\"'`;:#&*_~^$@\\-=.+/ \n\taoxe1\u200b\u202e\ufb02\u00b0\u00b6\u00df"), max_size=30
)
"""All of Unicode, and, since that seldom meets them, what Mermaid has a meaning for."""
hostile = any_text | st.sampled_from([one["name"] for one in CORPUS])


def flowchart(name: str) -> Picture:
    """A picture with `name` in every place there is."""
    return Picture(
        boxes=(
            Box("a", name, "agent", name, "f", name),
            Box("b", f"{name}\n{name}", "group", name, "g"),
            Box("c", BENIGN, "human", about=name),
        ),
        arrows=(
            Arrow("a", "b", name, about=name),
            Arrow("b", "c", f"needs {name}", "dotted"),
            Arrow("a", "b", name, "thick", both=True),
            Arrow("c", "a"),
        ),
        frames=(Frame("f", name), Frame("g", name, "f")),
        title=name,
    )


def states(name: str) -> Picture:
    return Picture(
        boxes=(Box("start", "", "start"), Box("a", name, "state", name, "f"), Box("b", BENIGN, "state"), Box("z", "", "end")),
        arrows=(
            Arrow("start", "a"),
            Arrow("a", "b", name),
            Arrow("b", "a", f"go [{name}; if {name}]"),
            Arrow("a", "a", name),
            Arrow("b", "z"),
        ),
        frames=(Frame("f", name),),
        title=name,
        form="states",
    )


def talk(name: str) -> Sequence:
    return Sequence(
        participants=(Participant("a", name), Participant("b", BENIGN, "user"), Participant("c", name)),
        happenings=(
            Message("a", "b", name),
            Message("b", "a", name, reply=True),
            Note(("a",), name),
            Note(("a", "b", "c"), name),
            Span("par", name, ((Message("a", "c", name, marks=("failed",)),), (Message("b", "c", name), Note(("c",), name)))),
            Span("group", name, ((Message("a", "a", name),),)),
            Span("group", name, ()),
        ),
        title=name,
    )


def read_as(text: str) -> str:
    """What is to be read of a text; a box of nothing shows nothing."""
    return display(text)


def titled(name: str) -> str:
    """A title is one line, and shows a look-alike of what a sanitiser would take for markup."""
    return (
        display(name)
        .replace("\n", " ")
        .replace("<", "\uff1c")
        .replace("\ufb02\u00b0", "\ufb02 \u00b0")
        .replace("\u00b6\u00df", "\u00b6 \u00df")
    )


def holds_as_flowchart(name: str, mermaid: Mermaid) -> None:
    read = mermaid.read(Diagram(flowchart(name)).to_mermaid())

    shown = read_as(name)
    assert {box: node.text for box, node in read.nodes.items()} == {"a": shown, "b": read_as(f"{name}\n{name}"), "c": BENIGN}
    assert [(one.source, one.target, one.text, one.stroke, one.heads) for one in read.links] == [
        ("a", "b", shown, "normal", 1),
        ("b", "c", read_as(f"needs {name}"), "dotted", 1),
        ("a", "b", shown, "thick", 2),
        ("c", "a", "", "normal", 1),
    ]
    assert {frame: (one.text, one.inside) for frame, one in read.subgraphs.items()} == {"f": (shown, None), "g": (shown, "f")}
    assert {box: node.inside for box, node in read.nodes.items()} == {"a": "f", "b": "g", "c": None}
    assert read.title == titled(name)


def holds_as_states(name: str, mermaid: Mermaid) -> None:
    read = mermaid.read(Diagram(states(name)).to_mermaid())

    shown = read_as(name)
    assert {box: node.text for box, node in read.nodes.items()} == {"root_start": "", "a": shown, "b": BENIGN, "root_end": ""}
    assert [(one.source, one.target, one.text) for one in read.links] == [
        ("root_start", "a", ""),
        ("a", "b", shown),
        ("b", "a", read_as(f"go [{name}; if {name}]")),
        ("a", "a", shown),
        ("b", "root_end", ""),
    ]
    assert {frame: one.text for frame, one in read.subgraphs.items()} == {"f": shown}
    assert read.nodes["a"].inside == "f"
    assert read.title == titled(name)


def same(section: str, name: str) -> bool:
    """Whether the title of a section shows `name`: in one line, and with full-width look-alikes."""
    narrow = str.maketrans({chr(ord(ch) + 0xFEE0): ch for ch in '"#&;<>\\`{}[]|%^~*:$'} | {"\u00b6": " "})

    def bare(text: str) -> str:
        return "".join(text.translate(narrow).replace("\ufb02", "fl").split())

    return bare(section) == bare(display(name) or "\u2014")


def holds_as_talk(name: str, mermaid: Mermaid) -> None:
    talked = mermaid.hear(Diagram(talk(name)).to_mermaid())

    shown = read_as(name)
    titles = [one for one in talked.said if one.kind == "PAR_START"]
    assert len(titles) == 1
    assert same(titles[0].text, name)
    assert talked.actors == {"a": shown, "b": BENIGN, "c": shown}
    assert [one._replace(text="") if one.kind.endswith(("START", "AND", "END")) else one for one in talked.said] == [
        Said("SOLID", "a", "b", shown),
        Said("DOTTED", "b", "a", shown),
        Said("NOTE", "a", "a", shown),
        Said("NOTE", "a", "c", shown),
        Said("PAR_START", "", "", ""),
        Said("SOLID_CROSS", "a", "c", shown),
        Said("PAR_AND", "", "", ""),
        Said("SOLID", "b", "c", shown),
        Said("NOTE", "c", "c", shown),
        Said("PAR_END", "", "", ""),
        Said("RECT_START", "", "", ""),
        *([Said("NOTE", "a", "a", shown)] if name else []),
        Said("SOLID", "a", "a", shown),
        Said("RECT_END", "", "", ""),
        Said("RECT_START", "", "", ""),
        Said("RECT_END", "", "", ""),
    ]
    assert talked.title == titled(name)


HOLDS: dict[str, Callable[[str, Mermaid], None]] = {"flowchart": holds_as_flowchart, "states": holds_as_states, "talk": holds_as_talk}


@pytest.mark.parametrize("form", HOLDS)
def test_every_hostile_name_is_read_as_it_is_displayed(form: str, mermaid: Mermaid) -> None:
    for one in CORPUS:
        assert display(one["name"]) == one["display"], one["why"]
        HOLDS[form](one["name"][:MOST], mermaid)


@pytest.mark.parametrize("form", HOLDS)
@given(name=hostile)
def test_any_text_is_read_as_it_is_displayed(form: str, name: str, mermaid: Mermaid) -> None:
    HOLDS[form](name[:MOST], mermaid)


# -- the same through a graph, in every view -----------------------------------------------------------------------------


class Texts(NamedTuple):
    """What somebody may have written, wherever a graph has a place for it."""

    graph: str
    first: str
    second: str
    group: str
    fact: str
    description: str
    title: str


def graph_of(texts: Texts) -> AgentGraph:
    """Two agents, one of them in a group, each a tool; handoffs both ways, guarded and with a payload."""

    def said_so(context: Any) -> bool:
        return True

    said_so.__name__ = texts.fact
    tool = Tool(name="check-it", description=texts.description, sets=frozenset([texts.fact]), requires=frozenset([texts.fact]))
    graph = AgentGraph(texts.graph)
    graph.add_agent(Agent(texts.first, description=texts.description, tools=(tool,)))
    graph.add_agent(Agent(texts.second, tools=(tool,)))
    graph.add_handoff(texts.first, Handoff(texts.second, requires=frozenset([texts.fact]), when=said_so, description=texts.description))
    graph.add_handoff(texts.second, Handoff(texts.first, payload=Ticket, description=texts.description))
    graph.regroup([Group(texts.group, texts.second, (texts.second,), None, texts.description)])
    return graph


def shape_of(text: str, mermaid: Mermaid) -> tuple[Any, ...]:
    """What is drawn, by position: which box is what and lies where, which arrow leads from which to which."""
    read = mermaid.read(text)
    at = {box: number for number, box in enumerate([*read.nodes, *read.subgraphs])}
    nodes = [(node.classes, node.shape, at.get(node.inside or "")) for node in read.nodes.values()]
    return nodes, [(at[one.source], at[one.target], one.stroke, one.heads) for one in read.links], len(read.subgraphs)


TAME = Texts("desk", "Triage", "Billing", "Team", "verified", "what it is for", "A title")


names = hostile.filter(str.strip)
graph_texts = st.builds(Texts, *[names] * 4, *[hostile] * 3).filter(lambda texts: len({texts.first, texts.second, texts.group}) == 3)
looks = st.fixed_dictionaries(
    {
        "view": st.sampled_from(["topology", "architecture", "full", "machine"]),
        "tools": st.sampled_from(["box", "badge"]),
        "groups": st.sampled_from(["open", "closed"]),
    }
)


@given(texts=graph_texts, look=looks)
def test_no_text_changes_what_is_drawn(texts: Texts, look: dict[str, Any], mermaid: Mermaid) -> None:
    try:
        graph = graph_of(texts)
    except DefinitionError:
        assume(False)  # a fact is to be text that is not blank

    text = graph.to_mermaid(title=texts.title, **look)

    assert shape_of(text, mermaid) == shape_of(graph_of(TAME).to_mermaid(title="A title", **look), mermaid)
    lines = {
        line.removeprefix("Agent: ").removeprefix("Group: ") for node in mermaid.read(text).nodes.values() for line in node.text.split("\n")
    }
    for name in (texts.first, texts.group if look["groups"] == "closed" else texts.second):
        assert shortened(one_line(name), 60) in lines
