"""The laws of a run, on random topologies and random conversations."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise, permutations
from typing import Any

from hypothesis import given, strategies as st

from agentgraph import AgentGraph, AgentRunner, Budget, Context, Machine, Phase, RunConfig, RunResult, Secret, replay
from agentgraph.engine import Finish, ModelReplied, ToolReturned, due, step
from agentgraph.engine.turn import LEADS_TO
from tests.e2e.provider_rules import violations
from tests.strategies import Improviser, Move, contexts_said, conversations, graphs, sharing

budgets = st.sampled_from(
    [None, None, Budget(handoffs=2), Budget(tool_calls=3), Budget(tokens=30), Budget(visits=1), Budget(cost=0.025), None, None]
)


@st.composite
def configs(draw: st.DrawFn) -> RunConfig:
    """How the run goes about it."""
    config = RunConfig(
        max_turns=draw(st.sampled_from([12, 12, 3, 1, 12, 12])),
        parallel_tools=draw(st.booleans()),
        tool_concurrency=draw(st.sampled_from([None, None, 1, 2, None])),
        tool_output_limit=draw(st.sampled_from([100_000, 5, 100_000])),
        approve=draw(st.sampled_from([lambda call: True, lambda call: False, None, lambda call: True])),
        budget=draw(budgets),
        params=draw(st.sampled_from([{}, {"top_p": 0.9, "seed": 1}])),
        headers=draw(st.sampled_from([{}, {"x-key": Secret("a canary in a header")}])),
        deps=draw(st.sampled_from([None, iter(())])),
    )
    return config.with_run_context(int, sharing) if draw(st.integers(0, 3)) == 0 else config


def spoken(graph: AgentGraph, script: list[Move], config: RunConfig, said: str = "hello", context: Context | None = None) -> RunResult:
    return AgentRunner(graph, config.replace(model=Improviser(script))).run(said, context=context)


def outcome(result: RunResult) -> tuple[Any, ...]:
    """All of a result but the order in which parallel tools happened to arrive."""
    arrived = Counter(repr(event) for event in result.trace.events)
    error = (type(result.error), str(result.error)) if result.error else None
    return result.output, result.context, result.usage, result.path, result.stop_reason, error, arrived


@given(graphs(), conversations(), configs(), contexts_said)
def test_sync_async_and_streamed_runs_are_equal(graph: AgentGraph, script: list[Move], config: RunConfig, said: str) -> None:
    """One engine, four ways of waiting."""

    def runner() -> AgentRunner:
        return AgentRunner(graph, config.replace(model=Improviser(script)))

    async def streamed() -> RunResult:
        return [event async for event in runner().astream(said)][-1].result  # type: ignore[union-attr]

    expected = outcome(runner().run(said))

    assert outcome(asyncio.run(runner().arun(said))) == expected
    assert outcome(list(runner().stream(said))[-1].result) == expected  # type: ignore[union-attr]
    assert outcome(asyncio.run(streamed())) == expected


@given(graphs(), conversations(), configs())
def test_a_trace_replays(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """The events alone give every snapshot again, without a model and without tools."""
    trace = spoken(graph, script, config).trace

    assert replay(graph.compile(), trace.start, trace.events) == type(trace)(trace.start, trace)


@given(graphs(), conversations(), configs())
def test_a_run_is_resumed_from_every_snapshot(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """Performing what is due takes up any context, also one that was stored, and ends as the run did that was not cut off."""
    if config.run_context or any(agent.on_tool_output for agent in graph.agents.values()):
        return  # a handler's value is alive in one run only
    whole = spoken(graph, script, config)

    for i, (_, context) in enumerate(whole.trace):
        if not due(context):
            continue
        asked = sum(isinstance(event, ModelReplied) and not event.within for event, _ in whole.trace[: i + 1])
        again = AgentRunner(graph, config.replace(model=Improviser(script, done=asked))).resume(Context.from_json(context.to_json()))

        assert (again.output, again.stop_reason) == (whole.output, whole.stop_reason)
        assert again.context == whole.context


@given(graphs(), conversations(), configs())
def test_every_call_is_answered_once_or_pending(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """In every snapshot, and with ids that are unique in the conversation."""
    for context in spoken(graph, script, config).trace.contexts:
        asked = [call.id for message in context.messages for call in message.tool_calls]
        answered = [message.tool_call_id for message in context.messages if message.role == "tool"]

        assert len(set(asked)) == len(asked)
        assert sorted(answered + [call.id for call in context.pending]) == sorted(asked)  # type: ignore[type-var]


@given(graphs(), conversations(), configs())
def test_history_only_grows(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """A later history begins with the earlier one; facts are never lost, usage never shrinks."""
    contexts = spoken(graph, script, config).trace.contexts

    for earlier, later in pairwise(contexts):
        assert later.messages[: len(earlier.messages)] == tuple(earlier.messages)
        assert earlier.facts <= later.facts
        assert earlier.usage.total_tokens <= later.usage.total_tokens


returns = st.tuples(st.integers(), st.sampled_from([None, "failed"]))


@given(graphs(), conversations(), configs(), st.tuples(returns, returns, returns, returns))
def test_tool_results_commute(
    graph: AgentGraph, script: list[Move], config: RunConfig, results: tuple[tuple[int, str | None], ...]
) -> None:
    """Whatever order results arrive in, the same is committed."""
    machine = graph.compile()
    for context in spoken(graph, script, config).trace.contexts:
        pending = [p.call for p in context.progress.calls if p.stage == "started"] if context.progress else []
        if not 2 <= len(pending) <= 4:
            continue
        # drawn before the run, which may start calls together in any order
        events = [ToolReturned(call.id, output, error) for call, (output, error) in zip(pending, results, strict=False)]
        ends = [arrived(machine, context, order) for order in permutations(events)]

        assert all(end == ends[0] for end in ends)


def arrived(machine: Machine, context: Context, events: Iterable[ToolReturned]) -> Context:
    """Where `context` comes to when results arrive in this order; what is no longer awaited, since the run ended, is dropped."""
    for event in events:
        if context.phase is not Phase.ACTING:
            break
        context = step(machine, context, event).context
    return context


@given(graphs(), conversations(), configs())
def test_every_context_survives_json(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """And the text of an equal context is equal."""
    for context in spoken(graph, script, config).trace.contexts:
        text = context.to_json()

        assert Context.from_json(text) == context
        assert Context.from_json(text).to_json() == text
        assert text.isascii()


@given(graphs(), conversations(), conversations(), configs())
def test_the_callers_context_is_never_changed(graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig) -> None:
    """Two runs from one context never see each other."""
    context = spoken(graph, first, config).context
    before = context.to_json()

    one = spoken(graph, second, config, "again", context)
    other = spoken(graph, [], config, "something else", context)

    assert context.to_json() == before
    assert outcome(spoken(graph, second, config, "again", context)) == outcome(one)
    assert outcome(spoken(graph, [], config, "something else", context)) == outcome(other)


@given(graphs(), st.lists(conversations(), min_size=1, max_size=3), configs())
def test_every_request_is_valid_for_every_provider(graph: AgentGraph, scripts: list[list[Move]], config: RunConfig) -> None:
    """Over several turns, whatever failed, was refused or was cut off before."""
    context = Context()
    for script in scripts:
        model = Improviser(script)
        context = AgentRunner(graph, config.replace(model=model)).run("next", context=context).context

        for request in model.requests:
            body = {"messages": [message.to_openai() for message in request.messages], "tools": request.tools}
            assert violations(body) == []


@given(graphs(), conversations(), configs())
def test_the_turn_machine_is_what_its_table_says(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """Every step leads where the table allows; what a step asks for is what is due of its context, and nothing else is."""
    machine, trace = graph.compile(), spoken(graph, script, config).trace
    for before, (event, after) in zip(trace.contexts, trace, strict=False):
        assert after.phase in LEADS_TO[before.phase, type(event)]

        effects = step(machine, before, event).effects
        known = {repr(effect) for effect in due(before)}
        assert {repr(effect) for effect in effects if not isinstance(effect, Finish)} | (known & {repr(e) for e in due(after)}) == {
            repr(effect) for effect in due(after)
        }


@given(graphs(), conversations(), configs())
def test_the_agent_changes_along_the_graph_alone(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """Every handoff of every run is an edge, its required facts were there, and its tool answers say so."""
    edges = {(edge.source, edge.tool, edge.target): edge for edge in graph.edges}
    trace = spoken(graph, script, config).trace
    for before, (_, after) in zip(trace.contexts, trace, strict=False):
        if after.handed is not before.handed and after.handed is not None:
            edge = edges[after.handed.source, after.handed.tool, after.handed.target]
            assert edge.handoff.requires <= after.facts
        elif before.agent is not None:
            assert after.agent == before.agent


@given(graphs(), conversations(), configs())
def test_the_next_message_is_always_accepted(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """From every snapshot of every run, also in the middle of one."""
    for context in spoken(graph, script, config).trace.contexts:
        after = spoken(graph, [], config.replace(max_turns=10, budget=None), "and now?", context)

        assert after.error is None or "may_finish" in str(after.error), after.error
        assert after.messages[: len(context.messages)] == tuple(context.messages)
        assert after.context.progress is None
