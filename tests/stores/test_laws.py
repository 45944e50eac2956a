"""The laws of kept conversations, on random topologies and random conversations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st
from msgspec import structs

from agentgraph import AgentGraph, AgentRunner, Context, Conversation, MemoryStore, RunConfig, RunResult, Store, open_store, replay
from agentgraph.engine import AttemptLost, ModelReplied, due
from agentgraph.engine.effects import RunTool
from tests.e2e.provider_rules import violations
from tests.laws.test_runs import configs, outcome
from tests.strategies import Improviser, Move, contexts_said, conversations, graphs

contexts = st.sampled_from([Context(), Context(data={"name": "Ada", "k\x00\ud800": [1.5, None, {"a": "\udfff"}]}, facts=["verified"])])


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in a file, for many conversations."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('laws')}/kept.db") as store:
        yield store


def kept(
    store: Store, graph: AgentGraph, script: list[Move], config: RunConfig, start: Context | None = None, done: int = 0
) -> Conversation:
    runner = AgentRunner(graph, config.replace(model=Improviser(script, done)))
    return runner.conversation(uuid4().hex, store, start)


@given(graphs(), conversations(), configs(), contexts_said, contexts)
def test_a_kept_run_is_as_one_that_is_not(
    file: Store, graph: AgentGraph, script: list[Move], config: RunConfig, said: str, start: Context
) -> None:
    """However it is waited for, and wherever it is kept."""

    async def streamed(conversation: Conversation) -> RunResult:
        return [event async for event in conversation.astream(said)][-1].result  # type: ignore[union-attr]

    expected = outcome(AgentRunner(graph, config.replace(model=Improviser(script))).run(said, context=start))

    assert outcome(kept(file, graph, script, config, start).run(said)) == expected
    assert outcome(asyncio.run(kept(MemoryStore(), graph, script, config, start).arun(said))) == expected
    assert outcome(list(kept(MemoryStore(), graph, script, config, start).stream(said))[-1].result) == expected  # type: ignore[union-attr]
    assert outcome(asyncio.run(streamed(kept(file, graph, script, config, start)))) == expected


@given(graphs(), conversations(), conversations(), configs(), contexts)
def test_a_journal_is_a_legal_run(graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig, start: Context) -> None:
    """What the store gives is what happened, and the events alone give it again; each step can be read by itself."""
    store = MemoryStore()
    conversation = kept(store, graph, [*first, *second], config, start)
    results = [conversation.run("one"), conversation.run("two")]

    trace = conversation.history()

    assert list(trace) == list(results[0].trace + results[1].trace)
    assert replay(graph.compile(), trace.start, trace.events) == type(trace)(trace.start, trace)
    assert conversation.context == results[1].context
    assert [conversation.at(seq) for seq in range(len(trace) + 1)] == list(trace.contexts)
    assert conversation.context.to_json() == results[1].context.to_json()
    assert [context.to_json() for context in trace.contexts] == [
        context.to_json() for context in (results[0].trace + results[1].trace).contexts
    ]


def but_for_attempts(context: Context) -> Context:
    """Without how often calls were begun: one that was running when the conversation was left is begun again."""
    progress = context.progress
    if progress is not None:
        calls = tuple(structs.replace(pending, attempt=0, earlier=()) for pending in progress.calls)
        progress = structs.replace(progress, calls=calls, tool_calls=0)
    return context.replace(messages=[structs.replace(message, earlier=()) for message in context.messages], progress=progress)


def became(context: Context) -> dict[str, tuple[Any, ...]]:
    """What each call came to and its attempts before, also of those that wait for one before them to be answered."""
    answered = {message.tool_call_id or "": (message.outcome, message.earlier) for message in context.messages if message.role == "tool"}
    calls = context.progress.calls if context.progress is not None else ()
    return answered | {each.call.id: (each.returned.outcome, each.earlier) for each in calls if each.returned is not None}


@given(graphs(), conversations(), configs())
def test_a_run_is_taken_up_from_every_step(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """As if it had not been cut off, unless something was running that must not run twice; then the model is told."""
    if config.run_context or any(agent.on_tool_output for agent in graph.agents.values()):
        return  # a handler's value is alive in one run only
    store = MemoryStore()
    whole = kept(store, graph, script, config)
    result = whole.run("hello")
    trace = result.trace

    for seq in range(1, len(trace) + 1):
        context = trace.contexts[seq]
        if not due(context):
            continue
        asked = sum(isinstance(event, ModelReplied) and not event.within for event in trace.events[:seq])
        left = whole.fork(seq)
        again = AgentRunner(graph, config.replace(model=Improviser(script, asked))).conversation(left.id, store).resume()
        running = [effect for effect in due(context) if isinstance(effect, RunTool)]
        unknown = [effect for effect in running if not graph.compile().offer(effect.agent).tools[effect.call.name].idempotent]

        if not unknown and (config.budget is None or config.budget.tool_calls is None):
            assert (again.output, again.stop_reason) == (result.output, result.stop_reason)
            assert but_for_attempts(again.context) == but_for_attempts(result.context)
        assert [e.call_id for e in again.trace.events if isinstance(e, AttemptLost)][: len(running)] == [e.call.id for e in running]
        outcomes = became(again.context)
        assert all(outcomes[effect.call.id][0] == "unknown" for effect in unknown)
        assert all("unknown" in outcomes[e.call.id][1] for e in running if e not in unknown and outcomes[e.call.id][0] != "unknown")
        assert left.context == again.context


@given(graphs(), conversations(), configs())
def test_the_next_message_is_accepted_after_every_step(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """And no provider ever reads a call without its answer."""
    store = MemoryStore()
    whole = kept(store, graph, script, config)
    whole.run("hello")

    for seq in range(len(whole.history()) + 1):
        model = Improviser([])
        left = AgentRunner(graph, RunConfig(model=model)).conversation(whole.fork(seq).id, store)

        result = left.run("and then?")

        assert result.context.messages[-1].role == "assistant" or result.failed
        assert left.context == result.context
        for request in model.requests:
            body: Any = {"messages": [message.to_openai() for message in request.messages], "tools": request.tools}
            assert violations(body) == []
