"""Two handlers look at every tool output: the run's first, then the agent's, which sees what the first made of it.

The run's handler follows the whole conversation, across handoffs: it hides card numbers, whoever's tool gave them.
Billing has a handler of its own, `Agent(on_tool_output=...)`, which writes cents as dollars. Each Rewrite is what the
next handler sees, and in the end what the model reads. The run's value lives as long as the run; Billing's is made
anew whenever Billing takes over.

    python examples/mixed_shared_individual.py                              rules answer, offline
    python examples/mixed_shared_individual.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    User: What did I pay last month? I am ada@example.net.

    Triage calls find_customer
      the run's handler, output 1:  customer 17, card 4111 1111 1111 1111
      the model reads:              customer 17, card **** 1111

    Triage hands over to Billing

    Billing calls last_payment
      the run's handler, output 2:  8900 cents from card 4111 1111 1111 1111
      Billing's handler, output 1:  8900 cents from card **** 1111
      the model reads:              $89.00 from card **** 1111

    Billing: Last month you paid $89.00 from card **** 1111.

    The run's handler has hidden 2 card numbers.
"""

import argparse
import logging
import re
import sys
from dataclasses import dataclass

from agentgraph import (
    Agent,
    AgentGraph,
    AgentHandoff,
    AgentRunner,
    AgentThinking,
    Forward,
    KeywordModel,
    Rewrite,
    RunConfig,
    ToolOutput,
    ToolStarted,
    call,
    handoff,
    tool,
)

log = logging.getLogger("payments")


@tool
def find_customer(email: str) -> str:
    """Who writes from this e-mail address."""
    return "customer 17, card 4111 1111 1111 1111"


@tool
def last_payment(customer: int) -> str:
    """What a customer paid last month."""
    return "8900 cents from card 4111 1111 1111 1111"


@dataclass(frozen=True)
class Watch:
    """The run's value: what its handler has seen so far."""

    outputs: int = 0
    hidden: int = 0


def hide_cards(watch: Watch, output: ToolOutput) -> tuple[Watch, Forward | Rewrite]:
    log.info("  the run's handler, output %d:  %s", watch.outputs + 1, output.error or output.value)
    text, hidden = re.subn(r"(\d{4} ){3}(\d{4})", r"**** \2", str(output.value))
    now = Watch(watch.outputs + 1, watch.hidden + hidden)
    return now, Rewrite(text) if hidden else Forward()


def in_dollars(seen: int, output: ToolOutput) -> tuple[int, Forward | Rewrite]:
    log.info("  Billing's handler, output %d:  %s", seen + 1, output.error or output.value)
    text, changed = re.subn(r"(\d+) cents", lambda cents: f"${int(cents[1]) / 100:.2f}", str(output.value))
    return seen + 1, Rewrite(text) if changed else Forward()


rules = (
    KeywordModel(default="I can tell you what you paid last month; which e-mail address are you under?")
    .when(r"\S+@\S+\w", lambda found: call("find_customer", email=found.group()), agent="Triage")
    .after("find_customer", handoff("Billing"))
    .when("pay|paid", call("last_payment", customer=17), agent="Billing")
    .after("last_payment", lambda output: f"Last month you paid {output}.")
)

triage = Agent("Triage", instructions="Find out who writes, then hand over.", model=rules, tools=[find_customer])
billing = Agent(
    "Billing",
    instructions="Help with payments.",
    model=rules,
    tools=[last_payment],
    on_tool_output=(int, in_dollars),  # a factory and a handler; int() is 0
)

graph = AgentGraph("payments")
graph.add_agent(triage).add_agent(billing)
graph.add_handoff("Triage", "Billing", description="questions about payments")


def main(model: str | None = None) -> None:
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)  # the handlers tell what they see
    if model is None:
        print("(Rules answer here, not a language model.)\n")

    @runner.on_tool_start
    def calls(event: ToolStarted) -> None:
        print(f"\n{event.agent} calls {event.name}")

    @runner.on_agent_handoff
    def hands_over(event: AgentHandoff) -> None:
        print(f"\n{event.source} hands over to {event.target}")

    @runner.on_agent_thinking
    def thinks(event: AgentThinking) -> None:
        last = event.context.messages[-1]
        if last.role == "tool" and last.agent is None:  # the answer to a handoff names the agent that took over
            print(f"  the model reads:              {last.text}")

    question = "What did I pay last month? I am ada@example.net."
    print(f"User: {question}")
    done = runner.run_with_run_context(question, factory=Watch, handler=hide_cards)
    print(f"\n{done.result.context.agent}: {done.result.error or done.result.output}")
    print(f"\nThe run's handler has hidden {done.run_context.hidden} card numbers.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A handler of the run, then a handler of one agent.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
