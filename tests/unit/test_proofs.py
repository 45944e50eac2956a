"""Proofs by example: what a path says, what a verdict shows, what is refused, and which findings there are."""

from __future__ import annotations

import enum
from time import perf_counter, process_time
from typing import Any

import pytest
from pydantic import BaseModel, Field

from agentgraph import Agent, AgentGraph, AgentGroup, DefinitionError, Final, Forward, Handoff, Tool, tool
from agentgraph.checks import (
    ALL,
    Spec,
    Verdict,
    at_most,
    calls,
    enters,
    inside,
    leads_to,
    never,
    never_after,
    never_between,
    no_way_around,
    passes,
    precedes,
    reaches,
    succeeds,
    within,
)
from agentgraph.checks.product import Product
from agentgraph.checks.walk import MOST_MOVES, _set_by_set, _state_by_state
from agentgraph.possible.model import MOST_FACTS, Model


def nothing() -> None:
    pass


def ends_sometimes(value: None, output: Any) -> tuple[None, Final | Forward]:
    return None, Final("done") if output.value == "enough" else Forward()


def one(agent: Agent) -> AgentGraph:
    return AgentGraph.of(agent)


look, stop = Tool(name="look"), Tool(name="stop", final=True)
mute = Agent("Mute", tools=[look], may_finish=False)
ending = Agent("Ending", tools=[stop], may_finish=False)
crew = AgentGroup("crew", root=Agent("Lead"), members=[Agent("Hand", tools=[look])], handoffs=[("Lead", "Hand")])
pair = AgentGroup("pair", root=Agent("First", may_finish=False), members=[Agent("Second")], handoffs=[("First", "Second")])

