"""The runs behind the sequence diagrams of the seeds: live ones, with models that say what they are told to say."""

from __future__ import annotations

from agentgraph import Agent, AgentRunner, Reply, RunConfig, RunResult, call, handoff, tool
from agentgraph.models import ScriptedModel


@tool
def lookup_customer_balance() -> str:
    """What the customer owes."""
    return "$1,250.00"


@tool
def lookup_invoice_details() -> dict[str, str]:
    """The customer's last invoice.

    Returns:
        Invoice data.
    """
    return {"number": "2024-17", "total": "$1,250.00"}


def plain_answer() -> RunResult:
    """One agent answers."""
    runner = AgentRunner.with_agents(Agent("Assistant"), config=_saying("It's currently 3:30 PM"))
    return runner.run("What time is it?")


def tool_call() -> RunResult:
    """One agent asks a tool, and answers."""
    agent = Agent("Assistant", tools=[lookup_customer_balance])
    runner = AgentRunner.with_agents(agent, config=_saying(call("lookup_customer_balance"), "Your current balance is $1,250.00"))
    return runner.run("What's my account balance?")


def handed_over() -> RunResult:
    """One agent hands over to another, which asks a tool, and answers."""
    triage, billing = Agent("Triage", handoffs=["Billing"]), Agent("Billing", tools=[lookup_invoice_details])
    config = _saying(
        Reply("Transfer to Billing", handoff("Billing")),
        call("lookup_invoice_details"),
        "I found your invoice. Here are the details...",
    )
    return AgentRunner.with_agents(triage, billing, config=config).run("I have a billing question about my last invoice")


def _saying(*replies: object) -> RunConfig:
    return RunConfig(model=ScriptedModel(replies))
