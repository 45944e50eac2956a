"""The laws of recordings: what really ran conforms, in whatever form it is recorded; and what is broken in it is found where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import assume, given, strategies as st

from agentgraph import AgentGraph, Context, RunConfig, RunResult
from agentgraph.checks import Predicate, calls, enters, never
from agentgraph.checks.along import along
from agentgraph.checks.judgement import happenings
from agentgraph.checks.recording import recording_of
from agentgraph.engine.happened import happened
from tests.broken import STRANGER, Messages, call_of_a_stranger, with_agents
from tests.laws.test_runs import configs, spoken
from tests.strategies import Move, at_place, conversations, graphs, places

COMPLETE = RunConfig(max_turns=60)
NOT_RUN = ("refusal", "skip")
"""A reader that knows no topology tells handoffs behind what was not reached beside them."""


def declared(result: RunResult) -> Messages:
    """The run as another system would have recorded it: dictionaries, in which handoffs are declared by whom they led to."""
    messages = exported(result)
    for moment in recording_of(result).moments:
        if moment.kind == "handoff":
            messages[moment.index] |= {"handoff_to": moment.target, "handoff_via": moment.name}
    return messages


def exported(result: RunResult) -> Messages:
    """The run as dictionaries, which say what became of calls."""
    return [message.to_openai() | ({"outcome": message.outcome} if message.outcome else {}) for message in result.messages]


def forms(result: RunResult) -> Iterator[Any]:
    """One completed run in all the forms that it can be recorded in."""
    yield result
    yield result.trace
    yield result.context
    yield result.messages
    yield list(result.messages)
    yield {"messages": list(result.messages), "entry": result.path[0]}
    yield exported(result)
    yield Context(messages=declared(result))
    yield declared(result)


def completed(graph: AgentGraph, script: list[Move]) -> RunResult:
    result = spoken(without_handlers(graph), script, COMPLETE)
    assume(result.succeeded)
    return result


def without_handlers(graph: AgentGraph) -> AgentGraph:
    """What a handler has rewritten does not say any longer that a call was refused; only a trace knows."""
    return with_agents(graph, [agent.replace(on_tool_output=None) for agent in graph.agents.values()])


@given(graphs(), conversations(), configs())
def test_whatever_runs_conforms(graph: AgentGraph, script: list[Move], config: Any) -> None:
    """Whatever a model does, whatever limit cuts it off, and when it is gone on with."""
    first = spoken(graph, script, config)
    second = spoken(graph, script[::-1], config, context=first.context)

    for run in (first, first.trace, second, second.trace):
        assert graph.conforms(run)


@given(graphs(), conversations())
def test_a_completed_run_conforms_in_every_form(graph: AgentGraph, script: list[Move]) -> None:
    result = completed(graph, script)

    for form in forms(result):
        assert graph.conforms(form)


@given(graphs(), conversations())
def test_a_snapshot_of_any_moment_conforms(graph: AgentGraph, script: list[Move]) -> None:
    """Calls that are under way are not calls that were left without an answer."""
    result = spoken(without_handlers(graph), script, COMPLETE)

    for context in result.trace.contexts:
        assert graph.conforms(context)


@given(graphs(), conversations())
def test_every_form_of_a_run_tells_the_same(graph: AgentGraph, script: list[Move]) -> None:
    """But that only a trace knows what went on inside tools, and that a run may end without words."""

    def told(form: Any) -> list[Any]:
        recording = recording_of(form)
        return [(m.index, m.kind, m.agent, m.name, m.target) for m in along(recording, graph) if m.kind != "inside" and m.ran]

    result = completed(graph, script)
    wanted = told(result)
    assume("not executed: the conversation was handed off" not in str(list(result.messages)))

    assert all(told(form) == wanted for form in forms(result))


@given(graphs(), conversations())
def test_a_run_enters_the_agents_of_its_path(graph: AgentGraph, script: list[Move]) -> None:
    result = completed(graph, script)
    nested = {moment.agent for moment in recording_of(result).moments if moment.kind == "inside"}

    entered = [h.name for _, h in happenings(recording_of(result), graph) if h.kind == "enter" and h.name not in nested]
    finals = [h for _, h in happenings(recording_of(result), graph) if h.kind == "final"]

    assert entered == list(result.path)
    assert len(finals) == 1


@given(graphs(), conversations(), configs())
def test_whatever_cuts_a_run_off_its_path_was_entered(graph: AgentGraph, script: list[Move], config: Any) -> None:
    """Also an agent that was asked and never answered, which no message names."""
    result = spoken(without_handlers(graph), script, config)
    nested = {moment.agent for moment in recording_of(result).moments if moment.kind == "inside"}

    for form in (result, result.trace):
        entered = [h.name for _, h in happenings(recording_of(form), graph) if h.kind == "enter" and h.name not in nested]
        assert entered == [name for name in result.path if name not in nested]


@given(graphs(), conversations())
def test_every_form_of_a_run_ends_at_the_same_place(graph: AgentGraph, script: list[Move]) -> None:
    """Also where the output of a tool is the end, without words."""
    result = completed(graph, script)

    def ends(form: Any) -> list[int]:
        return [index for index, happening in happenings(recording_of(form), graph) if happening.kind == "final"]

    assert ends(result) == ends(result.trace) == ends(result.context) == ends(result.messages) != []


@given(graphs(), conversations())
def test_monitors_that_catch_up_see_what_specs_that_check_do(graph: AgentGraph, script: list[Move]) -> None:
    """A conversation of ours has two readers, for runs that go on from it and for recordings of all sorts. Only the first knows the holder that never spoke."""
    context = completed(graph, script).context
    machine = graph.compile()

    caught_up, before = list[str](), None
    for _, happening in happened(machine, context):
        if (
            before is None or before.kind != "call" or happening not in machine.calling(before.agent, before.name)[1:]
        ):  # entered inside a tool
            caught_up.append(str(happening))
        before = happening

    told = [str(happening) for _, happening in happenings(recording_of(context), graph) if happening.kind not in NOT_RUN]
    assert [each for each in caught_up if each.split()[0] not in NOT_RUN] == told


@given(graphs(), conversations())
def test_a_spec_is_broken_by_the_first_happening_it_forbids(graph: AgentGraph, script: list[Move]) -> None:
    result = completed(graph, script)
    happened = list(happenings(recording_of(result), graph))

    for at, (index, happening) in enumerate(happened):
        wanted: Predicate | None = {"enter": enters, "call": calls}.get(happening.kind, lambda _: None)(happening.name)
        if wanted is None:
            continue
        judgement = never(wanted).check(result)
        first = next(i for i, (_, h) in enumerate(happened) if wanted.holds(h))
        assert not judgement
        shown = [h for _, h in happened[: first + 1] if h.kind in ("enter", "call", "final")]
        assert (judgement.index, judgement.path) == (happened[first][0], tuple(shown))
        assert first <= at
        assert judgement.index is not None
        assert judgement.index <= index


# -- the five ways to break a recording ------------------------------------------------------------------------------------


def asked(messages: Messages) -> list[int]:
    return [index for index, message in enumerate(messages) if message["role"] == "assistant"]


def codes_at(graph: AgentGraph, messages: Messages, index: int) -> set[str]:
    """What is found at `index`, which is the first place where anything is."""
    found = graph.conforms(messages)
    assert found.deviations, messages
    assert found[0].index == index, found
    return {deviation.code for deviation in found if deviation.index == index}


@given(graphs(), conversations(), st.data())
def test_a_phantom_agent_is_found_where_it_speaks_or_is_handed_to(graph: AgentGraph, script: list[Move], data: st.DataObject) -> None:
    messages = declared(completed(graph, script))
    at = at_place(asked(messages), data.draw(places))
    key = "handoff_to" if "handoff_to" in messages[at] and data.draw(st.booleans()) else "name"
    messages[at][key] = "Phantom of the desk"

    assert "unknown-agent" in codes_at(graph, messages, at)


@given(graphs(), conversations(), st.data())
def test_a_phantom_handoff_is_found_where_it_is_made(graph: AgentGraph, script: list[Move], data: st.DataObject) -> None:
    messages = declared(completed(graph, script))
    at = at_place(asked(messages), data.draw(places))
    have = {(edge.source, edge.target) for edge in graph.edges}
    strangers = [agent for agent in graph.agents if (messages[at]["name"], agent) not in have]
    assume(strangers)
    messages[at]["handoff_to"] = at_place(strangers, data.draw(places))

    assert "no-such-edge" in codes_at(graph, messages, at)


@given(graphs(), conversations(), st.data())
def test_a_foreign_tool_is_found_where_it_is_called(graph: AgentGraph, script: list[Move], data: st.DataObject) -> None:
    graph.add_agent(STRANGER)
    messages = declared(completed(graph, script))
    at = at_place(asked(messages), data.draw(places))
    call_of_a_stranger(messages, at)

    assert "foreign-tool" in codes_at(graph, messages, at)


@given(graphs(), conversations(), st.data())
def test_a_dropped_handoff_is_found_where_its_target_speaks(graph: AgentGraph, script: list[Move], data: st.DataObject) -> None:
    messages = declared(completed(graph, script))
    handed = [at for at in asked(messages) if messages[at].get("handoff_to") not in (None, messages[at]["name"])]
    assume(handed)
    at = at_place(handed, data.draw(places))
    messages[at] = {"role": "assistant", "name": messages[at]["name"], "content": "I shall hand over."}
    while messages[at + 1]["role"] == "tool":
        del messages[at + 1]

    assert codes_at(graph, messages, at + 1) >= {"silent-switch"}


@given(graphs(), conversations(), st.data())
def test_an_end_where_there_may_be_none_is_found(graph: AgentGraph, script: list[Move], data: st.DataObject) -> None:
    """Cut off behind a call, cut off behind a handoff, or ended with words by an agent that may not."""
    messages = declared(completed(graph, script))
    at = at_place(asked(messages), data.draw(places))
    graph = with_agents(graph, [graph.agents[messages[at]["name"]].replace(may_finish=False)])
    cut = [*messages[:at], {"role": "assistant", "name": messages[at]["name"], "content": "All done."}]
    assert codes_at(graph, cut, at) == {"final-not-allowed"}

    if "tool_calls" in messages[at] and "handoff_to" not in messages[at]:
        assert "final-not-allowed" in codes_at(graph, messages[: at + 1], at)
    if messages[at].get("handoff_to", "user") != "user":  # an agent of that name is a person, who need not answer
        answered = next(i for i in [*asked(messages), len(messages)] if i > at)
        assert codes_at(graph, messages[:answered], at) == {"final-not-allowed"}
