"""The drawings made by hand, and what is drawn of a live graph: Mermaid reads the same from both, and from any other graph its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentgraph import Agent, AgentGraph, AgentGroup, Tool
from diagrams.seed_graph import graph as seed_graph
from tests.pictures.mermaid_parser import Mermaid, Node, Read

SEEDS = Path(__file__).parent / "seeds"
DRAWN = Path(__file__).parents[2] / "diagrams" / "seeds"
VIEWS = {"1-runner-and-agents.mmd": "architecture", "2-almost-full-architecture.mmd": "full"}


@pytest.mark.parametrize("name", VIEWS)
def test_a_drawing_by_hand_and_that_of_a_live_graph_are_one(name: str, mermaid: Mermaid) -> None:
    text = seed_graph.to_mermaid(view=VIEWS[name])
    seed, drawn = mermaid.read((SEEDS / name).read_text(encoding="utf-8")), mermaid.read(text)

    assert text == (DRAWN / name).read_text(encoding="utf-8")
    assert {box: node.text for box, node in drawn.nodes.items()} == {box: node.text for box, node in seed.nodes.items()}
    assert sorted(drawn.links) == sorted(seed.links)
    assert drawn.direction == seed.direction
    assert {box: drawn.worn(box).get("fill") for box in drawn.nodes} == {box: seed.worn(box).get("fill") for box in seed.nodes}


@pytest.mark.parametrize("name", VIEWS)
def test_every_painted_box_has_an_ink_and_a_border_of_its_own(name: str, mermaid: Mermaid) -> None:
    """So that it is read on a dark page too: without them the text takes the page's light colour, on a light fill."""
    drawn = mermaid.read(seed_graph.to_mermaid(view=VIEWS[name]))
    for box in drawn.nodes:
        worn = drawn.worn(box)
        assert "fill" not in worn or {"stroke", "color"} <= worn.keys()


def tools(*names: str) -> tuple[Tool, ...]:
    return tuple(Tool(name=name) for name in names)


def desk() -> AgentGraph:
    """Five agents: one with three tools, one with two handoffs, one that nothing leads to, two in a group."""
    graph = AgentGraph("desk")
    graph.add_agent(Agent("Front", tools=tools("lookup")))
    graph.add_agent(AgentGroup("Team", root=Agent("Lead", tools=tools("plan", "cut")), members=[Agent("Aide", tools=tools("a", "b", "c"))]))
    graph.add_agent(Agent("Night")).add_agent(Agent("Alone"))
    graph.add_handoff("Front", "Team").add_handoff("Front", "Night").add_handoff("Lead", "Aide").add_handoff("Aide", "Front")
    return graph


def line() -> AgentGraph:
    """Three agents in a row, with no tools."""
    graph = AgentGraph("line")
    for name in ("one", "two", "three"):
        graph.add_agent(Agent(name))
    return graph.add_handoff("one", "two").add_handoff("two", "three")


def alone() -> AgentGraph:
    return AgentGraph("alone").add_agent(Agent("Solo", tools=tools("x", "y")))


GRAPHS = {"desk": desk, "line": line, "alone": alone}


def told(read: Read) -> list[tuple[str, str, str, str]]:
    """The links, by the texts of their ends."""
    return sorted((read.nodes[one.source].text, one.text, read.nodes[one.target].text, one.stroke) for one in read.links)


@pytest.mark.parametrize("graph", [make() for make in GRAPHS.values()], ids=GRAPHS)
def test_the_parts_of_any_graph(graph: AgentGraph, mermaid: Mermaid) -> None:
    drawn = mermaid.read(graph.to_mermaid(view="architecture"))
    leaving = {name: [edge for edge in graph.edges if edge.source == name] for name in graph.agents}
    expected = [("Runner", "", "Shared Context", "normal")]
    for name, agent in graph.agents.items():
        label = f"Agent: {name}"
        expected += [("Runner", "", label, "normal"), ("Shared Context", "", label, "dotted")]
        expected += [(label, "", f"Tool: {tool.name}", "normal") for tool in agent.tools]
        several = len(leaving[name]) > 1
        expected += [(label, "", f"Handoff Tool: {e.target}" if several else "Handoff Tool", "normal") for e in leaving[name]]

    assert told(drawn) == sorted(expected)
    assert drawn.direction == "TB"
    assert len(drawn.nodes) == 2 + len(graph.agents) + sum(len(agent.tools) for agent in graph.agents.values()) + len(graph.edges)
    _numbered(drawn.nodes)


@pytest.mark.parametrize("graph", [make() for make in GRAPHS.values()], ids=GRAPHS)
def test_the_workings_of_any_graph(graph: AgentGraph, mermaid: Mermaid) -> None:
    drawn = mermaid.read(graph.to_mermaid(view="full"))
    runner, engine, context, calls = (
        "AgentRunner\nThread-safe API",
        "Runner\nExecution Engine",
        "Shared Context\nSerializable State",
        "Callbacks\nReal-time Events",
    )
    expected = [
        ("User", "Runner.with_agents(...)", runner, "normal"),
        (runner, "Creates per turn", engine, "normal"),
        (runner, "Fires", calls, "normal"),
        (engine, "", context, "normal"),
        *((calls, event, "User", "normal") for event in ("on_agent_thinking", "on_tool_start/complete", "on_agent_handoff")),
    ]
    for name, agent in graph.agents.items():
        label = f"Agent: {name}\nRole + Instructions"
        expected += [(engine, "", label, "normal"), (context, "Persists across", label, "dotted")]
        expected += [(label, "Has", f"Tool: {tool.name}", "normal") for tool in agent.tools]
    expected += [
        (f"Agent: {e.source}\nRole + Instructions", "Can handoff to", f"Agent: {e.target}\nRole + Instructions", "normal")
        for e in graph.edges
    ]

    assert told(drawn) == sorted(expected)
    assert drawn.direction == "LR"
    _numbered(drawn.nodes)


def _numbered(nodes: dict[str, Node]) -> None:
    """Ids are a letter and a number, in the order of the graph."""
    for letter in "ATH":
        found = [box for box in nodes if box.startswith(letter) and box[1:].isdigit()]
        assert found == [f"{letter}{at}" for at in range(1, len(found) + 1)]
