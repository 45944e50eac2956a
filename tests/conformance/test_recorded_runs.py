"""Recorded runs of published systems against the topologies that were published with them: whole, and broken in five ways."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentgraph import AgentGraph
from agentgraph.checks import enters, never
from tests.broken import STRANGER, call_of_a_stranger, with_agents
from tests.conformance.test_corpus import RUNS, TOPOLOGIES, graph_of

GRAPHS = {topology["id"]: topology for topology in TOPOLOGIES}
OF_A_TOPOLOGY = [run for run in RUNS if run["topology_id"] in GRAPHS]

DEVIATING = {
    # complete_task ends the run in that framework and is offered to everybody; the topology gives it to nobody
    "sk-step4-run": [(22, "foreign-tool")],
    "sk-step4b-run": [(20, "foreign-tool")],
    "sk-step4c-run": [(22, "foreign-tool")],
    # the group works as a pipeline there, without transfers; then the entry agent transfers to itself, and nothing follows
    "adk-spark-session": [
        *((at, "silent-switch") for at in (3, 4, 5, 6, 7)),
        (7, "no-such-edge"),
        (7, "final-not-allowed"),
    ],
    # "indentify_agent": the target as it is written in the published trajectory
    "adk-trip-inquiry": [(3, "unknown-agent"), (4, "unknown-agent")],
    # a transfer of an agent to itself
    "adk-brand-search-0": [(20, "no-such-edge")],
}


def row(run: dict[str, Any]) -> dict[str, Any]:
    """A copy that may be broken."""
    return json.loads(json.dumps(run))  # type: ignore[no-any-return]


def graph_for(run: dict[str, Any]) -> AgentGraph:
    return graph_of(GRAPHS[run["topology_id"]])


def found(graph: AgentGraph, run: Any) -> list[tuple[int, str]]:
    return [(deviation.index, deviation.code) for deviation in graph.conforms(run)]


@pytest.mark.parametrize("run", OF_A_TOPOLOGY, ids=lambda r: r["id"])
def test_a_published_run_keeps_to_its_topology_or_deviates_where_it_is_known_to(run: dict[str, Any]) -> None:
    graph = graph_for(run)

    assert found(graph, run) == DEVIATING.get(run["id"], [])
    assert found(graph, run["messages"]) == DEVIATING.get(run["id"], [])


def test_the_runs_that_deviate_are_there() -> None:
    assert DEVIATING.keys() <= {run["id"] for run in OF_A_TOPOLOGY}


@pytest.mark.parametrize("run", RUNS, ids=lambda r: r["id"])
def test_what_was_seen_of_a_run_is_a_graph_that_it_keeps_to(run: dict[str, Any]) -> None:
    """But where somebody spoke whom nobody had handed to, and where the record is cut off behind a call, which then was not seen to run."""
    graph = AgentGraph.observed([run])

    assert {code for at, code in found(graph, run) if at != speaking(run)[-1]} <= {"silent-switch"}
    assert not any(never(enters(message["name"])).check(run) for message in run["messages"] if message["role"] == "assistant")
    assert AgentGraph.observed([run, run]).drift([run]).undeclared_handoffs == ()


# -- the five ways to break a recording: each yields the broken rows, and the message where that shows ---------------------


def speaking(run: dict[str, Any]) -> list[int]:
    return [at for at, message in enumerate(run["messages"]) if message["role"] == "assistant"]


def handing(run: dict[str, Any]) -> list[int]:
    return [at for at in speaking(run) if "handoff_to" in run["messages"][at]]


Broken = Iterator[tuple[dict[str, Any], int, str]]


def phantom_agent(run: dict[str, Any], graph: AgentGraph) -> Broken:
    for key, places in (("name", speaking(run)), ("handoff_to", handing(run))):
        for at in places:
            broken = row(run)
            broken["messages"][at][key] = "Phantom"
            yield broken, at, "unknown-agent"


def phantom_edge(run: dict[str, Any], graph: AgentGraph) -> Broken:
    have = {(edge.source, edge.target) for edge in graph.edges}
    for at in speaking(run):
        source = run["messages"][at]["name"]
        for target in graph.agents:
            if source in graph.agents and (source, target) not in have:
                broken = row(run)
                broken["messages"][at]["handoff_to"] = target
                yield broken, at, "no-such-edge"


def foreign_tool(run: dict[str, Any], graph: AgentGraph) -> Broken:
    graph.add_agent(STRANGER)
    for at in speaking(run):
        if run["messages"][at]["name"] in graph.agents:
            broken = row(run)
            call_of_a_stranger(broken["messages"], at)
            yield broken, at, "foreign-tool"


def dropped_handoff(run: dict[str, Any], graph: AgentGraph) -> Broken:
    """Its message is only words now; or it is not there at all, with its answer."""
    for at in handing(run):
        source, target = run["messages"][at]["name"], run["messages"][at]["handoff_to"]
        answered = at + 1 < len(run["messages"]) and run["messages"][at + 1]["role"] == "tool"
        said = row(run)
        said["messages"][at : at + 1 + answered] = [{"role": "assistant", "name": source, "content": "text"}]
        gone = row(run)
        del gone["messages"][at : at + 1 + answered]
        for broken in (said, gone):
            after = [i for i in speaking(broken) if i >= at + (broken is said)]
            spoke = broken["messages"][after[0]]["name"] if after else ""
            if spoke == target and spoke in graph.agents and spoke not in (source, "user"):
                yield broken, after[0], "silent-switch"


def early_final(run: dict[str, Any], graph: AgentGraph) -> Broken:
    """It ends with words of an agent that may not; with a call that has no answer; with a handoff whose target says nothing."""
    for at in speaking(run):
        message = run["messages"][at]
        if message["name"] not in graph.agents:
            continue
        broken = row(run)
        broken["messages"][at:] = [{"role": "assistant", "name": message["name"], "content": "text"}]
        yield broken, at, "final-not-allowed"
        if "tool_calls" in message and "handoff_to" not in message:
            broken = row(run)
            del broken["messages"][at + 1 :]
            yield broken, at, "final-not-allowed"
        is_answered = at + 1 < len(run["messages"]) and run["messages"][at + 1]["role"] == "tool"
        if message.get("handoff_to") in graph.agents.keys() - {"user"} and is_answered:
            broken = row(run)
            del broken["messages"][at + 2 :]
            yield broken, at, "final-not-allowed"


WAYS = [phantom_agent, phantom_edge, foreign_tool, dropped_handoff, early_final]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("run", OF_A_TOPOLOGY, ids=lambda r: r["id"])
def test_what_is_broken_is_found_where_it_is(run: dict[str, Any], way: Callable[[dict[str, Any], AgentGraph], Broken]) -> None:
    """At every place of every run; and nothing new is found before it."""
    graph = graph_for(run)
    nobody_finishes = [agent.replace(may_finish=False) for agent in graph.agents.values()]
    known = set(found(graph, run))
    for broken, at, code in way(run, graph):
        judge = with_agents(graph, nobody_finishes) if way is early_final else graph
        for form in (broken, broken["messages"]):
            deviations = found(judge, form)
            if way is early_final:
                deviations = [d for d in deviations if d[1] != "final-not-allowed" or d[0] >= at]
            is_told = form is broken or at != speaking(broken)[0] or code != "silent-switch"  # a list may be an excerpt
            assert ((at, code) in deviations) is is_told, (broken, deviations)
            assert not {d for d in deviations if d[0] < at} - known
