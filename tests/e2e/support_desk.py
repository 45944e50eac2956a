"""The agents of the wire tests. Their instructions are what the fixtures of the mock provider know them by."""

from __future__ import annotations

from pydantic import BaseModel

from agentgraph import Agent, AgentGraph, ToolContext, tool


class Invoice(BaseModel):
    """What Clerk reads out of a text."""

    number: str
    cents: int


@tool
def lookup_invoice(invoice_id: str, ctx: ToolContext) -> dict[str, str]:
    """What an invoice is about.

    Args:
        invoice_id: Number of the invoice, such as "INV-7".
    """
    ctx.update(last_invoice=invoice_id)
    return {"invoice_id": invoice_id, "amount": "42.00", "currency": "USD"}


triage = Agent("Triage", instructions="You are Triage. Route people to a specialist.", temperature=0.1)
billing = Agent("Billing", instructions="You are Billing. Help with invoices.", tools=(lookup_invoice,), headers={"X-Desk": "billing"})
clerk = Agent("Clerk", instructions="You are Clerk. Read and write for the others.")
reader = Agent("Reader", instructions="You are Clerk. Read invoices.", output_type=Invoice)

graph = AgentGraph("support")
graph.add_agent(triage).add_agent(billing)
graph.add_handoff("Triage", "Billing", description="invoices, payments, refunds")
graph.add_handoff("Billing", "Triage", description="anything else")

QUESTION = "I want a refund for INV-7."
ANSWER = "Invoice INV-7 over 42.00 USD was refunded to your card today."
