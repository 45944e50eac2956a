"""Runs laid over pictures of topologies: which boxes and arrows they mark, and how; and pictures that follow a run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, Context, DefinitionError, RunConfig, RunResult, handoff
from agentgraph.models import ScriptedModel
from agentgraph.views.diagram import Diagram
from agentgraph.views.live import show
from agentgraph.views.picture import Picture
from tests.unit.test_views_sequence import came_back, research


def picture(graph: AgentGraph, **look: Any) -> Picture:
    drawn = graph.diagram(**look).drawn
    assert isinstance(drawn, Picture)
    return drawn


def marks(seen: Picture) -> dict[str, tuple[str, ...]]:
    return {box.name: box.marks for box in seen.boxes}


def arrows(seen: Picture) -> dict[tuple[str, str], tuple[str, int]]:
    name = {box.id: box.name for box in seen.boxes}
    return {(name[arrow.source], name[arrow.target]): (arrow.label, arrow.weight) for arrow in seen.arrows}


def test_one_run_numbers_its_way_and_shows_where_it_is() -> None:
    seen = picture(research(), run=came_back())

    assert marks(seen) == {"Triage": ("entry", "visited", "active"), "Scout": ("visited",), "Writer Agent": ("visited",)}
    assert arrows(seen) == {
        ("Triage", "Scout"): ("1", 1),
        ("Scout", "Writer Agent"): ("2", 1),
        ("Writer Agent", "Triage"): ("3", 1),
        ("Triage", "Writer Agent"): ("needs verified", 0),
    }


def test_several_runs_count_theirs() -> None:
    short = AgentRunner(research(), RunConfig(model=ScriptedModel([handoff("Research"), "done"]))).run("hi")
    seen = picture(research(), run=[came_back(), short.trace])

    assert arrows(seen)["Triage", "Scout"] == ("x2", 2)
    assert arrows(seen)["Scout", "Writer Agent"] == ("x1", 1)
    assert not any("active" in box.marks for box in seen.boxes)


def test_what_a_closed_group_hides_counts_for_the_group() -> None:
    seen = picture(research(), run=came_back(), step=4, groups="closed")

    assert marks(seen) == {"Triage": ("entry", "visited"), "Research": ("visited", "active")}
    assert arrows(seen) == {("Triage", "Research"): ("needs verified\n1", 1), ("Research", "Triage"): ("", 0)}


def test_what_has_no_focus_is_left_out() -> None:
    seen = picture(research(), run=came_back(), focus="Scout", hops=0)

    assert marks(seen) == {"Scout": ("visited",)}


def test_often_taken_arrows_are_counted() -> None:
    graph = AgentGraph("pair").add_agent(Agent("One")).add_agent(Agent("Two"))
    graph.add_handoff("One", "Two").add_handoff("Two", "One")
    script = [handoff("Two"), handoff("One")] * 5
    result = AgentRunner(graph, RunConfig(model=ScriptedModel([*script, "done"]), max_turns=20)).run("hi")

    assert arrows(picture(graph, run=result)) == {("One", "Two"): ("x5", 5), ("Two", "One"): ("x5", 5)}


def test_parallel_arrows_are_told_apart_by_their_tools() -> None:
    graph = AgentGraph("pair").add_agent(Agent("One")).add_agent(Agent("Two"))
    graph.add_handoff("One", "Two", tool_name="gently").add_handoff("One", "Two", tool_name="urgently")
    result = AgentRunner(graph, RunConfig(model=ScriptedModel([handoff("Two", tool_name="urgently"), "done"]))).run("hi")

    for view in ("topology", "machine"):
        assert {arrow.label: arrow.weight for arrow in picture(graph, run=result, view=view).arrows if arrow.label} == {
            "gently": 0,
            "urgently\n1": 1,
        }


def test_a_large_graph_is_shrunk_around_what_was_visited() -> None:
    graph = AgentGraph("many")
    for n in range(300):
        graph.add_agent(Agent(f"a{n}"))
        graph.add_handoff(f"a{n}", f"a{(n + 1) % 300}").add_handoff(f"a{n}", f"a{(n * 7 + 100) % 300}")
    script = [handoff(f"a{n}") for n in (100, 200, 201, 202)]
    result = AgentRunner(graph, RunConfig(model=ScriptedModel([*script, "done"]))).run("hi")

    seen = picture(graph, run=result)

    assert len(seen.boxes) <= 60
    assert {box.name for box in seen.boxes if "visited" in box.marks} == {"a0", "a100", "a200", "a201", "a202"}
    assert sum(arrow.weight for arrow in seen.arrows) == 4
    assert seen.title.endswith("of 300 agents shown")


def test_a_context_alone_says_where_it_has_been() -> None:
    context = Context.from_json(came_back().context.to_json())

    assert picture(research(), run=context) == picture(research(), run=came_back())


def other() -> RunResult:
    return AgentRunner.with_agents(Agent("Stranger"), config=RunConfig(model=ScriptedModel(["done"]))).run("hi")


@pytest.mark.parametrize(
    ("look", "said"),
    [
        ({"run": other()}, "held by 'Stranger', none of whom is in the graph 'desk'"),
        ({"run": 3}, "a result, a trace, a context, or several"),
        ({"run": "Triage"}, "a result, a trace, a context, or several"),
        ({"run": [other(), None]}, "a result, a trace, a context, or several"),
        ({"run": came_back(), "step": 99}, "give -7 to 6"),
        ({"run": [came_back()], "step": 0}, "of one run"),
        ({"run": came_back().context, "step": 0}, "of one run"),
        ({"step": 0}, "no run"),
    ],
)
def test_what_cannot_be_laid_over(look: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        research().diagram(**look)


def test_a_run_of_an_earlier_topology_shows_what_is_still_there() -> None:
    smaller = AgentGraph("desk").add_agent(Agent("Triage")).add_agent(Agent("Scout"))
    smaller.add_handoff("Triage", "Scout")

    assert arrows(picture(smaller, run=came_back())) == {("Triage", "Scout"): ("1", 1)}


# -- while it lasts ----------------------------------------------------------------------------------------------------


class Board:
    """A page that keeps what was on it."""

    def __init__(self) -> None:
        self.shown: list[Diagram] = []

    def display(self, first: Diagram) -> Board:
        self.update(first)
        return self

    def update(self, shown: Diagram) -> None:
        self.shown.append(shown)

    @property
    def active(self) -> list[list[str]]:
        pictures = [diagram.drawn for diagram in self.shown]
        return [[box.name for box in seen.boxes if "active" in box.marks] for seen in pictures if isinstance(seen, Picture)]


def talking() -> AgentRunner:
    script = {"Triage": [handoff("Research")], "Scout": [handoff("Writer Agent")], "Writer Agent": ["It is a long answer."]}
    return AgentRunner(research(), RunConfig(model=ScriptedModel(script)))


def test_a_picture_follows_a_stream() -> None:
    board = Board()

    told = list(show(talking().stream("hi"), research(), display=board.display, theme="plain"))

    assert [type(one).__name__ for one in told] == [type(one).__name__ for one in talking().stream("hi")]
    assert board.active == [[], ["Triage"], ["Scout"], ["Writer Agent"]]
    assert board.shown[0].theme == research().diagram(theme="plain").theme


def test_a_picture_follows_a_stream_in_asyncio() -> None:
    board = Board()

    async def watched() -> int:
        return len([one async for one in show(talking().astream("hi"), research(), display=board.display, groups="closed")])

    assert asyncio.run(watched()) == len(list(talking().stream("hi")))
    assert board.active == [[], ["Triage"], ["Research"]]  # what looks alike is not shown again