PATHS: list[tuple[AgentGraph, Spec, str]] = [
    (one(Agent("A", tools=[look])), never(enters("A")), "enter A"),
    (one(Agent("A", tools=[look])), passes(calls("look")), "enter A -> final"),
    (one(Agent("A", tools=[look])), leads_to(calls("look"), enters("A")), "enter A -> call look -> final"),
    # a final tool ends the turn when it succeeds; one that fails may be called again at once
    (one(ending), passes(calls("stop")), ""),
    (one(ending), leads_to(calls("stop"), enters("Ending")), "enter Ending -> call stop -> final"),
    (one(ending), at_most(1, calls("stop")), "enter Ending -> call stop, which fails -> call stop"),
    # a turn goes on where it ended
    (
        one(Agent("A", tools=[stop.replace(sets="f"), look.replace(requires="f")], may_finish=False)),
        never(calls("look")),
        "enter A -> call stop -> final -> call look",
    ),
    # a handler may end a turn at once, whatever may_finish says
    (one(mute.replace(on_tool_output=(nothing, ends_sometimes))), passes(calls("look")), "enter Mute -> final"),
    (one(mute), passes(calls("look")), ""),
    # agents as tools: call, enter, and back, also when they gave no answer
    (
        one(Agent("A", tools=[mute.as_tool(name="ask")])),
        at_most(1, enters("Mute")),
        "enter A -> call ask -> enter Mute -> call ask -> enter Mute",
    ),
    (
        one(Agent("A", tools=[mute.as_tool(name="ask")])),
        never_between(calls("ask"), calls("look"), enters("A")),
        "enter A -> call ask -> enter Mute -> call look -> call ask",
    ),
    (one(Agent("A", tools=[mute.as_tool(name="ask").replace(sets="f"), stop.replace(requires="f")])), never(calls("stop")), ""),
    (
        one(Agent("A", tools=[ending.as_tool(name="ask").replace(sets="f"), look.replace(requires="f")])),
        never(calls("look")),
        "enter A -> call ask -> enter Ending -> call stop -> call look",
    ),
    (
        one(Agent("A", tools=[crew.as_tool(name="ask")])),
        never(calls("look")),
        "enter A -> call ask -> enter Lead -> enter Hand -> call look",
    ),
    (one(Agent("A", tools=[crew.as_tool(name="ask")])), never(inside("crew")), "enter A -> call ask -> enter Lead"),
    (one(Agent("A", tools=[mute.as_tool(name="ask").replace(final=True)], may_finish=False)), leads_to(enters("Mute"), calls("look")), ""),
    (
        one(Agent("A", tools=[ending.as_tool(name="ask").replace(final=True)], may_finish=False)),
        leads_to(calls("ask"), enters("A")),
        "enter A -> call ask -> enter Ending -> call stop -> final",
    ),
    # once the inside of a final tool has ended, so has the turn, unless its answer cannot be read
    (
        one(
            Agent(
                "A",
                tools=[Agent("I", tools=[stop.replace(sets="f")]).as_tool(name="ask").replace(final=True), look.replace(requires="f")],
                may_finish=False,
            )
        ),
        never(calls("look")),
        "enter A -> call ask -> enter I -> call stop -> final -> call look",
    ),
    (
        one(
            Agent(
                "A",
                tools=[
                    Agent("I", tools=[stop.replace(sets="f")]).as_tool(name="ask", output_extractor=str).replace(final=True),
                    look.replace(requires="f"),
                ],
                may_finish=False,
            )
        ),
        never(calls("look")),
        "enter A -> call ask -> enter I -> call stop -> call look",
    ),
    # a call and what it comes to are one move; where that can matter it may fail
    (one(Agent("A", tools=[look])), passes(succeeds("look")), "enter A -> final"),
    (one(Agent("A", tools=[look])), never(succeeds("look")), "enter A -> call look"),
    (one(Agent("A", tools=[look])), leads_to(calls("look"), succeeds("look")), "enter A -> call look, which fails -> final"),
    (one(Agent("A", tools=[look])), at_most(1, succeeds("look")), "enter A -> call look -> call look"),
    (one(Agent("A", tools=[look.replace(sets="f"), stop.replace(requires="f")])), precedes(succeeds("look"), calls("stop")), ""),
    # an output that nobody hears of ends no turn
    (
        one(ending),
        at_most(1, succeeds("stop")),
        "enter Ending -> call stop, whose output nobody hears of -> call stop",
    ),
    (
        one(Agent("A", tools=[Agent("I").as_tool(name="ask").replace(final=True)], may_finish=False)),
        at_most(1, succeeds("ask")),
        "enter A -> call ask -> enter I -> call ask -> enter I",
    ),
    # p is looked at before a, so that an a of the same step counts from the next
    (one(Agent("A", tools=[look])), never_after(calls("look"), calls("look")), "enter A -> call look -> call look"),
    (
        one(Agent("A", tools=[look, stop])),
        never_after(calls("look"), succeeds("stop")),
        "enter A -> call stop, whose output nobody hears of -> call look",
    ),
    (one(Agent("A", tools=[look])), never_after(succeeds("look"), calls("look")), "enter A -> call look"),
    # coming back is no move, and has succeeded where there was an answer
    (one(Agent("A", tools=[Agent("I").as_tool(name="ask")])), never(succeeds("ask")), "enter A -> call ask -> enter I"),
    (one(Agent("A", tools=[mute.as_tool(name="ask")])), never(succeeds("ask")), ""),
    (
        one(Agent("A", tools=[ending.as_tool(name="ask")])),
        never(succeeds("ask")),
        "enter A -> call ask -> enter Ending -> call stop",
    ),
    (
        one(Agent("A", tools=[Agent("I").as_tool(name="ask"), look])),
        never_between(calls("look"), calls("ask"), succeeds("ask")),
        "enter A -> call ask -> enter I -> call look",
    ),
    # an answer inside matters for what it lets the caller do: only the member that is handed to may give it
    (
        one(Agent("A", tools=[pair.as_tool(name="ask").replace(sets="f"), look.replace(requires="f")])),
        never(calls("look")),
        "enter A -> call ask -> enter First -> enter Second -> call look",
    ),
    (one(Agent("A", tools=[pair.as_tool(name="ask")])), never(succeeds("ask")), "enter A -> call ask -> enter First -> enter Second"),
    # a fact that only a handoff asks for
    (
        AgentGraph.of(Agent("A", tools=[look.replace(sets="f")], handoffs=[Handoff("B", requires="f")]), Agent("B", tools=[stop])),
        never(calls("stop")),
        "enter A -> call look -> enter B -> call stop",
    ),
    # what an inside sets is the caller's
    (
        one(Agent("A", tools=[Agent("I", tools=[look.replace(sets="f")]).as_tool(name="ask"), stop.replace(requires="f")])),
        never(calls("stop")),
        "enter A -> call ask -> enter I -> call look -> call stop",
    ),
]


