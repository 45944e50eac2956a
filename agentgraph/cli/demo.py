"""`agentgraph demo`: the first conversation, without a provider. Rules answer in place of a model, and the output says so."""

from __future__ import annotations

import json
import sys
from typing import Any

from agentgraph.agent_graph import AgentGraph
from agentgraph.cli.narration import narrate
from agentgraph.conversation.reply import call
from agentgraph.definition.agent import Agent
from agentgraph.definition.handoff import handoff
from agentgraph.definition.tool import tool
from agentgraph.definition.tool_context import ToolContext
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.models.keyword import KeywordModel

_BALANCES = {"ACC-17": "1,250.00", "ACC-18": "0.00"}
_CODE = 1234


@tool
def customer_lookup(email: str) -> dict[str, str]:
    """Find a customer by e-mail address.

    Args:
        email: The address they wrote from.
    """
    return {"email": email, "account_id": "ACC-17"}


@tool
def check_balance(account_id: str, ctx: ToolContext) -> dict[str, str]:
    """Current balance of an account.

    Args:
        account_id: Account number, such as "ACC-17".
    """
    ctx.update(last_account=account_id)
    if account_id not in _BALANCES:
        raise LookupError(f"there is no account {account_id}; there are {', '.join(_BALANCES)}")
    return {"account_id": account_id, "balance": _BALANCES[account_id], "currency": "USD"}


@tool(sets="verified")
def verify_identity(code: int) -> str:
    """Check the code that was sent to the customer.

    Args:
        code: Four digits.
    """
    if code != _CODE:
        raise PermissionError("that is not the code that was sent")
    return "verified"


@tool(requires="verified", needs_approval=True)
def refund(amount: float) -> str:
    """Pay money back. A person is asked first.

    Args:
        amount: US dollars.
    """
    return f"refunded ${amount:.2f}"


def _answer(output: str) -> str:
    account = json.loads(output)
    return f"The balance of {account['account_id']} is ${account['balance']}."


rules = (
    KeywordModel()
    .when(r"bill|invoice|balance|payment|owe|refund|ACC-\d+", handoff("Billing", reason="a question about money"), agent="Triage")
    .after("verify_identity", "That is not the code. Please look again.", agent="Billing", pattern=r"\Aerror")
    .after("verify_identity", "Thank you, I know now who you are. What shall I do?", agent="Billing")
    .after("refund", f"First I have to know who you are. Please tell me the code you were sent (it is {_CODE}).", pattern="verified")
    .after("refund", "I am sorry, I may not do that.", agent="Billing", pattern=r"\Aerror")
    .after("refund", "$10.00 is on its way to you.", agent="Billing")
    .when("refund", call("refund", amount=10), agent="Billing")
    .when(r"\b\d{4}\b", lambda said: call("verify_identity", code=int(said.group())), agent="Billing")
    .when(r"(ACC-\d+)", lambda said: call("check_balance", account_id=said.group(1).upper()), agent="Billing")
    .after("check_balance", "I could not find that account. Is the number right?", agent="Billing", pattern=r"\Aerror")
    .after("check_balance", _answer, agent="Billing")
    .when("bill|invoice|balance|payment|owe", call("check_balance", account_id="ACC-17"), agent="Billing")
    .when("hello|hi|thank", "Hello! Ask me about a bill, an invoice or a balance.")
    .otherwise("This is an offline demonstration: it knows about bills and balances only.")
)

triage = Agent("Triage", instructions="Route people to a specialist.", model=rules, tools=(customer_lookup,))
billing = Agent(
    "Billing", instructions="Help with invoices, payments and balances.", model=rules, tools=(check_balance, verify_identity, refund)
)

graph = AgentGraph("support")
graph.add_agent(triage).add_agent(billing)
graph.add_handoff("Triage", "Billing", description="invoices, payments, balances")
graph.add_handoff("Billing", "Triage", description="anything else")


_REAL = 'agentgraph run agentgraph.cli.demo:graph "What do I owe?" --model openai/gpt-5-mini'


def show(out: Any = None) -> None:
    """Hold the conversation and print it."""
    out = out or sys.stdout
    runner = AgentRunner(graph)
    narrate(runner, out)
    print("Offline demonstration: rules answer here, not a language model. With one:", file=out)
    print(f"  {_REAL}\n", file=out)
    said = "I have a question about my bill. What is the balance of ACC-17?"
    print(f"User: {said}", file=out)
    result = runner.run(said).raise_for_error()
    print(f"{result.context.agent}: {result.output}", file=out)
