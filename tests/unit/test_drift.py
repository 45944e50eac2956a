"""What really happened, counted, and held against what was declared."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from agentgraph import AgentGraph, AgentRunner, DefinitionError, RunConfig, ScriptedModel, call, handoff
from tests.unit.test_checks_of_recordings import HI, calling, desk, saying

CALM = [HI, *calling("Triage", "verify"), *calling("Triage", "take", handoff_to="Returns"), *saying("Returns")]
ODD = [
    HI,
    *calling("Triage", "lookup.order"),
    *saying("Triage"),
    HI,
    *saying("Billing"),
    *calling("Billing", "go", handoff_to="Triage"),
    *saying("Triage"),
]


def test_what_was_observed_is_a_graph_with_counts() -> None:
    graph = AgentGraph.observed([CALM, CALM, ODD])

    assert graph.traffic is not None
    assert set(graph.agents) == {"Triage", "Returns", "Billing"}
    assert graph.traffic.handoffs == {("Triage", "Returns"): 2, ("Triage", "Billing"): 1, ("Billing", "Triage"): 1}
    assert graph.traffic.calls == {("Triage", "verify"): 2, ("Triage", "lookup.order"): 1}
    assert graph.traffic.agents == {"Triage": 7, "Returns": 2, "Billing": 2}
    assert [tool.name for tool in graph.agents["Triage"].tools] == ["verify", "lookup_order"]
    assert {(edge.source, edge.tool) for edge in graph.edges if edge.target == "Returns"} == {("Triage", "take")}
    assert graph.entry == "Triage"
    assert graph.compile().agents.keys() == graph.agents.keys()
    assert graph.conforms(CALM)


def test_a_result_counts_what_its_own_run_did() -> None:
    runner = AgentRunner(desk(), RunConfig(model=ScriptedModel([[call("verify")], handoff("Returns"), [call("refund")], "Done.", "Bye."])))
    first = runner.run("hi")
    second = runner.run("thanks", context=first.context)

    one, both = AgentGraph.observed([second]), AgentGraph.observed(iter([first, second]))

    assert one.traffic is not None
    assert both.traffic is not None
    assert (one.traffic.calls, one.traffic.handoffs, one.traffic.agents) == ({}, {}, {"Returns": 1})
    assert both.traffic.calls == {("Triage", "verify"): 1, ("Returns", "refund"): 1}
    assert both.traffic.agents == {"Triage": 2, "Returns": 3}
    assert desk().drift([first.context]).traffic.calls == both.traffic.calls


def test_drift_is_what_is_not_used_and_what_is_not_declared() -> None:
    drift = desk().drift([CALM, ODD])

    assert drift
    assert drift.undeclared_agents == ("Billing",)
    assert drift.undeclared_handoffs == (("Billing", "Triage"), ("Triage", "Billing"))
    assert drift.undeclared_tools == (("Triage", "lookup.order"),)
    assert (drift.unused_agents, drift.unused_handoffs, drift.unused_tools) == ((), (("Returns", "Triage"),), (("Returns", "refund"),))
    assert desk().drift(AgentGraph.observed([CALM, ODD])).to_dict() == drift.to_dict()
    assert json.loads(json.dumps(drift.to_dict()))["counted"]["handoffs"] == [
        ["Billing", "Triage", 1],
        ["Triage", "Billing", 1],
        ["Triage", "Returns", 1],
    ]
    assert str(drift).splitlines() == [
        "'desk' against 2 runs",
        "  not declared: agent 'Billing', 2 messages",
        "  not declared: handoff 'Billing' -> 'Triage', 1 times",
        "  not declared: handoff 'Triage' -> 'Billing', 1 times",
        "  not declared: tool 'lookup.order' of 'Triage', 1 times",
        "  never used: handoff 'Returns' -> 'Triage'",
        "  never used: tool 'refund' of 'Returns'",
    ]


def test_a_graph_does_not_drift_from_runs_that_use_all_of_it() -> None:
    used = [HI, *calling("Triage", "verify"), *calling("Triage", "handoff_to_returns"), *calling("Returns", "refund")]
    drift = desk().drift([[*used, *calling("Returns", "handoff_to_triage"), *saying("Triage")]])

    assert not drift
    assert str(drift) == "'desk' against 1 runs\n  no drift"


def test_drift_is_drawn_as_one_picture() -> None:
    drift = desk().drift([CALM] * 1_000 + [ODD])
    drawn = drift.diagram()

    text = drawn.to_mermaid()
    assert "x1,000" in text
    assert text.count("not declared") == 3
    assert "never used" in text
    assert "stroke-width:11px" in text
    assert {box["name"] for box in drawn.to_dict()["boxes"]} >= {"Triage", "Returns", "Billing"}
    assert "lookup_order" in drift.diagram(tools="box").to_mermaid()
    assert drift._repr_mimebundle_()["text/plain"] == str(drift)
    assert drift._mime_()[0] == "image/svg+xml"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "runs were given as a NoneType; give results, traces, contexts, or lists of messages"),
        ("runs.jsonl", "runs were given as a str"),
        ([None], "a run was given as the NoneType None"),
        ([HI], "a run was given as a dictionary of 'role', 'content'; give one with 'messages'"),
    ],
)
def test_what_is_no_record_of_runs_is_refused(given: Any, said: str) -> None:
    for read in (AgentGraph.observed, desk().drift):
        with pytest.raises(DefinitionError) as caught:
            read(given)
        assert str(caught.value).startswith(said)
    with pytest.raises(DefinitionError, match="which was not observed"):
        desk().drift(desk())


def test_nothing_happened_is_a_graph_without_agents() -> None:
    assert not AgentGraph.observed([]).agents
    assert desk().drift([]).unused_agents == ("Returns", "Triage")


def test_thousands_of_runs_are_folded_in_the_memory_of_one() -> None:
    started = time.perf_counter()
    graph = AgentGraph.observed(list(CALM) for _ in range(3_000))

    assert graph.traffic is not None
    assert graph.traffic.runs == 3_000
    assert time.perf_counter() - started < 20