@pytest.mark.parametrize(("graph", "spec", "path"), PATHS, ids=lambda given: str(given) if isinstance(given, Spec) else "")
def test_a_path_is_what_happens_and_is_executed(graph: AgentGraph, spec: Spec, path: str) -> None:
    verdict = graph.prove(spec)

    assert " -> ".join(map(str, verdict.path)) == path
    assert verdict.holds == (not path)
    if path:
        assert spec_is_broken(spec, verdict)
        verdict.replay()


def spec_is_broken(spec: Spec, verdict: Verdict) -> bool:
    state = spec.start
    for step in verdict.steps:
        for happening in step.happenings:
            state = spec.after(state, happening)
    return state == -1


def test_a_call_that_fails_in_a_path_fails_when_it_is_replayed() -> None:
    graph = one(Agent("A", tools=[look, stop]))

    failed = graph.prove(leads_to(calls("look"), succeeds("look"))).replay()
    lost = graph.prove(never_after(calls("look"), succeeds("stop"))).replay()

    asked = one(Agent("A", tools=[Agent("I").as_tool(name="ask").replace(final=True)], may_finish=False))
    again = asked.prove(at_most(1, succeeds("ask"))).replay()

    assert "this answer cannot be read in the path" in again.messages[2].text
    assert [message.text for message in failed.messages if message.role == "tool"] == ["error: RuntimeError: this call fails in the path"]
    assert next(message.text for message in lost.messages if message.role == "tool") == "error: RuntimeError: this call fails in the path"


def test_a_verdict_says_that_coming_back_is_what_breaks_it() -> None:
    verdict = one(Agent("A", tools=[Agent("I").as_tool(name="ask")])).prove(never(succeeds("ask")))

    assert str(verdict) == "refuted: never(succeeds('ask')): enter A -> call ask -> enter I (and success ask)"
    assert "because: enter A -> call ask -> enter I (and success ask)" in repr(verdict)
    assert verdict.to_mermaid()


# -- verdicts ----------------------------------------------------------------------------------------------------------


