"""What changed from one topology to another: laws, and how it is told."""

from __future__ import annotations

import itertools
import json
from itertools import count
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, strategies as st

import agentgraph
from agentgraph import Agent, AgentGraph, AgentGroup, DefinitionError, Handoff, tool
from agentgraph.graph.topology import Topology
from agentgraph.graph.topology_file import as_data
from agentgraph.graph.topology_reader import from_data
from agentgraph.views.compare.difference import AgentChange, Detail, Difference, HandoffAt, HandoffChange
from agentgraph.views.compare.reach import Reach
from agentgraph.views.compare.renames import Rename
from tests.strategies import graphs

DIFFERENCES = (
    *("agents_added", "agents_removed", "agents_renamed", "agents_changed"),
    *("handoffs_added", "handoffs_removed", "handoffs_changed"),
    *("groups_added", "groups_removed", "groups_changed"),
)


@tool
def lookup() -> str:
    return ""


@tool
def invoice() -> str:
    return ""


@tool
def refund() -> str:
    return ""


def keys(topology: Topology) -> set[tuple[str, str, str]]:
    return {(edge.source, edge.target, edge.tool) for edge in topology.edges}


def at(handoff: HandoffAt) -> tuple[str, str, str]:
    return handoff.source, handoff.target, handoff.tool


@st.composite
def edited(draw: st.DrawFn) -> tuple[AgentGraph, AgentGraph]:
    """A graph, and the same after a few edits: agents, handoffs, names and groups come and go."""
    old = draw(graphs())
    data = as_data(old)
    for edit in draw(
        st.lists(st.sampled_from(["drop", "rename", "cut", "link", "agent", "guard", "tool", "ungroup", "finish"]), max_size=4)
    ):
        _edit(draw, edit, data)
    return old, from_data(AgentGraph, data, "edited")


def _edit(draw: st.DrawFn, edit: str, data: dict[str, Any]) -> None:
    handoffs = data.setdefault("handoffs", [])
    agent = draw(st.sampled_from(data["agents"]))
    match edit:
        case "drop" if len(data["agents"]) > 1:
            data["agents"].remove(agent)
            data["handoffs"] = [h for h in handoffs if agent["name"] not in (h["from"], h["to"])]
            data["entry"] = [name for name in data["entry"] if name != agent["name"]]
            data.pop("groups", None)
        case "rename":
            rename(data, agent["name"], "renamed " + agent["name"])
        case "cut" if handoffs:
            handoffs.remove(draw(st.sampled_from(handoffs)))
        case "link":
            handoffs.append(
                {"from": agent["name"], "to": draw(st.sampled_from(data["agents"]))["name"], "tool": draw(st.sampled_from(["t", "u"]))}
            )
        case "agent":
            there = {agent["name"] for agent in data["agents"]}
            name = next(name for n in count() if (name := f"new {n}") not in there)
            data["agents"].append({"name": name, "tools": [{"name": "note"}]})
        case "guard" if handoffs:
            draw(st.sampled_from(handoffs))["requires"] = ["something"]
        case "tool":
            agent["tools"] = [*[t for t in agent.get("tools", []) if t["name"] != "added"][:1], {"name": "added"}]
        case "ungroup":
            data.pop("groups", None)
        case "finish":
            agent["may_finish"] = not agent.get("may_finish", True)


def rename(data: dict[str, Any], old: str, new: str) -> None:
    def called(name: str) -> str:
        return new if name == old else name

    for agent in data["agents"]:
        agent["name"] = called(agent["name"])
    for handoff in data.get("handoffs", []):
        handoff["from"], handoff["to"] = called(handoff["from"]), called(handoff["to"])
    for group in data.get("groups", []):
        group["root"], group["members"] = called(group["root"]), list(map(called, group["members"]))
    data["entry"] = list(map(called, data["entry"]))


pairs = st.one_of(edited(), st.tuples(graphs(), graphs()))


# -- laws ------------------------------------------------------------------------------------------------------------------


