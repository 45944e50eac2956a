"""What `agentgraph.testing` draws is what it says: graphs that compile, real runs, contexts that go on, mutations that are wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.stateful import run_state_machine_as_test

from agentgraph import Agent, AgentGraph, AgentRunner, DefinitionError, Message, ModelRequest, Reply, RunConfig, ToolCall, replay, tool
from agentgraph.checks import calls, precedes
from agentgraph.testing import MUTATIONS, Deviation, contexts, graphs, machine, mutations, runs, stubbed
from agentgraph.testing.example import example


@tool(sets="verified")
def verify(code: int) -> bool:
    """Find out who it is."""
    return code == 1


@tool(requires="verified")
def refund() -> str:
    """Give money back."""
    return "real money"


def desk(*, guarded: bool) -> AgentGraph:
    return AgentGraph.of(Agent("Desk", tools=[verify, refund if guarded else refund.replace(requires=())]), name="desk")


@given(graphs())
def test_graphs_compile_and_stubs_are_the_same_topology(graph: AgentGraph) -> None:
    assert graph.compile().fingerprint == stubbed(graph).compile().fingerprint


@given(graphs(max_agents=2, hostile_names=False, guards=False, groups=False, nested=False))
def test_options_bound_what_is_drawn(graph: AgentGraph) -> None:
    assert len(graph.agents) <= 2
    assert not graph.groups
    assert not any(edge.handoff.guarded for edge in graph.edges)
    assert not any(each.sets or each.requires or each.agent for agent in graph.agents.values() for each in agent.tools)


@given(st.data())
def test_runs_are_replayed_by_the_engine(data: st.DataObject) -> None:
    """They are runs of the real runner: their events alone give all their snapshots again."""
    run = data.draw(runs(data.draw(graphs())))

    assert run.machine is not None
    assert replay(run.machine, run.trace.start, run.trace.events).contexts == run.trace.contexts


@given(st.data())
def test_contexts_go_on(data: st.DataObject) -> None:
    """Whoever speaks next is answered, also where a run was left in its middle."""
    graph = data.draw(graphs())
    context = data.draw(contexts(graph))
    result = AgentRunner(stubbed(graph), RunConfig(model=_Plain(), max_turns=1)).run("and now?", context)

    assert {m.tool_call_id for m in result.messages if m.role == "tool"} == {c.id for m in result.messages for c in m.tool_calls}


class _Plain:
    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        return Reply("answered")


@given(runs(desk(guarded=True), stubs=False))
def test_real_functions_run_on_demand(run: object) -> None:
    texts = [m.text for m in run.messages if m.role == "tool"]  # type: ignore[attr-defined]

    assert not any("facts" in text for text in texts)


@given(st.data())
def test_each_mutation_breaks_what_it_says(data: st.DataObject) -> None:
    run = data.draw(runs(example()))
    whole = tuple(run.messages)

    for broken in mutations(run):
        assert broken.messages != whole or broken.name in {"duplicate_call_id", "reorder_answers"}
        assert 0 <= broken.index < len(whole) + 1
        assert broken.messages[: broken.index] == whole[: broken.index] or broken.name == "duplicate_call_id"


def test_every_mutation_is_possible() -> None:
    said = [
        Message("user", "hi"),
        Message("assistant", None, "A", (ToolCall("c1", "look"), ToolCall("c2", "look"))),
        Message("tool", "one", tool_call_id="c1"),
        Message("tool", "two", tool_call_id="c2"),
        Message("assistant", None, "A", (ToolCall("c3", "handoff_to_b"),)),
        Message("tool", "handed", "B", tool_call_id="c3"),
        Message("assistant", "hello", "B"),
    ]

    assert {broken.name for broken in mutations(said)} == set(MUTATIONS)


# -- the machine -----------------------------------------------------------------------------------------------------------


def walked(graph: AgentGraph, examples: int = 60, **options: object) -> type:
    made = machine(graph, **options)  # type: ignore[arg-type]
    run_state_machine_as_test(made, settings=settings(made.TestCase.settings, max_examples=examples))
    return made


def test_no_conversation_reaches_a_refund_without_verification() -> None:
    spec = precedes(calls("verify"), calls("refund"))

    assert not walked(desk(guarded=True), specs=[spec]).coverage.never  # type: ignore[attr-defined]


def test_the_counterexample_is_told_as_a_path_and_a_sequence_diagram() -> None:
    with pytest.raises(Deviation) as told:
        walked(desk(guarded=False), specs=[precedes(calls("verify"), calls("refund"))])

    assert "precedes(calls('verify'), calls('refund'))" in str(told.value)
    assert "the way: call refund" in str(told.value)
    assert "sequenceDiagram" in str(told.value)


@settings(max_examples=8, suppress_health_check=[HealthCheck.nested_given])
@given(graphs(max_agents=4))
def test_the_runner_refines_every_graph(graph: AgentGraph) -> None:
    walked(graph, examples=5, max_steps=15)


def test_what_no_conversation_can_fire_is_not_asked_for() -> None:
    lonely = desk(guarded=True).add_agent(Agent("Nobody comes here", tools=[verify]))

    assert {transition.agent for transition in machine(lonely).coverage.transitions} == {"Desk"}


def test_a_machine_of_something_else_is_refused() -> None:
    with pytest.raises(DefinitionError, match="give an AgentGraph"):
        machine("desk")  # type: ignore[arg-type]


class TestDesk(machine(desk(guarded=True), max_steps=10).TestCase):  # type: ignore[misc]
    """As pytest and unittest run it."""


def test_without_hypothesis_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import agentgraph.testing as t; t.graphs"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stderr

    assert said.strip().splitlines()[-1] == (
        "ModuleNotFoundError: agentgraph.testing needs hypothesis, which is not installed; pip install 'agentgraph-fsm[testing]'"
    )
