"""Large graphs: what is drawn can be read, is made at once, says what it leaves out, and is never what Mermaid refuses."""

from __future__ import annotations

import re
from time import process_time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentGraph, DefinitionError, Handoff, Tool
from agentgraph.graph.edge import Group
from agentgraph.views.diagram import Diagram
from agentgraph.views.mermaid import MOST_ARROWS
from agentgraph.views.mermaid_text import MOST_CHARACTERS
from agentgraph.views.picture import Arrow, Box, Frame, Message, Participant, Picture, Sequence
from tests.pictures.large import large
from tests.pictures.mermaid_parser import Mermaid
from tests.pictures.test_names import hostile

VIEWS = ["topology", "architecture", "full", "machine"]
SIZES = [200, 1_000, 5_000]
GRAPHS = {(size, grouped): large(size, grouped=grouped) for size in SIZES for grouped in (True, False)}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "flat"])
@pytest.mark.parametrize("size", SIZES)
def test_the_default_picture_can_be_read_and_is_there_at_once(size: int, grouped: bool, view: Any, mermaid: Mermaid) -> None:
    graph = GRAPHS[size, grouped]
    start = process_time()
    text = graph.to_mermaid(view=view)
    took = process_time() - start

    read = mermaid.read(text)
    assert len(read.nodes) <= 60
    assert len(read.links) <= 120
    assert took < 1
    told = re.fullmatch(rf"works: (\d+) of {size:,} agents shown(?:, and (\d+) groups?)?", read.title)
    assert told is not None
    agents = sum(re.match(r"(Agent: )?Agent \d+", node.text) is not None for node in read.nodes.values())
    assert int(told[1]) == agents >= 5
    assert int(told[2] or 0) == sum("group" in node.classes for node in read.nodes.values())


def test_the_title_counts_what_a_focus_shows(mermaid: Mermaid) -> None:
    graph = AgentGraph("support")
    for at in range(200):
        graph.add_agent(Agent(f"a{at}"))
    for at in range(1, 200):
        graph.add_handoff("a0" if at < 12 else f"a{at - 1}", f"a{at}")

    assert mermaid.read(graph.to_mermaid(focus="a0", hops=1, title="Around a0")).title == "Around a0: 12 of 200 agents shown"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "flat"])
def test_all_of_a_large_graph_is_refused_with_three_calls_that_work(grouped: bool, view: Any, mermaid: Mermaid) -> None:
    graph = GRAPHS[1_000, grouped]
    with pytest.raises(DefinitionError, match="Mermaid takes no more than") as caught:
        graph.to_mermaid(view=view, on_large="all")

    calls = re.findall(r"graph\.diagram\(.*?\)", str(caught.value))
    assert len(calls) == 3
    for call in calls:
        mermaid.read(eval(call, {"graph": graph}).to_mermaid())


@pytest.mark.parametrize("view", ["topology", "machine"])
@pytest.mark.parametrize(("leaves", "direction"), [(16, "TB"), (17, "LR")])
def test_a_row_that_is_too_wide_for_a_page_becomes_a_column(leaves: int, direction: str, view: Any, mermaid: Mermaid) -> None:
    graph = AgentGraph("star").add_agent(Agent("hub"))
    for at in range(leaves):
        graph.add_agent(Agent(f"leaf {at}")).add_handoff("hub", f"leaf {at}")
    graph.regroup([Group("all", "hub", tuple(graph.agents), None)])

    assert mermaid.read(graph.to_mermaid(view=view)).direction == direction
    assert mermaid.read(graph.to_mermaid(view=view, direction="TD")).direction == "TB"
    assert mermaid.read(graph.to_mermaid(view=view, on_large="all")).direction == "TB"


def pictures_of(boxes: int, arrows: int, label: str) -> Picture:
    ids = [f"b{at}" for at in range(boxes)]
    return Picture(tuple(Box(one, label, "agent", one) for one in ids), tuple(Arrow(ids[at % boxes], ids[-1]) for at in range(arrows)))


