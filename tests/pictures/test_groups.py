"""Groups, open and closed: nothing is lost but what lies inside, and a closed one says how much that is."""

from __future__ import annotations

from typing import Any

import networkx as nx
from hypothesis import assume, given, strategies as st

from agentgraph import Agent, AgentGraph, AgentGroup
from agentgraph.graph.collapse import quotient, stand_ins
from agentgraph.graph.edge import Group
from agentgraph.views.picture import Picture
from agentgraph.views.topology_view import handoff_lines
from tests.pictures.mermaid_parser import Mermaid
from tests.strategies import graphs


@st.composite
def grouped(draw: st.DrawFn) -> AgentGraph:
    """A graph of some ten agents in a forest of groups, a few deep, and handoffs anywhere."""
    names = [f"a{at}" for at in range(draw(st.integers(2, 10)))]
    graph = AgentGraph("g")
    for name in names:
        graph.add_agent(Agent(name))
    for source, target in draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), max_size=20, unique=True)):
        graph.add_handoff(source, target)
    count = draw(st.integers(1, 4))
    parents = [draw(st.sampled_from([None, *range(at)])) for at in range(count)]
    held: dict[int, list[str]] = {at: [f"g{inner}" for inner in range(count) if parents[inner] == at] for at in range(count)}
    for name in names:
        at = draw(st.sampled_from([None, *range(count)]))
        if at is not None:
            held[at].append(name)
    assume(all(held.values()))
    graph.regroup(
        Group(f"g{at}", draw(st.sampled_from(held[at])), tuple(held[at]), None if parents[at] is None else f"g{parents[at]}")
        for at in range(count)
    )
    return graph


def closings(graph: AgentGraph) -> st.SearchStrategy[Any]:
    """All, to a depth, or one by one."""
    one_by_one = st.dictionaries(st.sampled_from(list(graph.groups)), st.sampled_from(["open", "closed"]))
    return st.sampled_from(["open", "closed", 0, 1, 2]) | one_by_one


def drawn(graph: AgentGraph, **look: Any) -> Picture:
    picture = graph.diagram(on_large="all", **look).drawn
    assert isinstance(picture, Picture)
    return picture


def digraph_of(picture: Picture) -> nx.DiGraph[str]:
    """Names, and what leads from one to another."""
    name = {box.id: box.name for box in picture.boxes}
    found: nx.DiGraph[str] = nx.DiGraph()
    found.add_nodes_from(name.values())
    found.add_edges_from((name[arrow.source], name[arrow.target]) for arrow in picture.arrows)
    return found


def closed_in(picture: Picture) -> set[str]:
    return {box.name for box in picture.boxes if box.kind == "group"}


@given(st.data())
def test_no_path_is_lost_however_groups_are_closed(data: st.DataObject) -> None:
    graph = data.draw(grouped())
    picture = drawn(graph, groups=data.draw(closings(graph)))
    small, stands_for = digraph_of(picture), stand_ins(graph, closed_in(picture))

    assert set(small) == set(stands_for.values())
    for u, reached in nx.all_pairs_shortest_path_length(graph.digraph):
        for v in reached:
            assert nx.has_path(small, stands_for[u], stands_for[v])


@given(st.data())
def test_no_path_is_gained_where_the_root_is_the_door_and_reaches_whoever_leads_out(data: st.DataObject) -> None:
    graph = data.draw(grouped())
    name = data.draw(st.sampled_from(list(graph.groups)))
    inside, root = set(graph.members(name)), graph.agent_at(name) or ""
    assume(all(edge.target == root for edge in graph.edges if edge.target in inside and edge.source not in inside))
    within = graph.digraph.subgraph(inside)
    assume(all(nx.has_path(within, root, edge.source) for edge in graph.edges if edge.source in inside and edge.target not in inside))
    small = digraph_of(drawn(graph, groups={name: "closed"}))

    def led_to(source: str, target: str) -> bool:
        return nx.has_path(graph.digraph, root if source == name else source, root if target == name else target)

    for source, reached in nx.all_pairs_shortest_path_length(small):
        assert all(led_to(source, target) for target in reached)


