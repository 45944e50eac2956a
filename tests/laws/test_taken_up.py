"""A run that is taken up does what it would have done."""

from __future__ import annotations

from agentgraph import Agent, AgentRunner, Context, RunConfig, ScriptedModel, ToolContext, call, tool


def test_people_are_asked_before_tools_run_so_that_later_calls_see_the_same_when_a_run_is_taken_up() -> None:
    @tool(needs_approval=True, sets="waived")
    def waive(ctx: ToolContext) -> list[str]:
        """Set a fact, and say which there were."""
        return sorted(ctx.facts)

    def runner() -> AgentRunner:
        model = ScriptedModel([[call("waive"), call("waive")], "done"])
        return AgentRunner(Agent("Desk", tools=[waive]), RunConfig(model=model, approve=lambda _: True))

    whole = runner().run("both")

    for at, context in enumerate(whole.trace.contexts[2:-2], 2):
        model = ScriptedModel(["done"])
        again = runner().resume(Context.from_json(context.to_json()), config=RunConfig(model=model, approve=lambda _: True))
        assert again.context == whole.context, f"taken up after {at} events"
