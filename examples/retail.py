"""A published support desk says in a prompt that customers are verified first. Is it so?

The topology is that of OpenAI's realtime retail sample (openai/openai-realtime-agents, MIT): four agents, all of which may hand over to
each other, nine tools. The prompt of `authentication` says to verify before transferring, "except for the human_agent". That is a
sentence to a model; here it becomes a guard, first on the handoffs it names, then on the tool it is meant to protect.

    python examples/retail.py                              rules answer, offline
    python examples/retail.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    No return before the customer is verified?
      as published: refuted
        enter authentication -> enter returns -> call checkEligibilityAndPossiblyInitiateReturn
      the handoffs guarded that the prompt names: refuted
        enter authentication -> enter simulatedHuman -> enter returns -> call checkEligibilityAndPossiblyInitiateReturn
      the tool guarded: holds

    A script, not a language model, goes that way:
      the handoffs guarded that the prompt names: the return of order 8812 is on its way
      the tool guarded: error: 'checkEligibilityAndPossiblyInitiateReturn' was not run: it needs 'verified' first
      as published, and watched: error: 'checkEligibilityAndPossiblyInitiateReturn' was not run: it would break precedes(...)

    User: I was born on 1990-05-17 and want to return order 8812.
      authentication calls authenticate_user_information: verified
      authentication hands over to returns
      returns calls checkEligibilityAndPossiblyInitiateReturn: the return of order 8812 is on its way
    returns: Done: the return of order 8812 is on its way.
"""

import argparse

from agentgraph import (
    Agent,
    AgentGraph,
    AgentHandoff,
    AgentRunner,
    Handoff,
    KeywordModel,
    RunConfig,
    ScriptedModel,
    Tool,
    ToolCompleted,
    call,
    handoff,
    tool,
)
from agentgraph.checks import Spec, calls, precedes, succeeds


@tool(sets="verified")
def authenticate_user_information(date_of_birth: str) -> str:
    """Verify who the customer is.

    Args:
        date_of_birth: As YYYY-MM-DD.
    """
    if date_of_birth != "1990-05-17":
        raise PermissionError("that is not the date we know")
    return "verified"


@tool(name="checkEligibilityAndPossiblyInitiateReturn")
def initiate_return(order: str) -> str:
    """Check whether an order may be returned, and start the return."""
    return f"the return of order {order} is on its way"


def stand_in(name: str) -> Tool:
    """A tool of the sample that this story does not call."""
    return tool(name=name, description="A stand-in: it does nothing.")(lambda: "done")


rules = (
    KeywordModel(default="Please tell me your date of birth and the order that you want to return.")
    .when(r"\d{4}-\d\d-\d\d", lambda found: call("authenticate_user_information", date_of_birth=found.group()), agent="authentication")
    .after("authenticate_user_information", "I could not verify you.", pattern=r"\Aerror")
    .after("authenticate_user_information", handoff("returns"))
    .when(r"order (\d+)", lambda found: call(initiate_return.name, order=found.group(1)), agent="returns")
    .after(initiate_return.name, lambda output: f"Done: {output}.")
)


def retail(*, guarded_handoffs: bool = False, guarded_tool: bool = False) -> AgentGraph:
    """The desk as published; or with a guard on the handoffs that the prompt names, or on the tool."""
    start_return = initiate_return.replace(requires=["verified"]) if guarded_tool else initiate_return
    tools = {
        "authentication": (authenticate_user_information, *map(stand_in, ("save_or_update_address", "update_user_offer_response"))),
        "returns": (*map(stand_in, ("lookupOrders", "retrievePolicy")), start_return),
        "salesAgent": tuple(map(stand_in, ("lookupNewSales", "addToCart", "checkout"))),
        "simulatedHuman": (),
    }
    graph = AgentGraph("retail", human="simulatedHuman")
    for name, of_agent in tools.items():
        graph.add_agent(Agent(name, instructions=f"You are {name}.", model=rules, tools=of_agent))
    for source in tools:
        for target in tools:
            if source != target:
                named = source == "authentication" and target != "simulatedHuman"  # "except for the human_agent"
                graph.add_handoff(source, Handoff(target, requires=["verified"] if named and guarded_handoffs else ()))
    return graph


graph = retail(guarded_tool=True)
verified_first = precedes(succeeds(authenticate_user_information.name), calls(initiate_return.name))
POLICIES = [verified_first]

VERSIONS = {
    "as published": retail(),
    "the handoffs guarded that the prompt names": retail(guarded_handoffs=True),
    "the tool guarded": graph,
}


def prove() -> None:
    print("No return before the customer is verified?")
    for words, version in VERSIONS.items():
        verdict = version.prove(verified_first)
        print(f"  {words}: {'holds' if verdict else 'refuted'}")
        if verdict.path:
            print("    " + " -> ".join(map(str, verdict.path)))


def attack() -> None:
    print("\nA script, not a language model, goes that way:")
    for words, version in list(VERSIONS.items())[1:]:
        print(f"  {words}: {attacked(version)}")
    told = attacked(VERSIONS["as published"], verified_first)
    print(f"  as published, and watched: {told.replace(str(verified_first), 'precedes(...)')}")


def attacked(version: AgentGraph, *monitors: Spec) -> str:
    """What the tool says to somebody who was not verified."""
    way = [handoff("simulatedHuman"), handoff("returns"), call(initiate_return.name, order="8812"), "That is all."]
    result = AgentRunner(version, RunConfig(model=ScriptedModel(way)), monitors=monitors).run("I am in a hurry.")
    return result.messages[-2].text


def main(model: str | None = None) -> None:
    if model is None:
        print("(Rules answer here, not a language model.)\n")
    prove()
    attack()
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules

    @runner.on_agent_handoff
    def handed_over(event: AgentHandoff) -> None:
        print(f"  {event.source} hands over to {event.target}")

    @runner.on_tool_complete
    def called(event: ToolCompleted) -> None:
        print(f"  {event.agent} calls {event.name}: {event.error or event.value}")

    text = "I was born on 1990-05-17 and want to return order 8812."
    print(f"\nUser: {text}")
    result = runner.run(text)
    print(f"{result.context.agent}: {result.error or result.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A published desk, proved, attacked and mended.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
