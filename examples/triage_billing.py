"""Triage hands a billing question to Billing; the follow-up goes straight to Billing.

A runner is created once and keeps nothing. What a conversation needs is in the context that each result carries, so
the second message finds its agent by itself: whoever holds the conversation answers.

    python examples/triage_billing.py                              rules answer, offline
    python examples/triage_billing.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    User: I need help with my bill for ACC-17.
      Triage hands over to Billing: a question about a bill
      Billing calls check_balance: {"account_id": "ACC-17", "balance": "1,250.00", "due": "31 January"}
    Billing: You owe $1,250.00 on ACC-17, due on 31 January.

    User: What payment methods do you accept?
    Billing: Cards, bank transfers and direct debit.

    Who held the first turn:  Triage, Billing
    Who held the second turn: Billing
"""

import argparse
import json

from agentgraph import (
    Agent,
    AgentGraph,
    AgentHandoff,
    AgentRunner,
    Context,
    KeywordModel,
    RunConfig,
    RunResult,
    ToolCompleted,
    call,
    handoff,
    tool,
)

ACCOUNTS = {"ACC-17": {"balance": "1,250.00", "due": "31 January"}}


@tool
def check_balance(account_id: str) -> dict[str, str]:
    """What is owed on an account, and when it is due.

    Args:
        account_id: Account number, such as "ACC-17".
    """
    if account_id not in ACCOUNTS:
        raise LookupError(f"there is no account {account_id}")
    return {"account_id": account_id, **ACCOUNTS[account_id]}


def amount_owed(output: str) -> str:
    account = json.loads(output)
    return f"You owe ${account['balance']} on {account['account_id']}, due on {account['due']}."


rules = (
    KeywordModel()
    .when("bill|invoice|owe|pay|balance", handoff("Billing", reason="a question about a bill"), agent="Triage")
    .when(r"ACC-\d+", lambda found: call("check_balance", account_id=found.group().upper()), agent="Billing")
    .after("check_balance", "I cannot find that account. Is the number right?", pattern=r"\Aerror")
    .after("check_balance", amount_owed)
    .when("pay", "Cards, bank transfers and direct debit.", agent="Billing")
    .when("bill|invoice|owe|balance", "Which account is it about? The number looks like ACC-17.", agent="Billing")
    .otherwise("I can help with bills and payments.")
)

triage = Agent("Triage", instructions="Route people to a specialist.", model=rules)
billing = Agent("Billing", instructions="Help with bills and payments.", model=rules, tools=[check_balance])

graph = AgentGraph("support")
graph.add_agent(triage).add_agent(billing)  # the first one is the entry
graph.add_handoff("Triage", "Billing", description="bills and payments")
graph.add_handoff("Billing", "Triage", description="anything else")


def main(model: str | None = None) -> None:
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules
    if model is None:
        print("(Rules answer here, not a language model.)\n")

    @runner.on_agent_handoff
    def handed_over(event: AgentHandoff) -> None:
        print(f"  {event.source} hands over to {event.target}: {event.reason}")

    @runner.on_tool_complete
    def called(event: ToolCompleted) -> None:
        print(f"  {event.agent} calls {event.name}: {event.error or json.dumps(event.value)}")

    def say(text: str, context: Context | None = None) -> RunResult:
        print(f"User: {text}")
        result = runner.run(text, context=context)
        print(f"{result.context.agent}: {result.error or result.output}\n")
        return result

    first = say("I need help with my bill for ACC-17.")
    second = say("What payment methods do you accept?", context=first.context)
    print("Who held the first turn: ", ", ".join(first.path))
    print("Who held the second turn:", ", ".join(second.path))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Triage and Billing, in two turns.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