class Size(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Line(BaseModel):
    """One line of an order."""

    article: str = Field(min_length=3)
    pieces: int = Field(gt=2, lt=9, multiple_of=4)
    size: Size
    gift: bool | None


class Order(BaseModel):
    """What a handoff asks for."""

    lines: list[Line] = Field(min_length=1)
    rebate: float = Field(ge=0.5)
    place: tuple[int, str]


def closed(context: Any) -> bool:
    return False


ran: list[str] = []


@tool(needs_approval=True, retries=2)
def book(order: Order, note: str = "") -> str:
    """Book an order."""
    ran.append(order.lines[0].article)
    return "booked"


def shop() -> AgentGraph:
    return AgentGraph.of(
        Agent("Desk", handoffs=[Handoff("Shop", payload=Order, when=closed)], output_type=Order),
        Agent("Shop", tools=[book], output_type={"type": "object"}),
        name="shop",
    )


@pytest.mark.parametrize("stub", [True, False])
def test_a_replay_fills_in_schemas_and_says_yes_to_what_was_left_open(stub: bool) -> None:
    ran.clear()
    verdict = shop().prove(never(calls("book")))

    result = verdict.replay(stub=stub)

    assert result.path == ("Desk", "Shop")
    assert ran == ([] if stub else ["xxx"])
    assert result.context.messages[-2].text == ("done" if stub else "booked")


def test_a_replay_that_a_real_function_stops_says_so() -> None:
    @tool(sets="paid")
    def pay() -> str:
        raise RuntimeError("no money")

    graph = AgentGraph.of(Agent("A", tools=[pay, look.replace(requires="paid")]))
    verdict = graph.prove(never(calls("look")))

    assert [message.text for message in verdict.replay().messages if message.role == "tool"] == ["done", "done"]
    said = [message.text for message in verdict.replay(stub=False).messages if message.role == "tool"]
    assert said[0] == "error: RuntimeError: no money"
    assert said[1].startswith("error: 'look' was not run")


def test_a_verdict_shows_itself() -> None:
    verdict = shop().prove(precedes(calls("book"), enters("Shop")))

    assert not verdict
    assert repr(verdict).startswith(
        "refuted: precedes(calls('book'), enters('Shop'))\n  because: enter Desk -> enter Shop\n  to do: let the tool or handoff"
    )
    assert "assumed: the model may do anything" in repr(verdict)
    assert str(verdict) == "refuted: precedes(calls('book'), enters('Shop')): enter Desk -> enter Shop"
    assert verdict.to_mermaid().startswith("flowchart")
    assert "visited" in verdict.to_mermaid()
    assert verdict.to_dot().startswith("digraph")
    assert verdict.diagram(direction="LR").to_mermaid().startswith("flowchart LR")
    assert {"text/plain", "image/svg+xml"} <= verdict._repr_mimebundle_().keys()
    held = shop().prove(passes(enters("Desk")))
    assert held.to_mermaid()
    with pytest.raises(DefinitionError, match="without a path"):
        held.replay()


@pytest.mark.parametrize(
    ("demand", "why"),
    [
        (never(enters("Shopp")), "has no agent 'Shopp'; it has 'Desk', 'Shop'"),
        (never(calls("sell")), "has no tool 'sell'; it has 'book'"),
        (never(succeeds("sell")), r"succeeds\('sell'\): 'shop' has no tool 'sell'; it has 'book'"),
        (never(calls("Shop")), r"'Shop' is an agent: write enters\('Shop'\)"),
        (never(enters("Shop") | inside("Desk")), "has no group 'Desk'; it has none"),
        (reaches("nobody"), "has no 'nobody'; it has the agents 'Desk', 'Shop', the tools 'book'"),
        (reaches("Shop", from_="Cellar"), "has no agent or group 'Cellar'"),
        ("never", "give a spec such as"),
    ],
)
def test_what_is_not_there_is_refused(demand: Any, why: str) -> None:
    with pytest.raises(DefinitionError, match=why):
        shop().prove(demand)


def test_a_value_stands_for_its_name() -> None:
    lead = next(crew.agents())

    assert [enters(lead), calls(look), inside(crew)] == [enters("Lead"), calls("look"), inside("crew")]
    assert [reaches(lead, from_=crew), within(1, look, from_=[lead, "crew"])] == [
        reaches("Lead", from_="crew"),
        within(1, "look", ["Lead", "crew"]),
    ]
    assert no_way_around(crew, calls(look)) == no_way_around("crew", calls("look"))


def test_a_group_is_not_entered_but_inside() -> None:
    graph = AgentGraph("g")
    graph.add_agent(crew)

    with pytest.raises(DefinitionError, match=r"'crew' is a group: write inside\('crew'\)"):
        graph.prove(never(enters("crew")))


def test_too_many_facts_are_counted_and_named() -> None:
    facts = [f"f{at:02}" for at in range(MOST_FACTS + 1)]
    agent = Agent("A", tools=[Tool(name=fact, sets=frozenset([fact])) for fact in facts] + [Tool(name="all", requires=frozenset(facts))])

    with pytest.raises(DefinitionError, match=r"has 13 facts .*'f00', 'f01'.*a proof takes 12.*use fewer facts"):
        one(agent).prove(never(calls("all")))
    assert one(agent).check() == []
    blind = agent.replace(tools=agent.tools[:-1])  # what no guard can see does not matter
    assert not one(blind).prove(never(calls("f12")))


def many(agents: int, facts: int) -> AgentGraph:
    """A ring with shortcuts; each agent sets one of the facts, and the last one has a tool that asks for all of them."""
    named = [f"f{at:02}" for at in range(facts)]
    graph = AgentGraph("many")
    for at in range(agents):
        last = [Tool(name="goal", requires=frozenset(named))] if at == agents - 1 else []
        graph.add_agent(Agent(f"A{at}", tools=[Tool(name=f"set{at % facts}", sets=frozenset([named[at % facts]])), *last]))
    for at in range(agents):
        for target in sorted({(at + 1) % agents, (at * 7 + 1) % agents, (at * 7 + 14) % agents} - {at}):
            graph.add_handoff(f"A{at}", f"A{target}")
    return graph


def test_many_facts_at_many_agents_are_walked_at_once() -> None:
    """1,228,800 states: too many to be walked one by one."""
    graph = many(300, 12)
    begun = process_time()

    assert graph.prove(precedes(calls("set3"), calls("goal")))
    assert len(graph.prove(at_most(3, calls("goal"))).path) == 28
    assert process_time() - begun < 5


@pytest.mark.parametrize(("agents", "facts"), [(1, 1), (3, 2), (7, 4), (20, 6)])
def test_sets_at_once_and_states_one_by_one_find_ways_of_one_length(agents: int, facts: int) -> None:
    graph = many(agents, facts)
    for spec in (at_most(2, calls("goal")), never(succeeds("goal")), precedes(calls("set0"), calls("goal")), passes(calls("goal"))):
        product = Product(Model(graph, heeds=spec.heeds), spec)
        one, other = _state_by_state(product), _set_by_set(product)

        assert len(one) == len(other)
        assert not other or len(product.way(other)) == len(graph.prove(spec).path)


@pytest.mark.long
def test_what_is_too_much_to_walk_is_said_after_so_many_moves() -> None:
    with pytest.raises(DefinitionError, match=rf"more than {MOST_MOVES:,} moves to walk, with 0 facts: none; .*prove a part of the graph"):
        many(500, 2).prove(at_most(5_000, calls("set1")))


def test_a_beginning_that_breaks_a_spec_is_the_shortest_way_whichever_comes_first() -> None:
    tools = [Tool(name="sets", sets=frozenset(["f"])), Tool(name="needs", requires=frozenset(["f"]))]
    graph = AgentGraph("two ways in").add_agent(Agent("A", tools=tools)).add_agent(Agent("B"))
    graph.entry = ("A", "B")

    assert [str(h) for h in graph.prove(never(enters("B") | calls("sets") | calls("needs"))).path] == ["enter B"]


def test_facts_that_make_no_difference_to_a_spec_are_left_out() -> None:
    facts = [f"f{at:02}" for at in range(MOST_FACTS + 1)]
    locks = [Tool(name=f"set{fact}", sets=frozenset([fact])) for fact in facts] + [Tool(name="all", requires=frozenset(facts))]
    graph = AgentGraph.of(Agent("A", tools=locks, handoffs=["B"]), Agent("B", tools=[look, stop]))

    assert [str(h) for h in graph.prove(precedes(calls("look"), calls("stop"))).path] == ["enter A", "enter B", "call stop"]
    with pytest.raises(DefinitionError, match="has 13 facts"):
        graph.prove(never(calls("all")))


# -- questions ---------------------------------------------------------------------------------------------------------


def desk(**options: Any) -> AgentGraph:
    """Triage -> Billing -> Triage, Billing -> Archive (nowhere), and Lost (never reached)."""
    graph = AgentGraph("desk", **options)
    graph.add_agent(Agent("Triage", tools=[Tool(name="check", sets=frozenset(["known"]))])).add_agent(Agent("Billing", tools=[look]))
    graph.add_agent(Agent("Archive")).add_agent(Agent("Lost"))
    for source, target in (("Triage", "Billing"), ("Billing", "Triage"), ("Lost", "Triage")):
        graph.add_handoff(source, target)
    return graph.add_handoff("Billing", "Archive", requires="known")


def test_questions_say_who_is_stuck_and_how_far_it_is() -> None:
    graph = desk()

    everywhere = graph.prove(reaches("Triage", from_=ALL))
    assert (everywhere.holds, everywhere.agents) == (False, ("Archive",))
    assert [str(h) for h in everywhere.path] == ["enter Triage", "call check", "enter Billing", "enter Archive"]
    assert "agents: 'Archive'" in repr(everywhere)
    assert graph.prove(reaches("look", from_=["Triage", "Lost"]))
    assert graph.prove(reaches("Archive", from_="Lost")).distance == 3
    assert graph.prove(within(1, "look")).distance == 1
    assert not graph.prove(within(0, "look"))
    assert graph.prove(within(2, "look", from_=["Triage", "Lost"]))
    assert graph.prove(within(1, "look", from_=["Triage", "Lost"])).agents == ("Lost",)
    assert graph.prove(within(9, "Lost")).distance is None
    assert graph.prove(no_way_around("Billing", "Archive"))
    assert graph.prove(no_way_around("check", "Archive"))
    assert [str(h) for h in graph.prove(no_way_around("check", "look")).path] == ["enter Triage", "enter Billing", "call look"]


def test_an_agent_that_nobody_comes_to_is_asked_with_the_facts_that_it_sets_itself() -> None:
    """Nothing that leads from the entry sets them; and what others come to with them does not count against those others."""
    graph = desk()
    graph.add_agent(Agent("Cellar", tools=[Tool(name="find", sets=frozenset(["found"])), Tool(name="keep", requires=frozenset(["found"]))]))
    graph.add_handoff("Cellar", Handoff("Archive", requires="found"))

    assert [str(h) for h in graph.prove(reaches("keep", from_="Cellar")).path] == ["enter Cellar", "call find", "call keep"]
    assert graph.prove(within(1, "Archive", from_="Cellar")).distance == 1
    assert graph.prove(reaches("Archive", from_=["Triage", "Cellar"]))
    assert graph.prove(reaches("Archive", from_=ALL))


def test_asking_from_everywhere_is_one_walk() -> None:
    """A walk for each agent would take minutes in a large graph."""
    ring = AgentGraph("ring")
    for at in range(1_000):
        ring.add_agent(Agent(f"A{at}"))
    for at in range(1_000):
        ring.add_handoff(f"A{at}", f"A{(at + 1) % 1_000}")
    begun = perf_counter()

    assert ring.prove(within(999, "A0", from_=ALL)).distance == 999
    assert ring.prove(within(998, "A0", from_=ALL)).agents == ("A1",)
    assert perf_counter() - begun < 5


def test_a_name_that_may_mean_two_things_is_refused() -> None:
    graph = AgentGraph.of(Agent("look", tools=[look]))

    with pytest.raises(DefinitionError, match=r"'look' may mean enters\('look'\) or calls\('look'\)"):
        graph.prove(reaches("look"))


# -- findings ----------------------------------------------------------------------------------------------------------


def codes(graph: AgentGraph) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.code, finding.agents) for finding in graph.check()]


