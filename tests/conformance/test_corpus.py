"""Published topologies, and the shapes of recorded runs: they load, compile and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, Context, DefinitionError, Message, RunConfig, ScriptedModel, Tool
from agentgraph.graph.edge import Group

CORPUS = Path(__file__).parent.parent / "corpus"
TOPOLOGIES: list[dict[str, Any]] = json.loads((CORPUS / "topologies.json").read_text(encoding="utf-8"))["topologies"]
RUNS: list[dict[str, Any]] = [json.loads(line) for line in (CORPUS / "runs.jsonl").read_text(encoding="utf-8").splitlines()]


def graph_of(topology: dict[str, Any]) -> AgentGraph:
    """The topology, written as a user would: agents, then handoffs, then groups."""
    graph = AgentGraph(topology["id"])
    for agent in topology["agents"]:
        graph.add_agent(Agent(agent["name"], tools=[Tool(name=name) for name in agent["tools"]]))
    for edge in topology["edges"]:
        graph.add_handoff(edge["from"], edge["to"])
    held = {member: group["name"] for group in topology["groups"] for member in group["members"]}
    graph.regroup(nested(topology["groups"]))
    assert set(held) <= set(graph.agents)
    graph.entry = topology["entry"]
    return graph


def nested(groups: list[dict[str, Any]]) -> list[Group]:
    """Groups whose members are all in another lie inside it."""
    found = []
    for group in groups:
        around = [g for g in groups if g is not group and set(group["members"]) < set(g["members"])]
        inside = [g for g in groups if g is not group and set(g["members"]) < set(group["members"])]
        hidden = {member for g in inside for member in g["members"]}
        members = [m for m in group["members"] if m not in hidden] + [g["name"] for g in inside]
        root = next((g["name"] for g in inside if group["root"] in g["members"]), group["root"])
        found.append(Group(group["name"], root, tuple(members), around[0]["name"] if around else None))
    return found


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda t: t["id"])
def test_a_published_topology_compiles_or_says_which_names_collide(topology: dict[str, Any]) -> None:
    graph = graph_of(topology)
    if topology["collisions"]:
        with pytest.raises(DefinitionError) as caught:
            graph.compile()
        for pair in topology["collisions"]:
            assert all(repr(name) in str(caught.value) for name in pair)
        return

    machine = graph.compile()

    assert {(u, v) for u, _, v in machine.transitions} == {(e["from"], e["to"]) for e in topology["edges"]}
    assert set(graph.digraph) == {agent["name"] for agent in topology["agents"]}
    assert AgentGraph.from_digraph(graph.digraph).fingerprint == graph.fingerprint
    model = ScriptedModel(["hello"])
    assert AgentRunner(machine, RunConfig(model=model)).run("hi").path == (topology["entry"][0],)


@pytest.mark.parametrize("run", RUNS, ids=lambda r: r["id"])
def test_a_recorded_run_is_imported_and_exported_as_it_was(run: dict[str, Any]) -> None:
    messages = [Message.from_openai(message) for message in run["messages"]]

    assert [message.to_openai() for message in messages] == run["messages"]
    context = Context(messages=messages)
    assert Context.from_json(context.to_json()) == context


@pytest.mark.parametrize(
    "run", [r for r in RUNS if r["topology_id"] in {t["id"] for t in TOPOLOGIES if not t["collisions"]}], ids=lambda r: r["id"]
)
def test_a_recorded_run_goes_on_with_the_agent_that_holds_it(run: dict[str, Any]) -> None:
    """A foreign history alone says who answers next, a handoff being a fact even if its target never spoke."""
    topology = next(t for t in TOPOLOGIES if t["id"] == run["topology_id"])
    model = ScriptedModel(["go on"])
    result = AgentRunner(graph_of(topology), RunConfig(model=model)).run("next", context=Context(messages=run["messages"]))

    speakers = [(m.get("handoff_to") or m.get("name")) for m in run["messages"] if m["role"] == "assistant"]
    known = {agent["name"] for agent in topology["agents"]}
    last = speakers[-1] if speakers and speakers[-1] in known else None
    assert result.path == (last or topology["entry"][0],)
    assert list(result.messages)[: len(run["messages"])] == [Message.from_openai(m) for m in run["messages"]]
