"""The laws of moving a conversation into a changed graph: it goes on there, or the reason is named; and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Budget,
    Context,
    ContextError,
    Handoff,
    Message,
    RunConfig,
    ScriptedModel,
    call,
    handoff,
    tool,
)
from agentgraph.engine import due
from tests.laws.test_runs import configs, spoken
from tests.strategies import Improviser, Move, at_place, changed, conversations, graphs, places

SECOND = "the same, under another name"


def renamed(graph: AgentGraph, names: dict[str, str]) -> AgentGraph:
    """`graph` with some agents called otherwise, and so the handoffs to them that have no name of their own."""
    called = {name: names.get(name, name) for name in graph.agents}
    after = AgentGraph(graph.name)
    for name, each in graph.agents.items():
        after.add_agent(each.replace(name=called[name], handoffs=()))
    for edge in graph.edges:
        own = None if edge.tool == graph.handoff_name(edge.target) else edge.tool
        after.add_handoff(called[edge.source], edge.handoff.replace(target=called[edge.target], tool_name=own))
    after.entry = called[graph.entry]
    return after


def without_names(messages: Any) -> list[Any]:
    """What was said, but for the names of agents and tools."""
    return [(m.role, m.content, m.tool_call_id, [(c.id, c.arguments, c.text) for c in m.tool_calls], m.agent is None) for m in messages]


@given(graphs(), conversations(), configs(), st.data())
def test_a_migrated_context_goes_on_or_the_reason_is_named(
    graph: AgentGraph, script: list[Move], config: RunConfig, data: st.DataObject
) -> None:
    """From any snapshot of any run, into any changed graph, with agents renamed or not."""
    context = at_place(spoken(graph, script, config).trace.contexts, data.draw(places))
    agent = data.draw(st.sampled_from(sorted(graph.agents)))
    after = renamed(data.draw(changed(graph)), {agent: SECOND})
    rename = data.draw(st.sampled_from([{agent: SECOND}, {}]))
    before = context.to_json()
    if context.agent is not None and rename.get(context.agent, context.agent) not in after.agents:
        with pytest.raises(ContextError) as refused:
            context.migrate(after, rename)
        assert repr(context.agent) in str(refused.value)
        assert refused.value.given is context
    else:
        moved = context.migrate(after, rename)
        assert without_names(moved.messages) == without_names(context.messages)
        assert [(c.id, c.arguments) for c in moved.pending] == [(c.id, c.arguments) for c in context.pending]
        for field in ("data", "facts", "usage", "turn", "phase"):
            assert getattr(moved, field) == getattr(context, field)
        goes_on(after, moved)
    assert context.to_json() == before


def goes_on(graph: AgentGraph, context: Context) -> None:
    runner = AgentRunner(graph, RunConfig(model=Improviser([]), approve=lambda call: True))
    results = [runner.run("and now?", context=context)] + ([runner.resume(context)] if due(context) else [])
    for result in results:
        assert not isinstance(result.error, ContextError), result.error
        assert result.messages[: len(context.messages)] == tuple(context.messages)


@given(graphs(), conversations(), configs(), st.data())
def test_renaming_agents_there_and_back_gives_the_same(
    graph: AgentGraph, script: list[Move], config: RunConfig, data: st.DataObject
) -> None:
    """Handoffs, answers to them, visits and pending calls are renamed with them, and nothing else is; also where names are exchanged."""
    context = at_place(spoken(graph, script, config).trace.contexts, data.draw(places))
    agents = sorted(graph.agents)
    names = dict(zip(agents, data.draw(st.permutations([SECOND, *agents])), strict=False))
    after = renamed(graph, names)

    there = context.migrate(after, names)

    assert [m.agent for m in there.messages] == [m.agent and names[m.agent] for m in context.messages]
    assert handed_in(after, there) == [(names[source], names[target]) for source, target in handed_in(graph, context)]
    assert there.migrate(graph, {new: old for old, new in names.items()}) == context.replace(fingerprint=graph.fingerprint)


def handed_in(graph: AgentGraph, context: Context) -> list[tuple[str, str]]:
    """From whom to whom the handoffs lead that are called, be they carried out, refused or pending."""
    leads = {(edge.source, edge.tool): edge.target for edge in graph.edges}
    called = ((message.agent or "", call.name) for message in context.messages for call in message.tool_calls)
    return [(at[0], leads[at]) for at in called if at in leads]


# -- one by one ----------------------------------------------------------------------------------------------------------


@tool(needs_approval=True)
def ask_person() -> str:
    """Ask a person."""
    return "yes"


def waiting() -> Context:
    """Triage waits for an approval, and is to hand over to Billing after it."""
    model = ScriptedModel([[call("ask_person"), handoff("Billing")]])
    graph = AgentGraph("desk").add_agent(Agent("Triage", tools=[ask_person])).add_agent(Agent("Billing")).add_handoff("Triage", "Billing")
    return AgentRunner(graph, RunConfig(model=model)).run("hello").context


def desk(billing: str, tool_name: str | None = None, *, person: str = "ask_person") -> AgentGraph:
    graph = AgentGraph("desk").add_agent(Agent("Triage", tools=[ask_person.replace(name=person)])).add_agent(Agent(billing))
    return graph.add_handoff("Triage", billing, tool_name=tool_name)


@pytest.mark.parametrize(
    ("graph", "options"),
    [
        (desk("Accounts"), {"rename": {"Billing": "Accounts"}}),
        (desk("Accounts", "handoff_to_billing"), {"rename": {"Billing": "Accounts"}}),
        (desk("Accounts", "to_accounts"), {"rename": {"Billing": "Accounts"}, "tools": {"handoff_to_billing": "to_accounts"}}),
        (desk("Accounts", person="confirm"), {"rename": {"Billing": "Accounts"}, "tools": {"ask_person": "confirm"}}),
        (desk("Accounts").compile(), {"rename": {"Billing": "Accounts"}}),
    ],
)
def test_a_pending_handoff_is_carried_out_under_its_new_name(graph: Any, options: dict[str, Any]) -> None:
    context = waiting().migrate(graph, **options)

    result = AgentRunner(graph, RunConfig(model=ScriptedModel(["here is Accounts"]), approve=lambda call: True)).resume(context)

    assert (result.output, result.path) == ("here is Accounts", ("Triage", "Accounts"))


DESK = AgentGroup("Accounts", Agent("Root"))


def spread(*names: str) -> AgentGraph:
    """Triage may hand over to each of `names`."""
    graph = AgentGraph("desk").add_agent(Agent("Triage", tools=[ask_person]))
    for name in names:
        graph.add_agent(Agent(name)).add_handoff("Triage", name)
    return graph


@pytest.mark.parametrize(
    ("graph", "rename", "target"),
    [
        (spread("Billing", "Refunds"), {"Billing": "Refunds", "Refunds": "Billing"}, "Refunds"),  # they have changed places
        (spread("Billing", "Returns"), {"Billing": "Returns", "Refunds": "Billing"}, "Returns"),  # one after the other
        (spread("Billing", "Accounts"), {"Billing": "Accounts"}, "Accounts"),  # and another has the name since
        (spread("Billing", "Accounts").compile(), {"Billing": "Accounts"}, "Accounts"),
        (spread("Billing").add_agent(DESK).add_handoff("Triage", DESK), {"Billing": "Accounts"}, "Root"),  # a group, by its name
    ],
)
def test_a_pending_handoff_leads_where_it_led_also_when_names_were_exchanged(graph: Any, rename: dict[str, str], target: str) -> None:
    context = waiting().migrate(graph, rename)

    result = AgentRunner(graph, RunConfig(model=ScriptedModel(["here"]), approve=lambda call: True)).resume(context)

    assert result.path == ("Triage", target)


def test_a_handoff_that_still_leads_to_the_renamed_keeps_the_name_it_was_given() -> None:
    graph = desk("Accounts", "handoff_to_billing").add_handoff("Triage", "Accounts")

    assert [call.name for call in waiting().migrate(graph, {"Billing": "Accounts"}).pending] == ["ask_person", "handoff_to_billing"]


def test_visits_of_agents_that_became_one_are_added_up() -> None:
    model = ScriptedModel([handoff("B"), handoff("C"), handoff("B"), RuntimeError("away")])
    team = [Agent("A", handoffs=["B"]), Agent("B", handoffs=["C"]), Agent("C", handoffs=["B"])]
    trace = AgentRunner.with_agents(*team, config=RunConfig(model=model, budget=Budget(visits=9))).run("go").trace
    context = trace.contexts[-2]
    assert context.progress is not None
    assert context.progress.visits == {"B": 2, "C": 1}

    moved = context.migrate(AgentGraph.of(Agent("A"), Agent("D")), {"B": "D", "C": "D"})

    assert moved.progress is not None
    assert moved.progress.visits == {"D": 3}


@pytest.mark.parametrize("options", [{"rename": {"A": 5}}, {"rename": [("A", "B")]}, {"tools": {None: "x"}}, {"tools": "ab"}])
def test_names_that_are_none_are_refused(options: dict[str, Any]) -> None:
    context = Context("A", messages=[Message("user", "hi")])

    with pytest.raises(ContextError, match="a dict from old names to new ones"):
        context.migrate(AgentGraph.of(Agent("A")), **options)


@pytest.mark.parametrize("more", [{}, {"refusal": None}, {"refusal": None, "handoff_to": "Billing", "handoff_via": "to_billing"}])
def test_imported_messages_are_renamed_in_every_key_that_names_somebody(more: dict[str, Any]) -> None:
    """What providers add to a message, and other systems, is kept beside."""

    def said(agent: str, target: str, tool_name: str) -> list[dict[str, Any]]:
        renamed = {"handoff_to": target, "handoff_via": tool_name} if "handoff_to" in more else {}
        calls = [{"id": "c", "type": "function", "function": {"name": tool_name, "arguments": " {}"}, "index": 0}]
        return [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "name": agent, "content": None, "tool_calls": calls, **more, **renamed},
            {"role": "tool", "name": tool_name, "content": "done", "tool_call_id": "c"},
        ]

    graph = AgentGraph.of(Agent("Front", handoffs=[Handoff("Accounts", tool_name="to_accounts")]), Agent("Accounts"))
    names: dict[str, Any] = {"rename": {"Triage": "Front", "Billing": "Accounts"}, "tools": {"to_billing": "to_accounts"}}
    moved = Context(messages=said("Triage", "Billing", "to_billing")).migrate(graph, **names)

    assert [message.to_openai() for message in moved.messages] == said("Front", "Accounts", "to_accounts")
    assert moved.replace(fingerprint=None) == Context(messages=said("Front", "Accounts", "to_accounts"))
    assert AgentRunner(graph, RunConfig(model=ScriptedModel(["here"]))).run("and now?", context=moved).path == ("Accounts",)
