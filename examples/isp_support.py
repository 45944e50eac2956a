"""The support desk of an internet provider: Triage, Sales and Support, and a person behind them.

What is shown here, in the order in which it happens:

- facts: `lookup_customer` sets "identified" and `checkout` requires it, so an order for nobody is refused by the
  runner, whatever the model believes;
- shared data: tools write it with `ctx.update`, and instructions may be a function of the context that reads it;
- a conversation that is put away as JSON between two messages, and taken up again with its agent, data and facts;
- structured output: Support answers with a `Solution`, a pydantic model, which names its sources;
- a way to a person: `escalate_to_human`.

    python examples/isp_support.py                              rules answer, offline
    python examples/isp_support.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    User: I would like to upgrade to Fibre 1000.
      [Triage hands over to Sales]
      [Sales reads: error: 'checkout' was not run: it needs 'identified' first]
    Sales: Gladly! Which e-mail address is your account under?

    User: ada@example.net
      [Sales: lookup_customer -> {'name': 'Ada', 'plan': 'Fibre 100'}]
      [Sales: checkout -> {'order': 'ORD-1', 'plan': 'Fibre 1000', 'per_month': '$89'}]
    Sales: Done: Fibre 1000 for $89 a month. Your order is ORD-1.

    (The conversation is put away as JSON, and taken up again the next day.)

    User: My internet is slow now!
      [Sales hands over to Triage]
      [Triage hands over to Support]
      [Support: search_docs -> KB-12: Slow after an upgrade? Unplug the modem for a minute, so that it learns its new speed.]
    Support: Slow after an upgrade? Unplug the modem for a minute, so that it learns its new speed. (see KB-12)

    What Support was told: Solve technical problems with the help pages. Escalate when they do not help. You are talking to Ada, who has Fibre 1000.

    User: It is still slow. I want to talk to a person.
      [Support: escalate_to_human -> ESC-1: Ada is called back within the hour]
    Support: I have asked a colleague to help (ESC-1: Ada is called back within the hour).

    Facts: identified. Data: {'name': 'Ada', 'plan': 'Fibre 1000'}.

    Meanwhile, at the same desk:

    User: Is there fibre in Elm Street? Please call me on 555-0142.
      [Triage hands over to Sales]
      [Sales: create_lead -> LEAD-1: call 555-0142 about Fibre 1000]
    Sales: Thank you! A colleague will call you today.
"""

import argparse
import json
from typing import Literal

from pydantic import BaseModel

from agentgraph import (
    Agent,
    AgentGraph,
    AgentHandoff,
    AgentRunner,
    AgentThinking,
    Context,
    KeywordModel,
    RunConfig,
    ToolCompleted,
    ToolContext,
    call,
    handoff,
    tool,
)

CUSTOMERS = {"ada@example.net": {"name": "Ada", "plan": "Fibre 100"}, "bo@example.net": {"name": "Bo", "plan": "Fibre 1000"}}
PRICES = {"Fibre 100": "$49", "Fibre 1000": "$89"}
DOCS = {
    "slow": "KB-12: Slow after an upgrade? Unplug the modem for a minute, so that it learns its new speed.",
    "light": "KB-31: A red light means that the line is down; we see it too and are on our way.",
}

# -- tools -------------------------------------------------------------------------------------------------------------


@tool(sets="identified")
def lookup_customer(email: str, ctx: ToolContext) -> dict[str, str]:
    """Find a customer in the CRM.

    Args:
        email: The address their account is under.
    """
    if email not in CUSTOMERS:
        raise LookupError(f"no customer has the address {email}")
    ctx.update(**CUSTOMERS[email])
    return CUSTOMERS[email]


@tool(requires="identified")
def checkout(plan: Literal["Fibre 100", "Fibre 1000"], ctx: ToolContext) -> dict[str, str]:
    """Order a plan for the customer."""
    ctx.update(plan=plan)
    return {"order": "ORD-1", "plan": plan, "per_month": PRICES[plan]}


@tool
def create_lead(phone: str, interest: str) -> str:
    """Note that somebody who is no customer yet wants to be called.

    Args:
        phone: Where to call.
        interest: What they are interested in.
    """
    return f"LEAD-1: call {phone} about {interest}"


@tool
def search_docs(question: str) -> str:
    """Search the help pages."""
    return next((text for word, text in DOCS.items() if word in question.lower()), "nothing found")


@tool
def escalate_to_human(reason: str, ctx: ToolContext) -> str:
    """Ask a person to take over."""
    return f"ESC-1: {ctx.data.get('name', 'somebody')} is called back within the hour"


# -- agents ------------------------------------------------------------------------------------------------------------


class Solution(BaseModel):
    """How Support answers: what to do, where that is written, and whether a person will call."""

    text: str
    sources: list[str] = []
    callback: bool = False


