"""semantics.md, "Names"."""

# Lists of tools and names of agents, as users write them; the fields of `Agent` are typed as what they become.

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, DefinitionError, Handoff, RunConfig, ScriptedModel, Tool, handoff, tool
from agentgraph.definition.naming import handoff_tool_name
from tests.conformance.conftest import Hold
from tests.conformance.reading import offered

ACCEPTED = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
LONG = "Customer Care For Everything That Has To Do With Seats " * 4

NAMES = [
    "客服",
    "账单",
    "カスタマー",
    "Поддержка",
    "Платежи",
    "شكرا",
    "Ünïcödé Dësk",
    "Straße",
    "Café-Zürich",
    "😀",
    "!!!",
    "tab\there",
    'say "hi"',
    "<admin>",
    "A/B",
    "42",
    "-",
    LONG,
    LONG + "!",
    LONG + "2",
    "客" * 200,
    "客" * 199 + "服",
    "end",
    "\u0130stanbul",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Billing", "handoff_to_billing"),
        ("Seat Booking Agent", "handoff_to_seat_booking_agent"),
        ("Billing-A", "handoff_to_billing_a"),
        ("  Billing   Desk  ", "handoff_to_billing_desk"),
        ("A&B (new)", "handoff_to_a_b_new"),
        ("Café-Zürich", "handoff_to_cafe_zurich"),
        ("Agent 7", "handoff_to_agent_7"),
    ],
)
def test_handoff_to_and_lower_snake_case(name: str, expected: str) -> None:
    """ "Handoff tool: `handoff_to_` + lower snake case"."""
    assert handoff_tool_name(name) == expected
    assert Handoff(name).tool == expected
    assert handoff(name).name == expected


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_every_name_becomes_one_that_providers_accept(hold: Hold, name: str) -> None:
    """ "Providers accept `^[a-zA-Z0-9_-]{1,64}$`: other scripts are transliterated or replaced by a short stable hash, long names
    cut with a hash": and the handoff works."""
    model = ScriptedModel([handoff(name), "here"])
    graph = AgentGraph("g").add_agent(Agent("Entry", model=model)).add_agent(Agent(name, model=model)).add_handoff("Entry", name)

    result = hold(AgentRunner(graph), "go")

    (called,) = offered(model.requests[0])
    assert ACCEPTED.match(called)
    assert called.startswith("handoff_to_")
    assert len(called) > len("handoff_to_")
    assert result.path == ("Entry", name)


def test_different_names_stay_different() -> None:
    """ "replaced by a short stable hash (... CJK names become `handoff_to_`)": no two of these share a name."""
    tools = [handoff_tool_name(name) for name in NAMES]

    assert len(set(tools)) == len(NAMES)
    graph = AgentGraph("g").add_agent(Agent("Entry"))
    for name in NAMES:
        graph.add_agent(Agent(name)).add_handoff("Entry", name)
    graph.compile()


def test_hashes_are_stable_across_processes() -> None:
    """ "a short **stable** hash"."""
    code = f"from agentgraph.definition.naming import handoff_tool_name as n; print(*map(n, {NAMES!a}), sep=',')"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": "7"}).stdout

    assert found.strip().split(",") == [handoff_tool_name(name) for name in NAMES]


@pytest.mark.parametrize(
    ("one", "other"),
    [("Billing-A", "Billing A"), ("Café", "Cafe"), ("billing", "Billing"), ("A.B", "A_B"), ("Seat  Desk", "seat desk")],
)
def test_two_handoffs_that_would_share_a_name_are_refused(one: str, other: str) -> None:
    """ "two handoffs or tools of one agent that would share a name are a `DefinitionError` naming both"."""
    graph = AgentGraph("g").add_agent(Agent("Entry", handoffs=[one, other])).add_agent(Agent(one)).add_agent(Agent(other))

    with pytest.raises(DefinitionError) as refused:
        graph.compile()

    assert repr(one) in str(refused.value)
    assert repr(other) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "name-collision" in {f.code for f in refused.value.findings}


def test_names_that_older_systems_confuse_are_kept_apart() -> None:
    """ "(R lets "Billing-A" and "BillingA" collide, and CJK names become `handoff_to_`)"."""
    assert handoff_tool_name("Billing-A") != handoff_tool_name("BillingA")
    AgentGraph("g").add_agent(Agent("E", handoffs=["Billing-A", "BillingA"])).add_agent(Agent("Billing-A")).add_agent(
        Agent("BillingA")
    ).compile()


@tool(name="handoff_to_billing")
def impostor() -> str:
    """Look like a handoff."""
    return "gotcha"


@tool(name="lookup")
def lookup() -> str:
    """Look up."""
    return ""


@tool(name="lookup")
def lookup_again() -> str:
    """Look up."""
    return ""


def test_tools_that_share_a_name_are_refused() -> None:
    """ "two handoffs **or tools** of one agent that would share a name"."""
    with pytest.raises(DefinitionError, match="'lookup'"):
        AgentGraph("g").add_agent(Agent("A", tools=[lookup, lookup_again])).compile()


def test_a_tool_and_a_handoff_that_share_a_name_are_refused() -> None:
    """ "two handoffs or tools of one agent that would share a name are a `DefinitionError` naming both"."""
    with pytest.raises(DefinitionError) as refused:
        AgentGraph("g").add_agent(Agent("A", tools=[impostor], handoffs=["Billing"])).add_agent(Agent("Billing")).compile()

    assert "'handoff_to_billing'" in str(refused.value)
    assert "'Billing'" in str(refused.value)


def test_two_handoffs_with_one_written_tool_name_are_refused() -> None:
    """ "would share a name": a name that is written out, too."""
    graph = AgentGraph("g").add_agent(Agent("A", handoffs=[Handoff("B", tool_name="go"), Handoff("C", tool_name="go")]))
    graph.add_agent(Agent("B")).add_agent(Agent("C"))

    with pytest.raises(DefinitionError) as refused:
        graph.compile()

    assert all(word in str(refused.value) for word in ("'go'", "'B'", "'C'"))


def test_one_name_at_two_agents_is_no_collision(hold: Hold) -> None:
    """ "of **one** agent": the same tool, and the same handoff name, at different agents is fine."""
    a = Agent("A", tools=[lookup], handoffs=[Handoff("B", tool_name="go")])
    b = Agent("B", tools=[lookup_again], handoffs=[Handoff("A", tool_name="go")])
    graph = AgentGraph("g").add_agent(a).add_agent(b)
    script = ScriptedModel([handoff("B", tool_name="go"), handoff("A", tool_name="go"), "back"])

    result = hold(AgentRunner(graph.compile()), "go", config=RunConfig(model=script))

    assert result.path == ("A", "B", "A")


def test_a_written_tool_name_mends_a_collision() -> None:
    """ "two handoffs ... that **would share a name**": with names of their own they do not."""
    a = Agent("Entry", handoffs=[Handoff("Café", tool_name="to_coffee"), Handoff("Cafe", tool_name="to_cafe")])

    AgentGraph("g").add_agent(a).add_agent(Agent("Café")).add_agent(Agent("Cafe")).compile()


@pytest.mark.parametrize("length", [1, 63, 64])
def test_tool_names_that_providers_accept_are_accepted(length: int) -> None:
    """ "Providers accept `^[a-zA-Z0-9_-]{1,64}$`"."""
    assert Tool(name="a" * length).name == "a" * length