def test_the_border_is_where_it_is_said_to_be(mermaid: Mermaid) -> None:
    at_most = Diagram(pictures_of(10, MOST_ARROWS, "a")).to_mermaid()
    assert len(mermaid.read(at_most).links) == MOST_ARROWS
    with pytest.raises(DefinitionError, match="451 arrows"):
        Diagram(pictures_of(10, MOST_ARROWS + 1, "a")).to_mermaid()

    bare = len(Diagram(pictures_of(10, 0, "a")).to_mermaid())
    fill = "a" * ((MOST_CHARACTERS - bare) // 10 + 1)
    assert len(Diagram(pictures_of(10, 0, fill)).to_mermaid()) <= MOST_CHARACTERS
    with pytest.raises(DefinitionError, match="characters"):
        Diagram(pictures_of(10, 0, fill + "a")).to_mermaid()


def test_a_sequence_has_the_same_border() -> None:
    short, long = (Sequence((Participant("a", "A"),), (Message("a", "a", "x" * 100),) * count) for count in (300, 450))
    assert len(Diagram(short).to_mermaid()) <= MOST_CHARACTERS
    with pytest.raises(DefinitionError, match="detail='turns'"):
        Diagram(long).to_mermaid()


def test_groups_may_lie_deeper_than_python_calls_itself(mermaid: Mermaid) -> None:
    depth = 3_000
    frames = tuple(Frame(f"f{at}", "", f"f{at - 1}" if at else None) for at in range(depth))
    with pytest.raises(DefinitionError, match="characters"):
        Diagram(Picture((Box("a", "A", frame=f"f{depth - 1}"),), (), frames)).to_mermaid()

    graph = AgentGraph("deep").add_agent(Agent("in"))
    graph.regroup(
        Group(f"g{at}", f"g{at + 1}" if at < 199 else "in", (f"g{at + 1}" if at < 199 else "in",), f"g{at - 1}" if at else None)
        for at in range(200)
    )
    for view in VIEWS:
        mermaid.read(graph.to_mermaid(view=view))


@given(
    text=hostile.filter(str.strip),
    facts=st.integers(0, 12),
    view=st.sampled_from(VIEWS),
    grouped=st.booleans(),
    tools=st.sampled_from([None, "badge", "box"]),
)
def test_however_long_the_texts_are_the_default_is_accepted(
    text: str, facts: int, view: Any, grouped: bool, tools: Any, mermaid: Mermaid
) -> None:
    needed = frozenset(f"{at} {text * 40}" for at in range(facts))
    graph = AgentGraph(f"{text} " * 200)
    for at in range(40):
        graph.add_agent(Agent(f"{text} {at} " * 20, tools=tuple(Tool(name=f"{'t' * 40}{each}", sets=needed) for each in range(3))))
    names = list(graph.agents)
    for at in range(80):
        graph.add_handoff(names[at % 40], Handoff(names[(at * 7 + at // 40) % 40], requires=needed))
    if grouped:
        graph.regroup([Group(f"{text * 50} {at}", names[at], tuple(names[at : at + 8]), None) for at in range(0, 40, 8)])

    mermaid.parse(graph.to_mermaid(view=view, tools=tools))


@given(size=st.integers(61, 90), hops=st.integers(0, 3), at=st.integers(0, 89), view=st.sampled_from(VIEWS))
def test_what_is_in_focus_is_always_shown(size: int, hops: int, at: int, view: Any) -> None:
    graph = large(size)
    name = f"Agent {at % size}"

    picture = graph.diagram(view=view, focus=name, hops=hops).drawn

    assert isinstance(picture, Picture)
    assert len(picture.boxes) <= 60
    shown = {box.name for box in picture.boxes}
    assert name in shown or shown & set(graph.groups_of(name))