def support_instructions(context: Context) -> str:
    """Support greets people whom it knows, and knows what they have."""
    name, plan = context.data.get("name"), context.data.get("plan")
    known = f" You are talking to {name}, who has {plan}." if name else " Ask who they are."
    return "Solve technical problems with the help pages. Escalate when they do not help." + known


def ordered(output: str) -> str:
    order = json.loads(output)
    return f"Done: {order['plan']} for {order['per_month']} a month. Your order is {order['order']}."


def solved(output: str) -> str:
    source, _, text = output.partition(": ")
    return Solution(text=text, sources=[source]).model_dump_json()


def escalated(output: str) -> str:
    return Solution(text=f"I have asked a colleague to help ({output}).", callback=True).model_dump_json()


SALES, TECHNICAL = "upgrade|order|buy|price|fibre", "slow|light|down|router|modem|person|human"

rules = (
    KeywordModel(default="I can help with orders and with technical problems.")
    .when(TECHNICAL, handoff("Support"), agent="Triage")
    .when(SALES, handoff("Sales"), agent="Triage")
    .when(TECHNICAL, handoff("Triage"), agent="Sales")
    .when(r"\S+@\S+\w", lambda found: call("lookup_customer", email=found.group()), agent="Sales")
    .when(r"call me on ([\d-]+\d)", lambda found: call("create_lead", phone=found[1], interest="Fibre 1000"), agent="Sales")
    .when(SALES, call("checkout", plan="Fibre 1000"), agent="Sales")
    .after("checkout", "Gladly! Which e-mail address is your account under?", pattern=r"\Aerror")
    .after("checkout", ordered)
    .after("lookup_customer", "I cannot find that address. Is there another one?", pattern=r"\Aerror")
    .after("lookup_customer", call("checkout", plan="Fibre 1000"), agent="Sales")
    .after("create_lead", "Thank you! A colleague will call you today.")
    .when("person|human", call("escalate_to_human", reason="the customer asks for a person"), agent="Support")
    .when("slow|light", lambda found: call("search_docs", question=found.string), agent="Support")
    .after("search_docs", solved, pattern="KB-")
    .after("escalate_to_human", escalated)
    .when("", Solution(text="What exactly happens? I can look it up, or ask a person to call you.").model_dump_json(), agent="Support")
)

triage = Agent("Triage", instructions="Send people to Sales or to Support.", model=rules)
sales = Agent("Sales", instructions="Sell plans. Identify the customer first.", model=rules, tools=[lookup_customer, checkout, create_lead])
support = Agent(
    "Support", instructions=support_instructions, model=rules, tools=[lookup_customer, search_docs, escalate_to_human], output_type=Solution
)

graph = AgentGraph("internet provider", home="Triage", human="escalate_to_human")
graph.add_agent(triage).add_agent(sales).add_agent(support)
graph.add_handoff("Triage", "Sales", description="plans, prices, orders")
graph.add_handoff("Triage", "Support", description="technical problems, or a person is asked for")
graph.add_handoff("Sales", "Triage", description="anything but sales")
graph.add_handoff("Support", "Triage", description="anything but technical problems")

# -- the conversation --------------------------------------------------------------------------------------------------


def main(model: str | None = None) -> None:
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules
    if model is None:
        print("(Rules answer here, not a language model.)\n")

    @runner.on_agent_handoff
    def handed_over(event: AgentHandoff) -> None:
        print(f"  [{event.source} hands over to {event.target}]")

    @runner.on_tool_complete
    def called(event: ToolCompleted) -> None:
        print(f"  [{event.agent}: {event.name} -> {event.error or event.value}]")

    @runner.on_agent_thinking
    def refused(event: AgentThinking) -> None:
        """A call that was refused never ran; the model reads why, and so do we."""
        last = event.context.messages[-1]
        if last.role == "tool" and "was not run" in last.text:
            print(f"  [{event.agent} reads: {last.text}]")

    def say(text: str, context: Context | None = None) -> Context:
        print(f"User: {text}")
        result = runner.run(text, context=context)
        match result.output:
            case Solution(text=answer, sources=sources):
                print(f"{result.context.agent}: {answer}" + "".join(f" (see {source})" for source in sources))
            case answer:
                print(f"{result.context.agent}: {result.error or answer}")
        print()
        return result.context

    context = say("I would like to upgrade to Fibre 1000.")
    context = say("ada@example.net", context)

    stored = context.to_json()  # a file, a database row, a cookie: it is plain text
    print("(The conversation is put away as JSON, and taken up again the next day.)\n")
    context = Context.from_json(stored)

    context = say("My internet is slow now!", context)
    print(f"What Support was told: {support_instructions(context)}\n")
    context = say("It is still slow. I want to talk to a person.", context)
    print(f"Facts: {', '.join(context.facts)}. Data: {dict(context.data)}.")

    print("\nMeanwhile, at the same desk:\n")
    say("Is there fibre in Elm Street? Please call me on 555-0142.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The support desk of an internet provider, in several turns.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
