"""The laws of a topology: its machine, its pictures on disk, its quotient."""

from __future__ import annotations

import tempfile
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentGraph, Context, IllegalHandoff
from agentgraph.graph.collapse import closed_groups, stand_ins
from tests.strategies import FACTS, graphs


@given(graphs())
def test_the_machine_has_exactly_the_graphs_transitions(graph: AgentGraph) -> None:
    """None more, none less, whatever the agents are called."""
    assert sorted(graph.compile().transitions) == sorted((e.source, e.tool, e.target) for e in graph.edges)


@given(graphs())
def test_a_machine_does_not_change_with_its_graph(graph: AgentGraph) -> None:
    """Writing on after compiling is writing another graph."""
    machine = graph.compile()
    before = (machine.fingerprint, machine.entry, sorted(machine.transitions), list(machine.agents))
    name = graph.entry

    graph.add_handoff(name, name, tool_name="once_more")
    graph.add_agent(Agent("added afterwards"), entry=True)

    assert (machine.fingerprint, machine.entry, sorted(machine.transitions), list(machine.agents)) == before
    assert graph.compile().fingerprint != machine.fingerprint


@given(graphs(), st.sets(st.sampled_from(FACTS)))
def test_the_table_agrees_with_transitions(graph: AgentGraph, facts: set[str]) -> None:
    """What is read out for speed is what the library decides, for every state, tool and set of facts."""
    machine, context = graph.compile(), Context(facts=facts)
    tools = {edge.tool for edge in graph.edges}
    for agent in graph.agents:
        for tool in tools:
            if tool in machine.offer(agent).handoffs:
                assert machine.verdict(agent, tool, context) == machine.handoffs.fire(agent, tool, context)
            else:
                with pytest.raises(IllegalHandoff, match="has no handoff"):
                    machine.verdict(agent, tool, context)
                with pytest.raises(IllegalHandoff, match="has no handoff"):
                    machine.handoffs.fire(agent, tool, context)


@given(graphs())
def test_a_digraph_gives_the_graph_back(graph: AgentGraph) -> None:
    """Agents, handoffs, groups, entry and fingerprint."""
    again = AgentGraph.from_digraph(graph.digraph)

    assert nx.is_frozen(graph.digraph)
    assert again.fingerprint == graph.fingerprint
    assert dict(again.groups) == dict(graph.groups)
    assert list(again.agents) == list(graph.agents)
    assert sorted(nx.edges(again.digraph)) == sorted(nx.edges(graph.digraph))


@given(graphs(), st.sampled_from([".json", ".yaml"]))
def test_a_file_gives_the_topology_back(graph: AgentGraph, suffix: str) -> None:
    """With its fingerprint; and writing it again writes the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, f"one{suffix}"), Path(folder, f"two{suffix}")
        graph.save(first)
        again = AgentGraph.load(first)
        again.save(second)

        assert again.fingerprint == graph.fingerprint
        assert dict(again.groups) == dict(graph.groups)
        assert first.read_bytes() == second.read_bytes()


@given(graphs(), st.integers(0, 2))
def test_collapsing_never_hides_a_path(graph: AgentGraph, depth: int) -> None:
    """What can be reached in the whole can be reached among the groups."""
    small, node = graph.collapse(depth=depth).digraph, stand_ins(graph, closed_groups(graph, None, depth))

    assert set(small) == set(node.values())
    for u in graph.digraph:
        for v in nx.descendants(graph.digraph, u):
            assert node[u] == node[v] or nx.has_path(small, node[u], node[v])


@given(graphs())
def test_collapsing_gains_nothing_but_through_a_group(graph: AgentGraph) -> None:
    """Every edge of the quotient is an edge of the whole between what the two nodes stand for."""
    small, node = graph.collapse().digraph, stand_ins(graph, closed_groups(graph))

    for u, v in small.edges:
        assert any(node[a] == u and node[b] == v for a, b in graph.digraph.edges)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_fingerprint_ignores_order_and_prompts(graph: AgentGraph, random: object) -> None:
    """And changes with any handoff, tool or agent more."""
    shuffled = AgentGraph("another name")
    for agent in reversed(list(graph.agents.values())):
        shuffled.add_agent(agent.replace(instructions="other", model="other/model"))
    for edge in reversed(graph.edges):
        shuffled.add_handoff(edge.source, edge.handoff)
    shuffled.regroup(graph.groups.values())
    shuffled.entry = graph.entry

    assert shuffled.fingerprint == graph.fingerprint

    more = AgentGraph.from_digraph(graph.digraph)
    more.add_handoff(graph.entry, graph.entry, tool_name="once_more")
    assert more.fingerprint != graph.fingerprint