@given(graphs())
def test_nothing_differs_from_itself(graph: AgentGraph) -> None:
    nothing = agentgraph.diff(graph, graph)

    assert not nothing
    assert str(nothing) == "no difference"
    assert (nothing.reach, nothing.wordings, nothing.handoffs_followed) == ((), (), ())
    assert nothing.diagram().drawn == graph.diagram().drawn


@given(pairs)
def test_a_difference_is_empty_exactly_when_the_fingerprints_are_equal(pair: tuple[AgentGraph, AgentGraph]) -> None:
    found = agentgraph.diff(*pair)

    assert found.is_empty is (pair[0].fingerprint == pair[1].fingerprint)
    assert bool(found) is not found.is_empty


@given(pairs)
def test_backwards_it_is_its_own_mirror(pair: tuple[AgentGraph, AgentGraph]) -> None:
    forth, back = agentgraph.diff(*pair), agentgraph.diff(*reversed(pair))

    for field in ("agents", "handoffs", "groups"):
        assert getattr(forth, f"{field}_added") == getattr(back, f"{field}_removed")
        assert getattr(forth, f"{field}_removed") == getattr(back, f"{field}_added")
    assert sorted((r.new, r.old, r.why) for r in forth.agents_renamed) == [(r.old, r.new, r.why) for r in back.agents_renamed]
    for field in ("agents_changed", "handoffs_changed", "handoffs_followed"):
        mirrored = [(c.new, c.old, tuple(Detail(d.part, d.new, d.gone) for d in c.details)) for c in getattr(forth, field)]
        assert sorted(mirrored, key=repr) == sorted(((c.old, c.new, c.details) for c in getattr(back, field)), key=repr)
    before = {r.new: r.old for r in forth.agents_renamed}
    mirrored_reach = {
        frozenset(before.get(s, s) for s in r.sources): (set(r.lost_agents), r.lost_tools, set(r.gained_agents), r.gained_tools)
        for r in forth.reach
    }
    assert mirrored_reach == {
        frozenset(r.sources): (set(r.gained_agents), r.gained_tools, set(r.lost_agents), r.lost_tools) for r in back.reach
    }


@given(pairs)
def test_what_is_added_and_removed_makes_the_old_the_new(pair: tuple[AgentGraph, AgentGraph]) -> None:
    old, new = pair
    found = agentgraph.diff(old, new)
    names = {r.old: r.new for r in found.agents_renamed}

    agents = {names.get(name, name) for name in old.agents if name not in found.agents_removed} | {*found.agents_added}
    replaced = {at(c.old): at(c.new) for c in (*found.handoffs_changed, *found.handoffs_followed)}
    kept = keys(old) - set(map(at, found.handoffs_removed))
    handoffs = {replaced.get(key, key) for key in kept} | set(map(at, found.handoffs_added))

    assert agents == set(new.agents)
    assert handoffs == keys(new)
    assert set(old.groups) - {*found.groups_removed} | {*found.groups_added} == set(new.groups)


@given(graphs(), st.data())
def test_a_rename_everywhere_is_seen_as_one_rename(graph: AgentGraph, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(graph.agents)))
    written = as_data(graph)
    rename(written, name, "Somebody Else")

    found = agentgraph.diff(graph, from_data(AgentGraph, written, "renamed"))

    assert [(r.old, r.new) for r in found.agents_renamed] == [(name, "Somebody Else")]
    assert [field for field in DIFFERENCES if getattr(found, field)] == ["agents_renamed"]
    assert (found.entries, found.reach, found.reach_of_entries) == (None, (), None)


@given(pairs)
def test_reach_is_what_networkx_says(pair: tuple[AgentGraph, AgentGraph]) -> None:
    old, new = pair
    found = agentgraph.diff(old, new)
    names = {r.old: r.new for r in found.agents_renamed}

    def reached(graph: AgentGraph, source: str) -> set[str]:
        return {source, *nx.descendants(graph.digraph, source)}

    said = {source: reach for reach in found.reach for source in reach.sources}
    for name in old.agents:
        now = names.get(name, name)
        if now not in new.agents:
            continue
        was = {names.get(other, other): other for other in reached(old, name)}
        reach = said.get(now, Reach((now,)))
        assert set(reach.gained_agents) == reached(new, now) - set(was)
        assert set(reach.lost_agents) == {was[other] for other in set(was) - reached(new, now)}


