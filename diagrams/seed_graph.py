"""The graph behind the drawings in `seeds/`: two agents with a tool each, that hand over to one another."""

from __future__ import annotations

from agentgraph import Agent, AgentGraph, tool


@tool
def customer_lookup(email: str) -> str:
    """Find a customer by e-mail address."""
    return email


@tool
def check_balance(account_id: str) -> str:
    """Current balance of an account."""
    return account_id


graph = AgentGraph("support")
graph.add_agent(Agent("Triage", instructions="Route people to a specialist.", tools=(customer_lookup,)))
graph.add_agent(Agent("Billing", instructions="Help with invoices and balances.", tools=(check_balance,)))
graph.add_handoff("Triage", "Billing").add_handoff("Billing", "Triage")
