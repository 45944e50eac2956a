"""What may change in a graph, and where a recorded conversation first notices: row by row, and for published recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from agentgraph import Agent, AgentGraph, AgentRunner, Context, Message, RunConfig, ScriptedModel, Tool, Trace, call, handoff, tool
from agentgraph.engine.divergence import Divergence
from agentgraph.engine.events import ToolReturned
from agentgraph.engine.foreign import names_in, walked
from agentgraph.engine.replaying import replay_against
from tests.conformance.test_corpus import RUNS, TOPOLOGIES, graph_of


@tool(sets="verified")
def verify(code: int) -> str:
    """Verify the user."""
    return f"code {code}"


@tool
def pay(amount: float) -> str:
    """Pay."""
    return f"paid {amount}"


class Payment(BaseModel):
    """Another shape."""

    amount: int


@tool(name="pay")
def paying_in_cents(cents: int) -> str:
    """Pay."""
    return f"paid {cents}"


def always(_: Context) -> bool:
    return True


def never(_: Context) -> bool:
    return False


INNER = Agent("Inner", tools=[verify])
AGENTS = {
    "Triage": Agent("Triage", tools=[verify, INNER.as_tool(name="ask")]),
    "Billing": Agent("Billing", tools=[pay]),
    "Sales": Agent("Sales"),
}
EDGES: dict[tuple[str, str], dict[str, Any]] = {("Triage", "Billing"): {}, ("Triage", "Sales"): {"when": never}, ("Billing", "Triage"): {}}


def desk(
    agents: dict[str, Agent | None] | None = None, edges: dict[tuple[str, str], dict[str, Any] | None] | None = None, entry: str = "Triage"
) -> AgentGraph:
    """The desk, with some agents and handoffs changed; None takes one away."""
    graph = AgentGraph("desk")
    for agent in (AGENTS | (agents or {})).values():
        if agent is not None:
            graph.add_agent(agent)
    for (source, target), options in (EDGES | (edges or {})).items():
        if options is not None and source in graph.agents and graph.agent_at(target) is not None:
            graph.add_handoff(source, target, **options)
    graph.entry = entry
    return graph


def recorded() -> Trace:
    """Two turns: refused by Sales, verified, an agent asked, over to Billing, paid; and an answer there."""
    script = {
        "Triage": [handoff("Sales"), [call("verify", code=2), call("ask", input="who?")], handoff("Billing")],
        "Inner": [call("verify", code=4), "it is Ada"],
        "Billing": [call("pay", amount=3.5), "paid", "you are welcome"],
    }
    runner = AgentRunner(desk(), RunConfig(model=ScriptedModel(script)))
    first = runner.run("hello")
    return first.trace + runner.run("thanks", context=first.context).trace


TRACE = recorded()
REFUSED, ASKED, HANDED, PAID, ANSWERED, AGAIN = 1, 2, 7, 8, 10, 11
VERIFIED = next(at for at, (event, _) in enumerate(TRACE) if isinstance(event, ToolReturned) and not event.within)
"""Where in the trace what happens: what ran beside the agent inside a tool came back at any time."""


class Row(NamedTuple):
    """What became of the graph, and where that first shows."""

    graph: Callable[[], AgentGraph]
    kind: str
    event: int
    agent: str
    name: str
    found: str


ROWS = {
    "the entry is another": Row(lambda: desk(entry="Sales"), "another agent", 0, "Sales", "Triage", "'Sales' answers"),
    "the first agent went away": Row(
        lambda: desk({"Triage": None, "Triage 2": AGENTS["Triage"].replace(name="Triage 2")}, entry="Billing"),
        "agent gone",
        0,
        "Billing",
        "Triage",
        "'Billing' answers",
    ),
    "a handoff went away": Row(
        lambda: desk(edges={("Triage", "Billing"): None}),
        "handoff gone",
        HANDED,
        "Triage",
        "Billing",
        "there is no tool 'handoff_to_billing'",
    ),
    "an agent went away": Row(lambda: desk({"Billing": None}), "handoff gone", HANDED, "Triage", "Billing", "there is no tool"),
    "a handoff leads elsewhere": Row(
        lambda: desk(edges={("Triage", "Billing"): None, ("Triage", "Sales"): {"tool_name": "handoff_to_billing"}}),
        "handoff elsewhere",
        HANDED,
        "Triage",
        "Billing",
        "handed over to 'Sales'",
    ),
    "a guard refuses": Row(
        lambda: desk(edges={("Triage", "Billing"): {"requires": "of age"}}),
        "handoff refused",
        HANDED,
        "Triage",
        "Billing",
        "needs 'of age' first",
    ),
    "a condition refuses": Row(
        lambda: desk(edges={("Triage", "Billing"): {"when": never}}), "handoff refused", HANDED, "Triage", "Billing", "does not hold"
    ),
    "a guard permits": Row(
        lambda: desk(edges={("Triage", "Sales"): {"when": always}}),
        "handoff permitted",
        REFUSED,
        "Triage",
        "Sales",
        "handed over to 'Sales'",
    ),
    "a handoff asks for a payload": Row(
        lambda: desk(edges={("Triage", "Billing"): {"payload": Payment}}), "arguments", HANDED, "Triage", "Billing", "does not fit"
    ),
    "a tool went away": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=())}), "tool gone", PAID, "Billing", "pay", "there is no tool 'pay'"
    ),
    "a tool requires more": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=[pay.replace(requires=["of age"])])}),
        "tool refused",
        PAID,
        "Billing",
        "pay",
        "needs 'of age' first",
    ),
    "a tool requires what is there": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=[pay.replace(requires=["verified"])])}), "", -1, "", "", ""
    ),
    "a tool takes other arguments": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=[paying_in_cents])}), "arguments", PAID, "Billing", "pay", "do not fit"
    ),
    "a tool needs approval": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=[pay.replace(needs_approval=True)])}),
        "approval",
        PAID,
        "Billing",
        "pay",
        "a person is asked first",
    ),
    "a tool ends the run": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(tools=[pay.replace(final=True)])}),
        "end",
        PAID + 1,
        "Billing",
        "Billing",
        "the turn ends",
    ),
    "a tool sets no fact": Row(
        lambda: desk({"Triage": AGENTS["Triage"].replace(tools=[verify.replace(sets=()), *AGENTS["Triage"].tools[1:]])}),
        "facts",
        VERIFIED,
        "Triage",
        "Triage",
        "no facts",
    ),
    "an agent has a handler": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(on_tool_output=(list, lambda seen, output: (seen, None)))}),
        "handler",
        PAID + 1,
        "Billing",
        "pay",
        "handlers look at its output",
    ),
    "an agent may not finish": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(may_finish=False)}),
        "may not finish",
        ANSWERED,
        "Billing",
        "Billing",
        "call a tool",
    ),
    "an answer has another shape": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(output_type=Payment)}), "answer", ANSWERED, "Billing", "Billing", "does not fit"
    ),
    "prompts, models, names of graphs and new agents": Row(
        lambda: desk({"Billing": AGENTS["Billing"].replace(instructions="Be brief.", model="other/model"), "New": Agent("New")}),
        "",
        -1,
        "",
        "",
        "",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_divergence_says_where_and_what(row: Row) -> None:
    found = replay_against(row.graph().compile(), TRACE)

    if not row.kind:
        assert found is None, found
        return
    assert found is not None
    assert (found.kind, found.event, found.agent, found.name) == (row.kind, row.event, row.agent, row.name), found
    assert row.found in found.found
    assert found.found != found.recorded
    assert len(str(found).splitlines()) == 1


def test_a_divergence_names_the_message_that_asked() -> None:
    found = replay_against(desk(edges={("Triage", "Billing"): None}).compile(), TRACE)

    assert found is not None
    assert [c.name for c in TRACE.contexts[-1].messages[found.message].tool_calls] == ["handoff_to_billing"]


def test_the_run_inside_a_tool_is_replayed_too() -> None:
    inner = INNER.replace(tools=())

    found = replay_against(desk({"Triage": AGENTS["Triage"].replace(tools=[verify, inner.as_tool(name="ask")])}).compile(), TRACE)

    assert found is not None
    assert (found.kind, found.agent, found.name, found.event) == ("tool gone", "Inner", "verify", ASKED + 1)
    assert found.within == tuple(TRACE.children)
    assert "inside" in str(found)


def test_an_agent_that_holds_the_conversation_may_be_gone() -> None:
    """A trace that begins in the middle of a conversation."""
    held = Trace(TRACE[ANSWERED][1], TRACE[AGAIN:])

    found = replay_against(desk({"Billing": None}).compile(), held)

    assert found is not None
    assert (found.kind, found.event, found.name) == ("agent gone", 0, "Billing")
    assert replay_against(desk().compile(), held) is None


def test_a_trace_that_no_steps_made_is_a_divergence_too() -> None:
    """Events that nothing awaits, and snapshots that contradict themselves: read from a file, they must not be a traceback."""
    events = [event for event, _ in TRACE]
    machine = desk().compile()

    found = replay_against(machine, Trace(TRACE.start, [(events[3], TRACE.start)]))
    assert found is not None
    assert (found.kind, found.name) == ("event", "ModelReplied")
    odd = Context.from_json(TRACE[ASKED][1].to_json().replace('"calls":[', '"at":77,"calls":['))
    assert replay_against(machine, Trace(odd, [(events[3], odd)])) is not None


# -- recordings of other systems ---------------------------------------------------------------------------------------

BY_ID = {topology["id"]: topology for topology in TOPOLOGIES}
OF_A_TOPOLOGY = [run for run in RUNS if run["topology_id"] in BY_ID and not BY_ID[run["topology_id"]]["collisions"]]


def messages_of(run: dict[str, Any]) -> list[Message]:
    return [Message.from_openai(message) for message in run["messages"]]


KNOWN = {
    "sk-step4-run": "Handoff-complete_task",
    "sk-step4b-run": "Handoff-complete_task",
    "sk-step4c-run": "Handoff-complete_task",
    "adk-trip-inquiry": "indentify_agent",
}
"""A tool that the framework adds and the topology does not list; and a slip of whoever wrote the trajectory."""


@pytest.mark.parametrize("run", OF_A_TOPOLOGY, ids=lambda run: run["id"])
def test_a_published_recording_does_not_diverge_from_its_own_topology(run: dict[str, Any]) -> None:
    found = walked(graph_of(BY_ID[run["topology_id"]]).compile(), messages_of(run))

    assert (found.divergence and found.divergence.name) == KNOWN.get(run["id"])
    assert set(found.path) <= names_in(messages_of(run))


def handoffs_in(run: dict[str, Any]) -> list[tuple[int, str, str]]:
    """(message, from, to) of every handoff that the recording tells of; one to oneself moves nothing."""
    return [
        (at, m["name"], m["handoff_to"])
        for at, m in enumerate(run["messages"])
        if m.get("handoff_to") not in (None, m.get("name"), "indentify_agent")
    ]


@pytest.mark.parametrize("run", [run for run in OF_A_TOPOLOGY if handoffs_in(run)], ids=lambda run: run["id"])
def test_a_published_recording_diverges_at_the_first_handoff_that_went_away(run: dict[str, Any]) -> None:
    """Each handoff that was recorded is taken out of the topology in turn."""
    topology = BY_ID[run["topology_id"]]
    for _, source, target in handoffs_in(run):
        edges = [edge for edge in topology["edges"] if (edge["from"], edge["to"]) != (source, target)]
        first = next(at for at, *pair in handoffs_in(run) if pair == [source, target])

        found = walked(graph_of({**topology, "edges": edges}).compile(), messages_of(run)).divergence

        assert found is not None
        assert (found.kind, found.agent, found.name, found.message) == ("handoff gone", source, target, first)


def test_a_recording_of_ours_as_messages_alone_is_walked_too() -> None:
    messages = TRACE.contexts[-1].messages

    assert walked(desk().compile(), messages).path == ("Triage", "Billing")
    found = walked(desk({"Billing": AGENTS["Billing"].replace(tools=())}).compile(), messages).divergence
    assert isinstance(found, Divergence)
    assert (found.kind, found.name, found.event) == ("tool gone", "pay", None)
    assert [c.name for c in messages[found.message].tool_calls] == ["pay"]


def test_who_is_no_agent_is_a_divergence() -> None:
    said = [Message("user", "hi"), Message("assistant", "hello", agent="Nobody")]

    found = walked(desk().compile(), said).divergence

    assert found is not None
    assert (found.kind, found.name, found.message) == ("agent gone", "Nobody", 1)


@pytest.mark.parametrize(
    ("other", "kind"), [(paying_in_cents.replace(requires=["verified"]), "arguments"), (pay.replace(requires=["of age"]), "tool refused")]
)
def test_a_call_that_the_call_before_it_has_permitted_is_refused_for_what_changed(other: Tool, kind: str) -> None:
    """What was missing when the reply came was there when its turn came."""
    before = AgentGraph.of(Agent("Billing", tools=[verify, pay.replace(requires=["verified"])]))
    model = ScriptedModel([[call("verify", code=1), call("pay", amount=3.5)], "paid"])
    trace = AgentRunner(before, RunConfig(model=model)).run("pay").trace

    found = replay_against(AgentGraph.of(Agent("Billing", tools=[verify, other])).compile(), trace)

    assert found is not None
    assert (found.kind, found.name, found.event) == (kind, "pay", 2)


@pytest.mark.parametrize(
    ("graph", "kind", "name", "event"),
    [
        (desk(edges={("Triage", "Billing"): None}), "handoff gone", "Billing", 1),
        (desk({"Billing": None}), "handoff gone", "Billing", 1),
        (desk(edges={("Triage", "Billing"): {"requires": "of age"}}), "handoff refused", "Billing", 2),
        (desk({"Triage": AGENTS["Triage"].replace(tools=[])}), "tool gone", "verify", 1),
    ],
)
def test_a_handoff_that_waits_for_the_calls_before_it_is_one_already(graph: AgentGraph, kind: str, name: str, event: int) -> None:
    """Whom it leads to is in what was recorded later."""
    model = ScriptedModel([[call("verify", code=2), handoff("Billing")], "here is Billing"])
    trace = AgentRunner(desk(), RunConfig(model=model)).run("pay").trace

    found = replay_against(graph.compile(), trace)

    assert found is not None
    assert (found.kind, found.name, found.event) == (kind, name, event)
