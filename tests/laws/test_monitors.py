"""The laws of monitors, on random topologies, random conversations and random demands on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from msgspec.structs import replace

from agentgraph import Agent, AgentGraph, AgentRunner, Context, Machine, RunConfig, RunResult, Trace
from agentgraph.checks import Spec, enters, passes
from agentgraph.conversation.context import Pending
from agentgraph.conversation.happening import Happening
from agentgraph.engine import Finish, ModelReplied, OutputHandled, ToolReturned, due, step
from agentgraph.engine.happened import happened
from agentgraph.engine.trace import replay
from agentgraph.machine.happening import BROKEN
from tests.laws.test_runs import configs, outcome
from tests.strategies import Improviser, Move, conversations, monitored

Watched = tuple[AgentGraph, list[Spec]]


def one_way() -> AgentGraph:
    return AgentGraph.of(Agent("A", handoffs=["B"]), Agent("B"))


def spoken(given: Watched, script: list[Move], config: RunConfig, context: Context | None = None) -> RunResult:
    return runner(given, script, config).run("hello", context=context)


def runner(given: Watched, script: list[Move], config: RunConfig, done: int = 0) -> AgentRunner:
    graph, specs = given
    return AgentRunner(graph, config.replace(model=Improviser(script, done)), monitors=specs)


def lived(machine: Machine, trace: Trace) -> Iterator[Happening]:
    """What happened in a run, seen from outside: who took over, which calls were started, what an agent inside a tool did, how it ended."""
    for before, (_, after, _, finish, ended) in zip(trace.contexts, trace.taken, strict=False):
        if before.agent is None:
            yield machine.entering(after.agent or "")
        yield from passed(machine, before, after, {one.within: one.context for one in ended}, ())
        if finish is not None and finish.reason in ("completed", "final"):
            yield Happening("final", agent=after.agent or "")


def passed(
    machine: Machine, before: Context, after: Context, ended: dict[tuple[str, ...], Context], within: tuple[str, ...]
) -> Iterator[Happening]:
    """What is other in one conversation, after what is other inside it."""
    open_ones = {pending.call.id: pending.inside for pending in calls_of(after)}
    for pending in calls_of(before):
        there = (*within, pending.call.id)
        inside = ended.get(there) or open_ones.get(pending.call.id)
        if pending.inside is not None and inside is not None:
            tool = machine.offer(before.agent or "").tools[pending.call.name]
            yield from passed(machine.nested(tool), pending.inside, inside, ended, there)
    for message in after.messages[len(before.messages) :]:
        if message.outcome in ("given", "failed"):
            call = next(c for m in after.messages for c in m.tool_calls if c.id == message.tool_call_id)
            gave = message.outcome == "given" and not message.unset
            yield Happening("success" if gave else "failure", call.name, before.agent or "")
    ran = {p.call.id: p.attempt for p in calls_of(before)}
    for pending in calls_of(after):
        if pending.attempt > ran.get(pending.call.id, 0):
            yield from machine.calling(after.agent or "", pending.call.name)
    if after.handed is not before.handed and after.handed is not None:
        yield machine.entering(after.handed.target)


def calls_of(context: Context) -> tuple[Pending, ...]:
    return context.progress.calls if context.progress else ()


def folded(spec: Spec, happenings: list[Happening]) -> int:
    state = spec.start
    for happening in happenings:
        state = spec.after(state, happening)
    return state


def refused(trace: Trace) -> bool:
    """Whether a monitor refused anything, also inside a tool."""
    contexts = trace.contexts
    said = [*(message.text for message in contexts[-1].messages), *(repr(context.progress) for context in contexts)]
    return any("it would break" in text for text in said) or any(map(refused, trace.children.values()))


def ended_by_an_answer_in_vain(result: RunResult) -> bool:
    """Whether a limit ended the run where it was to be asked again: then nobody was told why, and the reason is not recorded."""
    last = result.trace.events[-1]
    return isinstance(last, ModelReplied) and not last.reply.tool_calls and not result.succeeded


def ended_by_handler(result: RunResult) -> bool:
    return bool(len(result.trace)) and isinstance(result.trace.events[-1], OutputHandled) and result.trace.events[-1].decision == "final"


@given(monitored(), conversations(), conversations(), configs())
def test_what_is_demanded_is_kept(given: Watched, first: list[Move], second: list[Move], config: RunConfig) -> None:
    """Whatever the model tries, over two turns with the context stored in between; but for the end that a handler decides on. And the
    context says where each monitor stands."""
    one = spoken(given, first, config)
    two = spoken(given, second, config, Context.from_json(one.context.to_json()))
    machine = runner(given, [], config).machine
    happenings = [*lived(machine, one.trace), *lived(machine, two.trace)]

    for spec in given[1]:
        state = folded(spec, happenings)
        assert two.context.watched.get(str(spec), spec.start) == state
        assert state != BROKEN or ended_by_handler(one) or ended_by_handler(two)


@given(monitored(), conversations(), configs())
def test_the_messages_tell_where_monitors_stand(given: Watched, script: list[Move], config: RunConfig) -> None:
    """In every snapshot; but for what goes on inside an agent that is a tool, and for the end that a handler decides on."""
    result = spoken(given, script, config)
    if result.trace.children or ended_by_handler(result) or not len(result.trace):
        return
    machine = runner(given, [], config).machine
    for context in result.trace.contexts[1:]:
        past = [happening for _, happening in happened(machine, context)]
        assert {str(spec): folded(spec, past) for spec in given[1]} == context.watched


@given(monitored(), conversations(), configs())
def test_every_way_of_running_is_refused_the_same(given: Watched, script: list[Move], config: RunConfig) -> None:
    async def streamed() -> RunResult:
        return [event async for event in runner(given, script, config).astream("hello")][-1].result  # type: ignore[union-attr]

    expected = outcome(spoken(given, script, config))

    assert outcome(asyncio.run(runner(given, script, config).arun("hello"))) == expected
    assert outcome(list(runner(given, script, config).stream("hello"))[-1].result) == expected  # type: ignore[union-attr]
    assert outcome(asyncio.run(streamed())) == expected


@given(monitored(), conversations(), configs())
def test_a_monitored_run_replays_and_owes_what_it_asks_for(given: Watched, script: list[Move], config: RunConfig) -> None:
    trace, machine = spoken(given, script, config).trace, runner(given, [], config).machine

    assert replay(machine, trace.start, trace.events) == type(trace)(trace.start, trace)
    for before, (event, after) in zip(trace.contexts, trace, strict=False):
        asked = {repr(effect) for effect in step(machine, before, event).effects if not isinstance(effect, Finish)}
        known = {repr(effect) for effect in due(before)} & {repr(effect) for effect in due(after)}
        assert asked | known == {repr(effect) for effect in due(after)}


@given(monitored(), conversations(), configs())
def test_a_monitored_run_is_resumed_from_every_snapshot(given: Watched, script: list[Move], config: RunConfig) -> None:
    if config.run_context or any(agent.on_tool_output for agent in given[0].agents.values()):
        return  # a handler's value is alive in one run only
    whole = spoken(given, script, config)

    for i, (_, context) in enumerate(whole.trace):
        if not due(context):
            continue
        asked = sum(isinstance(event, ModelReplied) and not event.within for event, _ in whole.trace[: i + 1])
        again = runner(given, script, config, asked).resume(Context.from_json(context.to_json()))

        assert (again.output, again.stop_reason) == (whole.output, whole.stop_reason)
        assert again.context == whole.context


@given(monitored(), conversations(), configs())
@example((one_way(), [passes(enters("B"))]), [], RunConfig(max_turns=1))
def test_where_nothing_is_refused_nothing_changes(given: Watched, script: list[Move], config: RunConfig) -> None:
    """One call after another, since calls that a monitor sees wait for those before them."""
    config = config.replace(parallel_tools=False, tool_output_limit=100_000)
    watched = spoken(given, script, config)
    if "it would break" in str(watched.error) or refused(watched.trace) or ended_by_an_answer_in_vain(watched):
        return

    assert outcome(unwatched(watched)) == outcome(spoken((given[0], []), script, config))


def unwatched(result: RunResult) -> RunResult:
    pairs: list[Any] = [
        (replace(event, watched={}) if isinstance(event, ToolReturned) else event, context.replace(watched={}))
        for event, context in result.trace
    ]
    return replace(result, context=result.context.replace(watched={}), trace=Trace(result.trace.start, pairs))