def looser(found: Difference) -> set[str]:
    """The agents at which a guarantee is missed: theirs, or that of a tool of theirs."""
    about = {gone.what for gone in found.loosened}
    met = {name for name, agent in found.new.agents.items() if about & {f"enter {name}", *(f"call {tool.name}" for tool in agent.tools)}}
    return met - set(found.agents_added)


@given(pairs, st.sampled_from(["badge", "box", "none"]))
def test_the_picture_has_all_of_both_and_nothing_else(pair: tuple[AgentGraph, AgentGraph], tools: Any) -> None:
    old, new = pair
    found = agentgraph.diff(old, new)
    drawn: Any = found.diagram(tools=tools, on_large="all").drawn

    boxes = {box.name: box for box in drawn.boxes if box.kind != "tool"}
    assert set(boxes) == {*new.agents, *found.agents_removed}
    assert len(boxes) == len([box for box in drawn.boxes if box.kind != "tool"])
    names = {r.old: r.new for r in found.agents_renamed}
    gone = {(names.get(s, s), names.get(t, t)) for s, t, _ in map(at, found.handoffs_removed)}
    by_id = {box.id: box for box in drawn.boxes}
    handoffs = [(by_id[a.source].name, by_id[a.target].name) for a in drawn.arrows if by_id[a.target].kind != "tool"]
    assert set(handoffs) == {(s, t) for s, t, _ in keys(new)} | gone
    assert len(handoffs) == len(keys(new)) + len(found.handoffs_removed)
    marked = {name: [m for m in box.marks if m != "entry"] for name, box in boxes.items()}
    assert {name for name, marks in marked.items() if marks == ["added"]} == set(found.agents_added)
    assert {name for name, marks in marked.items() if marks == ["removed"]} == set(found.agents_removed)
    changed = {c.new for c in found.agents_changed} | {r.new for r in found.agents_renamed}
    assert {name for name, marks in marked.items() if marks == ["changed"]} == changed | looser(found)
    counted = [sum(mark in a.marks for a in drawn.arrows if by_id[a.target].kind != "tool") for mark in ("added", "removed", "changed")]
    assert counted == [len(found.handoffs_added), len(found.handoffs_removed), len(found.handoffs_changed)]
    if tools == "box":
        own = {(by_id[a.source].name, by_id[a.target].name) for a in drawn.arrows if by_id[a.target].kind == "tool"}
        held = {(name, t.name) for name, agent in new.agents.items() for t in agent.tools}
        assert own == held | {(names.get(name, name), t.name) for name, agent in old.agents.items() for t in agent.tools}


@given(pairs, st.sampled_from(["topology", "architecture", "full", "machine"]), st.sampled_from(["open", "closed", 1]))
def test_every_view_of_a_comparison_is_drawn_and_empty_ones_have_no_marks(pair: Any, view: str, groups: Any) -> None:
    found = agentgraph.diff(*pair)
    diagram = found.diagram(view=view, groups=groups)
    drawn: Any = diagram.drawn

    assert {a for arrow in drawn.arrows for a in (arrow.source, arrow.target)} <= {box.id for box in drawn.boxes}
    assert diagram.to_mermaid().endswith("\n")
    if not found and not found.wordings:
        assert drawn == pair[1].diagram(view=view, groups=groups).drawn


@given(pairs)
def test_it_is_json_and_lines(pair: tuple[AgentGraph, AgentGraph]) -> None:
    found = agentgraph.diff(*pair)

    assert json.loads(json.dumps(found.to_dict()))["agentgraph_difference"] == 1
    assert all(line.strip() for line in str(found).split("\n"))
    assert str(agentgraph.diff(*pair)) == str(found)


