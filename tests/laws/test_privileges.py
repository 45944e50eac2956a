"""What is said to be always so is what proofs find to hold; and what is loosened is what no longer holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

import agentgraph
from agentgraph import Agent, AgentGraph, Handoff, Tool
from agentgraph.checks import Predicate, calls, enters, never, precedes, reaches
from agentgraph.graph.topology import Topology
from agentgraph.graph.topology_file import as_data
from agentgraph.graph.topology_reader import from_data
from agentgraph.possible.loosened import Guarantee, directly, moved
from agentgraph.possible.privilege import Privileges, privileges
from tests.strategies import graphs


def demand(what: str) -> Predicate:
    kind, _, name = what.partition(" ")
    return enters(name) if kind == "enter" else calls(name)


@pytest.mark.long
@given(graphs())
def test_after_is_precedes_and_none_is_never(graph: AgentGraph) -> None:
    every = privileges(graph).of

    for what, privilege in every.items():
        assert graph.prove(never(demand(what))).holds is (privilege is None)
        if privilege is not None:
            found = {other for other in every if other != what and graph.prove(precedes(demand(other), demand(what)))}
            assert found == privilege.after


def without(graph: AgentGraph, fact: str) -> AgentGraph:
    """The graph in which no tool sets `fact`."""
    data = as_data(graph)
    for agent in data["agents"]:
        _forget(agent, fact)
    return from_data(AgentGraph, data, "without")


def _forget(agent: dict[str, Any], fact: str) -> None:
    for tool in agent.get("tools", ()):
        tool["sets"] = [each for each in tool.get("sets", ()) if each != fact]
        if "agent" in tool:
            _forget(tool["agent"], fact)


@given(graphs())
def test_a_fact_that_is_always_true_is_one_that_it_takes(graph: AgentGraph) -> None:
    """What can happen only with a fact is what cannot happen where nobody sets it."""
    every = privileges(graph)
    facts = {fact for privilege in every.of.values() if privilege is not None for fact in privilege.facts}

    for fact in facts | {"verified", "of age"}:
        bare = privileges(without(graph, fact)).of
        for what, privilege in every.of.items():
            if privilege is not None:
                assert (fact in privilege.facts) is (bare[what] is None)


@given(graphs(), st.data())
def test_a_person_is_reached_from_where_reaches_says(graph: AgentGraph, data: st.DataObject) -> None:
    graph.human = data.draw(st.sampled_from([*graph.agents, *(tool.name for agent in graph.agents.values() for tool in agent.tools)]))
    assert isinstance(graph.human, str)
    every = privileges(graph)
    human = enters(graph.human) if graph.human in graph.agents else calls(graph.human)

    held = {edge.target for edge in graph.edges} | set(graph.entries)  # a name may be that of an agent inside a tool too
    for name in held:
        if every.of[f"enter {name}"] is not None:
            assert (name in every.to_people) is graph.prove(reaches(human, from_=name)).holds


@given(graphs())
def test_the_direct_ones_give_back_all(graph: AgentGraph) -> None:
    every = privileges(graph)

    for privilege in every.of.values():
        if privilege is not None:
            assert closed(set(directly(privilege, every)), every) == {each for each in privilege.after if not every.begins_all(each)}


def closed(some: set[str], every: Privileges) -> set[str]:
    found, todo = set[str](), list(some)
    while todo:
        what = todo.pop()
        if what not in found:
            found.add(what)
            privilege = every.of[what]
            todo += directly(privilege, every) if privilege is not None else ()
    return found


@given(graphs())
def test_nothing_is_loosened_by_nothing_and_all_by_taking_a_guard_away(graph: AgentGraph) -> None:
    data = as_data(graph)
    for handoff in data.get("handoffs", ()):
        handoff.pop("requires", None)
    freer = from_data(AgentGraph, data, "freer")

    assert moved(privileges(graph), privileges(graph)) == ((), (), (), ())
    there, back = moved(privileges(graph), privileges(freer)), moved(privileges(freer), privileges(graph))
    assert (there.loosened, there.tightened) == (back.tightened, back.loosened)
    assert not [each for each in there.tightened if each.kind != "person"]


def desk(*, guarded: bool, human: bool = True, way_round: bool = False) -> AgentGraph:
    verify = Tool(name="verify_identity", sets=frozenset(["verified"]))
    refund = Tool(name="refund", requires=frozenset(["verified"] if guarded else []))
    graph = AgentGraph("desk", human="Person" if human else None)
    graph.add_agent(Agent("Triage", tools=(verify,))).add_agent(Agent("Billing", tools=(refund,)))
    graph.add_handoff("Triage", Handoff("Billing", requires="verified"))
    if way_round:
        graph.add_agent(Agent("Sales")).add_handoff("Triage", "Sales").add_handoff("Sales", "Billing")
    if human:
        graph.add_agent(Agent("Person")).add_handoff("Triage", "Person").add_handoff("Billing", "Person")
    return graph


def test_a_way_round_a_guard_is_told_in_all_three() -> None:
    changed = agentgraph.diff(desk(guarded=False), desk(guarded=False, way_round=True))

    assert [str(each) for each in changed.loosened] == [
        "no call refund before call verify_identity",
        "no call refund without the fact verified",
        "no enter Billing before call verify_identity",
        "no enter Billing without the fact verified",
    ]
    assert str(changed).splitlines()[-2:] == [
        "loosened: refund, Billing can be reached without verify_identity before",
        "loosened: refund, Billing can be reached without the fact verified",
    ]
    assert changed.to_dict()["loosened"][0] == {"what": "call refund", "kind": "after", "other": "call verify_identity"}
    marked = changed.diagram().to_mermaid()
    assert "Billing<br/>1 tool<br/>loosened: refund<br/>loosened: without verify_identity<br/>loosened: without verified" in marked
    assert not agentgraph.diff(desk(guarded=True), desk(guarded=True, way_round=True)).loosened[2:], "refund is guarded itself"


@pytest.mark.parametrize("declared", [True, False])
def test_a_lost_person_is_told_whoever_declared_one(declared: bool) -> None:
    old, new = desk(guarded=True), desk(guarded=True, human=False)
    changed = agentgraph.diff(old if declared else old.compile(), new)
    again = agentgraph.diff(old, old.compile())

    expected = [Guarantee("enter Billing", "person"), Guarantee("enter Triage", "person")] if declared else []
    assert list(changed.loosened) == expected
    assert not again.loosened + again.tightened, "a machine declares nobody, and loses nobody"


def test_too_many_facts_are_followed_no_more_and_it_is_said() -> None:
    tools = [Tool(name=f"t{n}", sets=frozenset([f"f{n}"]), requires=frozenset([f"f{n - 1}"] if n else [])) for n in range(14)]
    many = privileges(Topology("many").add_agent(Agent("A", tools=tools)))
    few = privileges(Topology("few").add_agent(Agent("A", tools=tools[:3])))

    assert (many.follows_guards, few.follows_guards) == (False, True)
    assert few.of["call t2"] is not None
    assert few.of["call t2"].after == {"enter A", "call t0", "call t1"}


def test_a_picture_says_a_few_of_many() -> None:
    chain = AgentGraph.of(*(Agent(f"A{n}", handoffs=[f"A{n + 1}"] if n < 9 else []) for n in range(10)))
    shortened = AgentGraph.from_digraph(chain.digraph).add_handoff("A0", "A9")

    assert len(agentgraph.diff(chain, shortened).loosened) == 8
    assert 'A9<br/>loosened: without A1<br/>loosened: without A2<br/>loosened: without A3<br/>and 5 more"]' in shortened.to_mermaid(
        compare=chain
    )
