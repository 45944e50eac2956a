"""What a checker must know of a run's output. No test runs this: checkers read it.

A line that says `ignore` must have that error: where it has none, the checkers complain that nothing is ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, assert_type

from pydantic import BaseModel

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Context,
    Conversation,
    Forward,
    Handoff,
    Machine,
    MemoryStore,
    RunConfig,
    Runner,
    RunResult,
    RunResultWithContext,
    ToolOutput,
)


class Invoice(BaseModel):
    """A pydantic model."""

    total: int


@dataclass
class Refund:
    """A dataclass."""

    reason: str


class Row(TypedDict):
    """A TypedDict."""

    id: str


SCHEMA: Mapping[str, Any] = {"type": "object"}

plain = Agent("Plain", instructions="Be short.", handoffs=["Billing"])
billing = Agent("Billing", model="openai/gpt-5-mini", output_type=Invoice)
refunds = Agent("Refunds", output_type=Refund)


def agents() -> None:
    """What each kind of `output_type` makes of an agent."""
    assert_type(plain, Agent[str])
    assert_type(billing, Agent[Invoice])
    assert_type(refunds, Agent[Refund])
    assert_type(Agent("Rows", output_type=list[Row]), Agent[list[Row]])
    assert_type(Agent("Row", output_type=Row), Agent[Row])
    assert_type(Agent("Schema", output_type=SCHEMA), Agent)
    assert_type(Agent("Either", output_type=Invoice | Refund), Agent)
    assert_type(Agent("Same", handoffs=["Triage", plain]), Agent[str])
    assert_type(Agent("Others", handoffs=["Triage", billing]), Agent)
    assert_type(Agent("Far", handoffs=[Handoff("Triage")]), Agent)
    assert_type(billing.replace(temperature=0.5), Agent[Invoice])
    assert_type(plain.replace(output_type=Invoice), Agent[Invoice])
    assert_type(billing.replace(output_type=None), Agent[str])
    assert_type(billing.replace(output_type=SCHEMA), Agent)
    assert_type(plain.replace(handoffs=[billing]), Agent)


def outputs() -> int:
    """The output is what the agent answers, or None: errors are not raised, so somebody must look."""
    result = AgentRunner(billing).run("hello")

    assert_type(result.output, Invoice | None)
    _ = result.output.total  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if result.output is None:
        return 0
    _ = result.output.sum  # type: ignore[attr-defined]  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]
    return result.output.total


def runners(machine: Machine, group: AgentGroup) -> None:
    """Several agents of one kind answer that; of a graph nothing is known."""
    assert_type(AgentRunner(plain).run("hello").output, str | None)
    assert_type(Runner.with_agents(billing, billing), AgentRunner[Invoice])
    assert_type(AgentRunner.with_agents(plain, plain, config=RunConfig(max_turns=3)), AgentRunner[str])
    assert_type(Runner.with_agents(billing, group), AgentRunner)
    assert_type(AgentRunner(AgentGraph("support"), RunConfig()), AgentRunner)
    assert_type(AgentRunner(machine), AgentRunner)
    assert_type(AgentRunner(group), AgentRunner)
    assert_type(AgentRunner[Any](billing), AgentRunner)


async def ways(runner: AgentRunner[Invoice], context: Context) -> None:
    """Each way of running knows it."""
    assert_type(runner.run("hello"), RunResult[Invoice])
    assert_type(await runner.arun("hello"), RunResult[Invoice])
    assert_type(runner.resume(context), RunResult[Invoice])
    assert_type(await runner.aresume(context), RunResult[Invoice])
    assert_type(runner.stream("hello").result, RunResult[Invoice])
    assert_type(runner.astream("hello").result.raise_for_error(), RunResult[Invoice])
    assert_type(runner.run_with_run_context("hello", int, count), RunResultWithContext[int, Invoice])
    assert_type((await runner.arun_with_run_context("hello", int, count)).output, Invoice | None)
    conversation = runner.conversation("1", MemoryStore())
    assert_type(conversation, Conversation[Invoice])
    assert_type(conversation.run("hello").output, Invoice | None)
    assert_type(await conversation.fork(0).arun("hello"), RunResult[Invoice])
    assert_type(conversation.stream("hello").result.output, Invoice | None)


def count(so_far: int, output: ToolOutput) -> tuple[int, Forward]:
    """A handler."""
    return so_far + len(output.name), Forward()


def whatever(agent: Agent, runner: AgentRunner, result: RunResult, kept: RunResultWithContext[int]) -> list[Any]:
    """Without a parameter they are of whatever kind, as they were before they had one."""
    return [AgentRunner(agent).run("hello").output, runner.run("hello").output, result.output, kept.output]


def goes_where_anything_goes() -> None:
    """One of a kind goes where any may."""
    runner = AgentRunner(billing)
    _ = whatever(billing, runner, runner.run("hello"), runner.run_with_run_context("hello", int, count))
    anything: RunResult[object] = runner.run("hello")
    _ = anything
    wrong: RunResult[Refund] = runner.run("hello")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _ = wrong