# -- how it is told ----------------------------------------------------------------------------------------------------------


def desk() -> AgentGraph:
    graph = AgentGraph("desk").add_agent(Agent("Triage", tools=(lookup,))).add_agent(Agent("Billing", tools=(invoice,)))
    return graph.add_handoff("Triage", "Billing").add_handoff("Billing", "Triage")


def test_each_fact_is_a_line() -> None:
    new = (
        AgentGraph("desk")
        .add_agent(Agent("Triage", tools=(lookup, invoice)))
        .add_agent(Agent("Billing", tools=(invoice.replace(requires=["known"]),), may_finish=False))
    )
    new.add_agent(Agent("Refunds", tools=(refund,)))
    new.add_handoff("Triage", "Billing", requires="known").add_handoff("Triage", "Refunds", tool_name="money_back")

    assert str(agentgraph.diff(desk(), new)).splitlines() == [
        "added agent Refunds",
        "changed agent Billing: tool invoice needs: known added",
        "changed agent Billing: may finish: yes -> no",
        "changed agent Triage: tools: invoice added",
        "added handoff Triage -> Refunds (money_back)",
        "removed handoff Billing -> Triage",
        "changed handoff Triage -> Billing: needs: known added",
        "from the entries: refund, Refunds are reachable now",
        "from Billing: lookup, Triage are no longer reachable",
        "from Triage: refund, Refunds are reachable now",
        "loosened: invoice can be reached without Billing before",
        "tightened: Billing can no longer be reached",
    ]


def test_groups_and_entries_are_told() -> None:
    old, new = desk(), desk()
    new.add_agent(AgentGroup("Money", root=Agent("Refunds"), members=[Agent("Fraud")]))
    new.entry = ["Billing", "Triage"]
    newer = AgentGraph.from_digraph(new.digraph)
    newer.regroup([new.groups["Money"]._replace(root="Fraud", members=("Fraud",))])

    assert str(agentgraph.diff(old, new)).splitlines() == [
        "added agent Fraud in Money",
        "added agent Refunds in Money",
        "added group Money",
        "entry: Triage -> Billing, Triage",
    ]
    assert str(agentgraph.diff(new, newer)).splitlines() == [
        "changed agent Refunds: group: Money -> none",
        "changed group Money: root: Refunds -> Fraud",
    ]


def test_a_rename_says_why_and_what_follows() -> None:
    new = AgentGraph("desk").add_agent(Agent("Triage", tools=(lookup,))).add_agent(Agent("Accounts", tools=(invoice, refund)))
    new.add_handoff("Triage", "Accounts").add_handoff("Accounts", "Triage")

    found = agentgraph.diff(desk(), new)

    assert found.agents_renamed == (Rename("Billing", "Accounts", "3 of 4 tools and handoffs are the same"),)
    assert found.agents_changed == (AgentChange("Billing", "Accounts", (Detail("tools", (), ("refund",)),)),)
    assert HandoffChange(
        HandoffAt("Triage", "Billing", "handoff_to_billing"), HandoffAt("Triage", "Accounts", "handoff_to_accounts"), ()
    ) in (found.handoffs_followed)
    assert str(found).splitlines()[:2] == [
        "renamed agent Billing -> Accounts: 3 of 4 tools and handoffs are the same",
        "renamed tool handoff_to_billing -> handoff_to_accounts, after the agent that it leads to",
    ]
    assert "was Billing" in found.diagram().to_mermaid()


def hub(*spokes: Agent, **descriptions: str) -> AgentGraph:
    graph = AgentGraph("hub").add_agent(Agent("Hub"))
    for spoke in spokes:
        graph.add_handoff("Hub", Handoff(spoke, description=descriptions.get(spoke.name)))
    return graph


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (hub(Agent("A"), Agent("B")), hub(Agent("C"), Agent("D"))),  # either could be either
        (hub(Agent("A"), Agent("B")), hub(Agent("C"))),
        (hub(Agent("A", description="parcels")), hub(Agent("B", description="refunds"))),  # told apart by who wrote them
        (hub(Agent("A", instructions="Send parcels.")), hub(Agent("B", instructions="Pay back."))),
        (hub(Agent("A"), A="parcels"), hub(Agent("B"), B="refunds")),
        (hub(Agent("A", tools=(lookup,))), hub(Agent("B", tools=(refund,)))),
    ],
)
def test_a_rename_that_is_in_doubt_is_not_told(old: AgentGraph, new: AgentGraph) -> None:
    assert agentgraph.diff(old, new).agents_renamed == ()


