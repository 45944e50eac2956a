"""A graph that has a bit of everything, for `machine()` without one."""

from __future__ import annotations

from pydantic import BaseModel

from agentgraph.agent_graph import AgentGraph
from agentgraph.conversation.context import Context
from agentgraph.definition.agent import Agent
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.tool import tool


class Claim(BaseModel):
    """What a handoff to the claims desk must be given."""

    order: str
    amount: float = 1.0


@tool
def look_up(order: str) -> str:
    """Look an order up."""
    return order


@tool(sets="verified")
def verify_identity(code: int) -> bool:
    """Find out who it is."""
    return code > 0


@tool(sets="of age", requires="verified")
def check_age() -> bool:
    """Find out how old they are."""
    return True


@tool(requires="verified")
def refund(order: str, amount: float) -> str:
    """Give money back."""
    return f"{order}: {amount}"


@tool(requires=["verified", "of age"])
def ship(order: str) -> str:
    """Send what children may not have."""
    return order


@tool(final=True)
def close(summary: str) -> str:
    """End the conversation."""
    return summary


@tool(needs_approval=True, sets="waived")
def waive_fee() -> str:
    """Let them off, if a person agrees."""
    return "waived"


def is_busy(context: Context) -> bool:
    """A condition of the user's own."""
    return len(context.messages) > 1


def example() -> AgentGraph:
    """A shop: guarded tools and handoffs, a condition, a payload, a group, an agent as a tool, one that may not finish."""
    translator = Agent("Translator", tools=[look_up])
    triage = Agent("Triage", tools=[verify_identity, check_age, look_up, waive_fee, translator.as_tool()])
    claims = Agent("Claims", tools=[refund, ship, close, look_up])
    lead = Agent("Desk lead", tools=[look_up, check_age], may_finish=False)
    clerk = Agent("Clerk", tools=[ship, waive_fee, check_age])
    person = Agent("客服", tools=[close])
    graph = AgentGraph("shop", home="Triage", human="客服")
    for member in (triage, claims, AgentGroup("Desk", root=lead, members=[clerk]), person):
        graph.add_agent(member)
    graph.add_handoff("Triage", "Claims", requires="verified")
    graph.add_handoff("Triage", "Desk")
    graph.add_handoff("Triage", "客服", when=is_busy)
    graph.add_handoff("Claims", "Triage")
    graph.add_handoff("Desk lead", "Clerk", requires=["verified", "of age"])
    graph.add_handoff("Desk lead", "Claims", payload=Claim)
    graph.add_handoff("Desk lead", "Triage")
    graph.add_handoff("Clerk", "Desk lead")
    graph.add_handoff("Clerk", "Claims", requires="waived", when=is_busy)
    graph.add_handoff("客服", "Triage")
    return graph
