"""Published topologies, and mutants of them: what the checks say is what plain search says, and each defect is found by its own code."""

from __future__ import annotations

import json
from functools import reduce
from operator import or_
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, Tool
from agentgraph.checks import (
    ALL,
    calls,
    enters,
    handoffs_to,
    handoffs_to_tools,
    must_pass_through,
    no_way_around,
    precedes,
    reaches,
    within,
)
from tests.conformance.test_corpus import CORPUS, TOPOLOGIES, graph_of

KNOWN: dict[str, Any] = json.loads((CORPUS / "answers.json").read_text(encoding="utf-8"))
BASES = {topology["id"]: topology for topology in TOPOLOGIES}
SOUND = [answers for answers in KNOWN["answers"] if not BASES[answers["id"]]["collisions"]]
MUTANTS = KNOWN["mutants"]


def declared(answers: dict[str, Any]) -> AgentGraph:
    """The topology with its home and its people declared."""
    topology = BASES[answers["id"]]
    graph = graph_of(topology)
    graph.home = topology["entry"][0]
    graph.human = [*answers.get("human_tools", ()), *(name for name, kind in answers.get("kinds", {}).items() if kind == "human")]
    return graph


def found(graph: AgentGraph, code: str) -> list[tuple[str, ...]]:
    return [finding.agents for finding in graph.check() if finding.code == code]


def real(answers: dict[str, Any], agents: tuple[str, ...]) -> list[str]:
    """Without what is no agent: users, people, places where a flow ends; and without those that nobody comes to."""
    return sorted(set(agents) - answers.get("kinds", {}).keys() - set(answers["unreachable"]))


@pytest.mark.parametrize("answers", KNOWN["answers"], ids=lambda a: a["id"])
def test_the_findings_are_what_plain_search_says(answers: dict[str, Any]) -> None:
    graph, topology = declared(answers), BASES[answers["id"]]

    assert sorted(found(graph, "unreachable-agent")) == sorted((name,) for name in answers["unreachable"])
    assert sorted(found(graph, "self-handoff")) == sorted((name,) for name in answers["to_itself"])
    assert sorted(map(list, found(graph, "group-breach"))) == answers["breaches"]
    assert sorted(sorted(pair) for pair in found(graph, "name-collision")) == sorted(map(sorted, topology["collisions"]))
    if len(topology["entry"]) == 1:
        assert real(answers, tuple(name for (name,) in found(graph, "trap"))) == answers["no_way_home"]
    assert real(answers, tuple(name for (name,) in found(graph, "human-unreachable"))) == answers["no_way_to_human"]
    assert not found(graph, "endless-ring")


@pytest.mark.parametrize("answers", SOUND, ids=lambda a: a["id"])
def test_questions_are_answered_as_plain_search_does(answers: dict[str, Any]) -> None:
    graph = graph_of(BASES[answers["id"]])
    home = reduce(or_, [enters(name) for name in graph.entries])

    assert handoffs_to(graph) == answers["handoffs_to"]
    assert handoffs_to_tools(graph) == answers["handoffs_to_tools"]
    assert real(answers, graph.prove(reaches(home, from_=ALL)).agents) == answers["no_way_home"]
    assert {via: sorted(agents) for via, agents in must_pass_through(graph).items()} == answers["must_pass"]
    for via, agents in answers["must_pass"].items():
        assert all(graph.prove(no_way_around(via, enters(agent))) for agent in agents)
    for name, handoffs in answers["handoffs_to"].items():
        verdict = graph.prove(within(handoffs, enters(name)))
        assert (bool(verdict), verdict.distance) == (True, handoffs)
        assert not handoffs or not graph.prove(within(handoffs - 1, enters(name)))
        assert verdict.path[-1].name == name
    for name in answers["unreachable"]:
        assert not graph.prove(within(len(graph.agents), enters(name)))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m['id']}-{m['defect']}")
def test_a_defect_is_found_and_nothing_else_is(mutant: dict[str, Any]) -> None:
    """Beside the defect only its own consequences: who is cut off from home by it, and the side door that a way around is."""
    before, after = graph_of(BASES[mutant["base"]]), graph_of(changed(mutant))
    for graph in (before, after):
        graph.home = graph.entries[0]
    expected = {(code, tuple(sorted(agents))) for code, several in mutant.get("expect", {}).items() for agents in several}

    new = coded(after) - coded(before, *mutant.get("renamed", ()))

    assert expected <= new
    allowed = {"orphan": {"trap"}, "bypass": {"group-breach"}}.get(mutant["defect"], set())
    assert {code for code, _ in new - expected} <= allowed
    if "no_longer_through" in mutant:
        via, to = mutant["no_longer_through"]
        assert before.prove(no_way_around(enters(via), enters(to)))
        verdict = after.prove(no_way_around(enters(via), enters(to)))
        assert not verdict
        assert verdict.replay().path == tuple(happening.name for happening in verdict.path)


def coded(graph: AgentGraph, old: str = "", name: str = "") -> set[tuple[str, tuple[str, ...]]]:
    return {(f.code, tuple(sorted(name if agent == old else agent for agent in f.agents))) for f in graph.check()}


def changed(mutant: dict[str, Any]) -> dict[str, Any]:
    topology = BASES[mutant["base"]]
    old, new = mutant.get("renamed", ("", ""))

    def called(name: str) -> str:
        return new if name == old else name

    gone = [tuple(edge) for edge in mutant.get("gone", ())]
    edges = [(called(e["from"]), called(e["to"])) for e in topology["edges"]]
    return {
        "id": topology["id"],
        "entry": [called(name) for name in topology["entry"]],
        "agents": [{**agent, "name": called(agent["name"])} for agent in topology["agents"]],
        "edges": [{"from": u, "to": v} for u, v in [*(e for e in edges if e not in gone), *mutant.get("new", ())]],
        "groups": [{**g, "root": called(g["root"]), "members": [called(member) for member in g["members"]]} for g in topology["groups"]],
    }


def test_the_retail_desk_is_proved_only_when_the_tool_is_guarded() -> None:
    """The prompt of this sample says to verify before transferring, except to a person. Guarding exactly those handoffs leaves a way past."""
    verify, refund = "authenticate_user_information", "checkEligibilityAndPossiblyInitiateReturn"
    spec = precedes(calls(verify), calls(refund))

    def desk(*, edges: bool = False, tool: bool = False) -> AgentGraph:
        graph = graph_of(BASES["oai-realtime-retail"])
        guarded = AgentGraph("retail")
        for agent in graph.agents.values():
            guarded.add_agent(Agent(agent.name, tools=[fitted(t, tool=tool) for t in agent.tools]))
        for edge in graph.edges:
            named = edges and edge.source == "authentication" and edge.target != "simulatedHuman"
            guarded.add_handoff(edge.source, edge.target, requires=["verified"] if named else [])
        return guarded

    def fitted(given: Tool, *, tool: bool) -> Tool:
        if given.name == verify:
            return given.replace(sets="verified")
        return given.replace(requires="verified") if tool and given.name == refund else given

    bare, half, whole = (graph.prove(spec) for graph in (desk(), desk(edges=True), desk(tool=True)))

    assert [str(h) for h in bare.path] == ["enter authentication", "enter returns", f"call {refund}"]
    assert [str(h) for h in half.path] == ["enter authentication", "enter simulatedHuman", "enter returns", f"call {refund}"]
    assert half.replay().path == ("authentication", "simulatedHuman", "returns")
    assert whole
    assert "refuted: precedes(calls(" in repr(half)
    assert "-> enter simulatedHuman -> enter returns ->" in repr(half)
    assert "holds" in repr(whole)