@given(st.data())
def test_a_closed_group_says_how_many_agents_it_holds_and_hides_no_agent_outside(data: st.DataObject) -> None:
    graph = data.draw(grouped())
    view = data.draw(st.sampled_from(["topology", "architecture", "full", "machine"]))
    picture = drawn(graph, view=view, groups=data.draw(closings(graph)))

    agents, closed = {box.name for box in picture.boxes if box.kind in ("agent", "state")}, closed_in(picture)
    assert len(agents) + sum(len(set(graph.members(name))) for name in closed) == len(graph.agents)
    for box in picture.boxes:
        if box.kind == "group":
            count = len(set(graph.members(box.name)))
            assert box.label.split("\n")[1] == f"{count} agent{'s' * (count != 1)}"
    hidden = {member for name in closed for member in graph.members(name)}
    assert agents == set(graph.agents) - hidden


@given(graph=graphs(), data=st.data())
def test_merged_arrows_keep_what_each_of_them_asks_for(graph: AgentGraph, data: st.DataObject) -> None:
    picture = drawn(graph, groups=data.draw(st.sampled_from(["open", "closed", 1])), tools="none")
    stands_for, box = stand_ins(graph, closed_in(picture)), {box.name: box.id for box in picture.boxes}

    crossing = [e for e in graph.edges if stands_for[e.source] != stands_for[e.target] or e.source == e.target == stands_for[e.source]]
    for edge in crossing:
        ends = (box[stands_for[edge.source]], box[stands_for[edge.target]])
        between = [arrow for arrow in picture.arrows if (arrow.source, arrow.target) == ends]
        lines = {line for arrow in between for line in arrow.label.split("\n")}
        assert set(handoff_lines(edge)) <= lines or any(line.startswith("and ") and line.endswith(" more") for line in lines)
    ends_of = {(box[stands_for[e.source]], box[stands_for[e.target]]) for e in crossing}
    assert {(arrow.source, arrow.target) for arrow in picture.arrows} >= ends_of
    assert len(picture.arrows) <= len(graph.edges)


@given(graph=grouped())
def test_nested_groups_are_nested_subgraphs(graph: AgentGraph, mermaid: Mermaid) -> None:
    read = mermaid.read(graph.to_mermaid())

    drawn_in: dict[str, tuple[str, str | None]] = {at: (one.text, one.inside) for at, one in read.subgraphs.items()}
    drawn_in |= {at: (one.text, one.inside) for at, one in read.nodes.items()}
    shown = {text: drawn_in[inside][0] if inside else None for text, inside in drawn_in.values()}
    groups_of = {name: graph.groups_of(name) for name in graph.agents}
    assert {name: shown[name] for name in graph.agents} == {name: path[-1] if path else None for name, path in groups_of.items()}
    held = {name for path in groups_of.values() for name in path}
    assert {name: shown[name] for name in held} == {name: graph.groups[name].parent for name in held}


@given(st.data())
def test_a_picture_and_the_quotient_show_the_same(data: st.DataObject) -> None:
    """Two ways to close a group: on the graph, and in its picture."""
    graph = data.draw(grouped())
    picture = drawn(graph, groups="closed")

    assert set(digraph_of(picture).edges) == set(quotient(graph, closed_in(picture)).digraph.edges)


def test_a_group_that_is_called_as_its_root_is_still_a_group(mermaid: Mermaid) -> None:
    graph = AgentGraph("g").add_agent(Agent("Desk")).add_agent(AgentGroup("Team", root=Agent("Team"), members=[Agent("Aide")]))
    graph.add_handoff("Desk", "Team")

    for view in ("topology", "architecture", "full", "machine"):
        read = mermaid.read(graph.to_mermaid(view=view, groups="closed"))
        assert [node.text.removeprefix("Group: ") for node in read.nodes.values() if "group" in node.classes] == ["Team\n2 agents"]
