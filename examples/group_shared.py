"""The same group of three, sharing one typed value: what each tool gave is noted down once, for the whole run.

`run_with_run_context` takes a factory, which makes the value when the run begins, and a handler, which follows every
tool output with the next value and a decision: Forward, Rewrite or Final. The value passes through handoffs and comes
back typed when the run is over. The agents know nothing of it: they are those of group_no_shared.py.

    python examples/group_shared.py                              rules answer, offline
    python examples/group_shared.py --model openai/gpt-5-mini    a model answers

Expected:
    (Rules answer here, not a language model.)

    User: Why did support tickets rise in March?
    Analyst: Tickets rose by 30 % in March, after version 4.2 brought the new login page.

    Notebook of this run: 3 tool calls
      Researcher, search_notes: 410 in February, 533 in March
      Researcher, search_notes: version 4.2, with a new login page, on 3 March
      Analyst, percent_change: 30

    User: How sure are you?
    Analyst: Fairly: the rise began in the week of the release, but two facts are no proof.

    Notebook of this run: 0 tool calls
"""

import argparse
from dataclasses import dataclass

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Context,
    Forward,
    KeywordModel,
    RunConfig,
    RunResultWithContext,
    ToolOutput,
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

graph = AgentGraph("research").add_agent(research)


@dataclass(frozen=True)
class Notebook:
    """What the group gathers in one run; the next run begins a new one."""

    calls: int = 0
    lines: tuple[str, ...] = ()


def write_down(notebook: Notebook, output: ToolOutput) -> tuple[Notebook, Forward]:
    line = f"{output.agent}, {output.name}: {output.error or output.value}"
    return Notebook(notebook.calls + 1, (*notebook.lines, line)), Forward()


def main(model: str | None = None) -> None:
    runner = AgentRunner(graph, RunConfig(model=model))  # None: each agent's own model, here the rules
    if model is None:
        print("(Rules answer here, not a language model.)")

    def say(text: str, context: Context | None = None) -> RunResultWithContext[Notebook]:
        print(f"\nUser: {text}")
        done = runner.run_with_run_context(text, factory=Notebook, handler=write_down, context=context)
        print(f"{done.result.context.agent}: {done.result.error or done.result.output}")

        notebook = done.run_context  # a Notebook, also to the type checker
        print(f"\nNotebook of this run: {notebook.calls} tool calls")
        for line in notebook.lines:
            print(f"  {line}")
        return done

    first = say("Why did support tickets rise in March?")
    say("How sure are you?", context=first.result.context)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A group that shares one typed value for the length of a run.")
    parser.add_argument("--model", metavar="NAME", help="a litellm model, such as openai/gpt-5-mini, in place of the rules")
    main(parser.parse_args().model)