def test_agents_renamed_together_are_told_apart_by_each_other() -> None:
    def chain(a: str, b: str, c: str) -> AgentGraph:
        graph = (
            AgentGraph("chain")
            .add_agent(Agent("Start"))
            .add_agent(Agent(a))
            .add_agent(Agent(b, tools=(lookup, invoice)))
            .add_agent(Agent(c))
        )
        return graph.add_handoff("Start", a).add_handoff(a, b).add_handoff(b, c)

    found = agentgraph.diff(chain("A", "B", "C"), chain("X", "Y", "Z"))

    assert [(r.old, r.new) for r in found.agents_renamed] == [("A", "X"), ("B", "Y"), ("C", "Z")]


def test_a_tool_name_kept_by_hand_is_no_change() -> None:
    old = AgentGraph("g").add_agent(Agent("Start")).add_agent(Agent("Billing", tools=(invoice,))).add_handoff("Start", "Billing")
    new = AgentGraph("g").add_agent(Agent("Start")).add_agent(Agent("Accounts", tools=(invoice,)))
    new.add_handoff("Start", "Accounts", tool_name="handoff_to_billing")

    for found in (agentgraph.diff(old, new), agentgraph.diff(new, old)):
        assert (found.handoffs_changed, len(found.handoffs_followed), len(found.agents_renamed)) == ((), 1, 1)


def test_words_are_told_apart_from_the_topology() -> None:
    old = AgentGraph("g").add_agent(Agent("A", instructions="Be kind.", description="one")).add_handoff("A", "A", description="again")
    new = AgentGraph("g").add_agent(Agent("A", instructions="Be quick.", description="two", model="other")).add_handoff("A", "A")

    found = agentgraph.diff(old, new)

    assert not found
    assert str(found).splitlines() == [
        "no difference",
        "besides, in what is no part of the topology:",
        "  A: instructions changed",
        "  A: description changed",
        "  A -> A: description changed",
    ]


def test_a_saved_topology_differs_from_its_graph_in_nothing(tmp_path: Path) -> None:
    graph = desk().add_handoff("Triage", Handoff("Triage", when=lambda context: True, tool_name="again"))
    graph.save(tmp_path / "old.yaml")

    found = agentgraph.diff(tmp_path / "old.yaml", graph)

    assert (bool(found), found.wordings) == (False, ())
    assert agentgraph.diff(str(tmp_path / "old.yaml"), graph.compile()).is_empty
    assert agentgraph.diff(graph.compile(), graph).wordings == ()


@pytest.mark.parametrize("given_", [None, 7, {"agents": []}, "missing.json", "graph.txt"])
def test_what_is_no_topology_is_refused(given_: Any) -> None:
    with pytest.raises(DefinitionError):
        agentgraph.diff(given_, desk())


def test_hostile_names_stay_in_their_line() -> None:
    new = AgentGraph("g").add_agent(Agent("A\nremoved agent B")).add_agent(Agent("\x1b[2J")).add_agent(Agent("A -> B"))
    old = AgentGraph("g").add_agent(Agent("A\nremoved agent B"))

    assert str(agentgraph.diff(old, new)).splitlines() == ["added agent '\u241b[2J'", "added agent 'A -> B'"]


# -- how it is drawn ---------------------------------------------------------------------------------------------------------


