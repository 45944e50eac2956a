"""Published topologies in every view: what Mermaid reads are their agents, handoffs and groups, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.test_corpus import TOPOLOGIES, graph_of, nested
from tests.pictures.mermaid_parser import Mermaid

EACH = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda one: one["id"])


def pairs(topology: dict[str, Any]) -> list[tuple[str, str]]:
    """Who hands over to whom, in names; the same said twice is one handoff."""
    return sorted({(edge["from"], edge["to"]) for edge in topology["edges"]})


def first_line(text: str) -> str:
    return text.split("\n", maxsplit=1)[0]


@EACH
def test_its_agents_handoffs_and_groups(topology: dict[str, Any], mermaid: Mermaid) -> None:
    graph = graph_of(topology)
    read = mermaid.read(graph.to_mermaid())

    names = {box: first_line(node.text) for box, node in read.nodes.items()}
    assert sorted(names.values()) == sorted(agent["name"] for agent in topology["agents"])
    assert sorted((names[one.source], names[one.target]) for one in read.links) == pairs(topology)
    assert {one.text for one in read.subgraphs.values()} == {group["name"] for group in topology["groups"]}
    groups = {group.name: group for group in nested(topology["groups"])}
    for one in read.subgraphs.values():
        assert groups[one.text].parent == (read.subgraphs[one.inside].text if one.inside else None)
    for agent, name in names.items():
        inside = read.nodes[agent].inside
        assert (name in groups[read.subgraphs[inside].text].members) if inside else not any(name in g.members for g in groups.values())
    for box, node in read.nodes.items():
        assert node.classes == (("agent", "entry") if names[box] in topology["entry"] else ("agent",))
        count = len(next(agent["tools"] for agent in topology["agents"] if agent["name"] == names[box]))
        assert node.text == names[box] + (f"\n{count} tool{'s' * (count != 1)}" if count else "")


@EACH
def test_its_tools_as_boxes(topology: dict[str, Any], mermaid: Mermaid) -> None:
    read = mermaid.read(graph_of(topology).to_mermaid(tools="box", on_large="all"))

    text = {box: node.text for box, node in read.nodes.items()}
    has = [(text[one.source], text[one.target]) for one in read.links if one.stroke == "dotted"]
    assert sorted(has) == sorted((agent["name"], tool) for agent in topology["agents"] for tool in agent["tools"])
    assert all(not read.nodes[one.target].classes for one in read.links if one.stroke == "dotted")


@EACH
def test_its_parts(topology: dict[str, Any], mermaid: Mermaid) -> None:
    read = mermaid.read(graph_of(topology).to_mermaid(view="architecture", on_large="all"))

    text = {box: node.text for box, node in read.nodes.items()}
    agents = {f"Agent: {agent['name']}": agent for agent in topology["agents"]}
    assert sorted(text.values()) == sorted(
        ["Runner", "Shared Context", *agents]
        + [f"Tool: {tool}" for agent in agents.values() for tool in agent["tools"]]
        + [f"Handoff Tool: {v}" if sum(u == w for w, _ in pairs(topology)) > 1 else "Handoff Tool" for u, v in pairs(topology)]
    )
    for label, agent in agents.items():
        own = [text[one.target] for one in read.links if text[one.source] == label]
        assert sorted(one for one in own if one.startswith("Tool: ")) == sorted(f"Tool: {tool}" for tool in agent["tools"])
        assert len(own) == len(agent["tools"]) + sum(u == agent["name"] for u, _ in pairs(topology))
    for source, stroke in (("Runner", "normal"), ("Shared Context", "dotted")):
        assert {text[one.target] for one in read.links if text[one.source] == source and one.stroke == stroke} - {"Shared Context"} == set(
            agents
        )
    assert {node.classes for box, node in read.nodes.items() if text[box] in agents} == {("agent",)}


@EACH
def test_its_workings(topology: dict[str, Any], mermaid: Mermaid) -> None:
    read = mermaid.read(graph_of(topology).to_mermaid(view="full", on_large="all"))

    text = {box: first_line(node.text).removeprefix("Agent: ") for box, node in read.nodes.items()}
    said = [(text[one.source], first_line(one.text), text[one.target]) for one in read.links]
    assert sorted((u, v) for u, label, v in said if label == "Can handoff to") == pairs(topology)
    assert sorted((u, v) for u, label, v in said if label == "Has") == sorted(
        (agent["name"], f"Tool: {tool}") for agent in topology["agents"] for tool in agent["tools"]
    )
    assert {text[box] for box, node in read.nodes.items() if node.classes == ("agent",)} == {a["name"] for a in topology["agents"]}
    assert {node.classes[0] for node in read.nodes.values() if node.classes} == {"runner", "engine", "context", "callbacks", "agent"}


@EACH
def test_its_machine(topology: dict[str, Any], mermaid: Mermaid) -> None:
    graph = graph_of(topology)
    read = mermaid.read(graph.to_mermaid(view="machine"))

    names = {box: node.text for box, node in read.nodes.items()}
    start = "root_start"
    assert sorted(name for box, name in names.items() if box != start) == sorted(agent["name"] for agent in topology["agents"])
    assert {names[one.target] for one in read.links if one.source == start} == set(topology["entry"])
    moves = [(names[one.source], one.text, names[one.target]) for one in read.links if one.source != start]
    assert sorted(moves) == sorted((edge.source, edge.tool, edge.target) for edge in graph.edges)
    assert sorted((u, v) for u, _, v in moves) == pairs(topology)