def test_findings_have_a_witness_and_a_fix() -> None:
    graph = desk(home="Triage", human=["look", "Archive"])
    graph.add_handoff("Triage", "Triage")

    found = {finding.code: finding for finding in graph.check()}

    assert codes(graph) == [("unreachable-agent", ("Lost",)), ("trap", ("Archive",)), ("self-handoff", ("Triage",))]
    assert found["trap"].path == ("Triage", "Billing", "Archive")
    assert all(finding.fix and finding.severity == "warning" for finding in found.values())
    graph.compile()


def test_a_human_that_nobody_reaches_is_missed_by_everybody() -> None:
    assert [agents for code, agents in codes(desk(human="Lost")) if code == "human-unreachable"] == [
        ("Triage",),
        ("Billing",),
        ("Archive",),
    ]
    assert [agents for code, agents in codes(desk(human=["check", "Lost"])) if code == "human-unreachable"] == [("Archive",)]


def test_a_guard_that_nothing_opens_makes_an_agent_unreachable() -> None:
    graph = AgentGraph.of(Agent("A"), Agent("B", tools=[Tool(name="open", sets=frozenset(["key"]))]), name="g")
    graph.add_handoff("A", "B", requires="key")

    (finding,) = graph.check()

    assert (finding.code, finding.path) == ("unreachable-agent", ("A", "B"))
    assert "needs the fact 'key', which no reachable tool sets" in finding.message


def test_only_rings_that_no_turn_can_leave_are_endless() -> None:
    def ring(**last: Any) -> AgentGraph:
        graph = AgentGraph("ring")
        for name in "ABC":
            graph.add_agent(Agent(name, may_finish=False, **(last if name == "C" else {})))
        return graph.add_handoff("A", "B").add_handoff("B", "C").add_handoff("C", "B")

    assert codes(ring()) == [("endless-ring", ("B", "C"))]
    assert codes(ring(tools=[stop])) == []
    assert codes(ring(on_tool_output=(nothing, ends_sometimes))) == []
    assert codes(ring().add_agent(Agent("D")).add_handoff("C", "D")) == []


def test_a_policy_that_does_not_hold_is_a_finding() -> None:
    graph = desk()

    (finding,) = [f for f in graph.check(precedes(calls("check"), calls("look")), reaches("Triage", from_="Billing")) if f.code == "policy"]

    assert finding.severity == "error"
    assert finding.path == ("enter Triage", "enter Billing", "call look")
    assert finding.message.startswith("refuted: precedes(calls('check'), calls('look')): enter Triage")