def test_what_is_removed_is_dashed_and_says_so() -> None:
    new = AgentGraph("desk").add_agent(Agent("Triage", tools=(lookup,)))

    text = new.diagram(compare=desk()).to_mermaid()

    assert [line.strip() for line in text.splitlines() if "removed" in line] == [
        'agent_billing_7ea57f["Billing<br/>1 tool<br/>removed"]'.replace("agent_billing_7ea57f", box_id(new, "Billing")),
        f'{box_id(new, "Triage")} -.->|"removed"| {box_id(new, "Billing")}',
        f'{box_id(new, "Billing")} -.->|"removed"| {box_id(new, "Triage")}',
        "classDef removed fill:#ffcdd2,stroke:#c62828,color:#3b0a0a,stroke-dasharray:5 3",
        f"class {box_id(new, 'Billing')} removed",
    ]


def box_id(graph: AgentGraph, name: str) -> str:
    from agentgraph.views.ids import made_id

    return made_id("agent", name)


def test_an_agent_that_became_a_group_is_drawn_beside_it() -> None:
    old = AgentGraph("g").add_agent(Agent("Start")).add_agent(Agent("Research", tools=(lookup,))).add_handoff("Start", "Research")
    new = (
        AgentGraph("g")
        .add_agent(Agent("Start"))
        .add_handoff("Start", AgentGroup("Research", root=Agent("Lead"), members=[Agent("Reader")]))
    )

    drawn: Any = agentgraph.diff(old, new).diagram().drawn

    assert {box.name: box.marks for box in drawn.boxes} == {
        "Start": ("entry",),
        "Lead": ("added",),
        "Reader": ("added",),
        "Research": ("removed",),
    }
    assert [(frame.name, frame.marks) for frame in drawn.frames] == [("Research", ("added",))]


def test_a_closed_group_is_changed_when_anything_in_it_is() -> None:
    def graph(*inside: str) -> AgentGraph:
        team = AgentGroup("Team", root=Agent("Lead"), members=[Agent(name) for name in inside])
        return AgentGraph("g").add_agent(Agent("Start")).add_handoff("Start", team)

    drawn: Any = graph("A", "B").diagram(compare=graph("A"), groups="closed").drawn

    assert [(box.name, box.marks) for box in drawn.boxes] == [("Start", ("entry",)), ("Team", ("changed",))]


def test_focus_on_what_is_gone() -> None:
    new = AgentGraph("desk").add_agent(Agent("Triage", tools=(lookup,)))

    drawn: Any = new.diagram(compare=desk(), focus="Billing", hops=0).drawn

    assert [box.name for box in drawn.boxes] == ["Billing"]


def test_it_shows_itself_in_a_notebook() -> None:
    found = agentgraph.diff(desk(), AgentGraph("desk").add_agent(Agent("Triage")))

    shown = found._repr_mimebundle_()

    assert shown["text/plain"] == str(found)
    assert shown["text/vnd.mermaid"] == found.diagram().to_mermaid()
    assert found._mime_() == ("image/svg+xml", shown["image/svg+xml"])


def test_a_run_is_laid_over_a_comparison() -> None:
    from agentgraph import AgentRunner
    from agentgraph.cli.demo import graph

    result = AgentRunner(graph).run("What is the balance of ACC-17?")

    drawn: Any = graph.diagram(compare=AgentGraph("old").add_agent(graph.agents["Triage"]), run=result).drawn

    assert {box.name: box.marks for box in drawn.boxes} == {"Triage": ("entry", "visited"), "Billing": ("added", "visited", "active")}


def test_thousands_of_agents_are_compared_in_seconds() -> None:
    import time

    def ring(names: list[str]) -> AgentGraph:
        graph = AgentGraph("ring")
        for name in names:
            graph.add_agent(Agent(name, tools=(lookup,)))
        for a, b in itertools.pairwise([*names, names[0]]):
            graph.add_handoff(a, b)
        return graph

    old, new = ring([f"a{i}" for i in range(2000)]), ring([f"b{i}" for i in range(2000)])
    started = time.perf_counter()
    found: Difference = agentgraph.diff(old, new)
    assert len(found.agents_added) == 2000
    assert time.perf_counter() - started < 20
