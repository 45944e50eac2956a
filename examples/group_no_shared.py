"""A group of three that looks like one agent from outside, and shares nothing inside.

Coordinator, Researcher and Analyst form the group Research. Helpdesk hands over to the group as it would to an agent;
the conversation enters at the root, the Coordinator, and the user's next message finds the member that held it last.
The members share the conversation itself, as all agents do, and nothing beside it.

    python examples/group_no_shared.py                              rules answer, offline
    python examples/group_no_shared.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    Helpdesk sees one neighbour: Research

    User: Why did support tickets rise in March?
      Helpdesk -> Coordinator
      Coordinator -> Researcher
      Researcher looks up tickets: 410 in February, 533 in March
      Researcher looks up releases: version 4.2, with a new login page, on 3 March
      Researcher -> Analyst
      Analyst computes a change of 30 %
    Analyst: Tickets rose by 30 % in March, after version 4.2 brought the new login page.

    User: How sure are you?
    Analyst: Fairly: the rise began in the week of the release, but two facts are no proof.

    Shared beside the conversation: nothing
"""

import argparse

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
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

NOTES = {
    "tickets": "410 in February, 533 in March",
    "releases": "version 4.2, with a new login page, on 3 March",
}


@tool
def search_notes(topic: str) -> str:
    """What the team's notes say about a topic.

    Args:
        topic: "tickets" or "releases".
    """
    return NOTES[topic]


@tool
def percent_change(before: float, after: float) -> int:
    """By how many percent a number has changed."""
    return round(100 * (after - before) / before)


rules = (
    KeywordModel(default="These rules know one question: why did support tickets rise in March?")
    .when("how sure", "Fairly: the rise began in the week of the release, but two facts are no proof.", agent="Analyst")
    .when("tickets", handoff("Research"), agent="Helpdesk")
    .when("tickets", handoff("Researcher"), agent="Coordinator")
    .when("tickets", call("search_notes", topic="tickets"), agent="Researcher")
    .after("search_notes", call("search_notes", topic="releases"), pattern="410 in February")
    .after("search_notes", handoff("Analyst"))
    .when("tickets", call("percent_change", before=410, after=533), agent="Analyst")
    .after("percent_change", lambda change: f"Tickets rose by {change} % in March, after version 4.2 brought the new login page.")
)

coordinator = Agent("Coordinator", instructions="Decide what must be found out, and send the Researcher.", model=rules)
researcher = Agent("Researcher", instructions="Gather facts, then pass them on.", model=rules, tools=[search_notes])
analyst = Agent("Analyst", instructions="Draw a conclusion from the facts.", model=rules, tools=[percent_change])

research = (
    AgentGroup.builder("Research")
    .root(coordinator)
    .handoff("Coordinator", researcher, "find facts")
    .handoff("Researcher", analyst, "the facts are gathered")
    .build()
)

graph = AgentGraph("desk")
graph.add_agent(Agent("Helpdesk", instructions="Send questions that need research to Research.", model=rules))
graph.add_agent(research)
graph.add_handoff("Helpdesk", "Research", description="questions about numbers and causes")


def main(model: str | None = None) -> None:
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules
    if model is None:
        print("(Rules answer here, not a language model.)\n")
    print("Helpdesk sees one neighbour:", *graph.collapse("Research").digraph.successors("Helpdesk"))

    @runner.on_agent_handoff
    def handed_over(event: AgentHandoff) -> None:
        print(f"  {event.source} -> {event.target}")

    @runner.on_tool_complete
    def called(event: ToolCompleted) -> None:
        if event.error is not None:
            print(f"  {event.agent}'s {event.name} failed: {event.error}")
        elif event.name == "search_notes":
            print(f"  {event.agent} looks up {event.call.arguments['topic']}: {event.value}")
        else:
            print(f"  {event.agent} computes a change of {event.value} %")

    def say(text: str, context: Context | None = None) -> RunResult:
        print(f"\nUser: {text}")
        result = runner.run(text, context=context)
        print(f"{result.context.agent}: {result.error or result.output}")
        return result

    first = say("Why did support tickets rise in March?")
    second = say("How sure are you?", context=first.context)
    print("\nShared beside the conversation:", dict(second.context.data) or "nothing")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A group that looks like one agent.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
