"""The laws of pictures of runs, on random topologies and random conversations: nothing is left out, nothing is made up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, strategies as st

from agentgraph import AgentGraph, AgentRunner, Machine, RunConfig, RunResult, replay
from agentgraph.engine import Approved, OutputHandled, ToolReturned, Trace, UserSaid, step
from agentgraph.views.display import display, shortened
from agentgraph.views.look import look_at
from agentgraph.views.mermaid_sequence import mermaid_sequence
from agentgraph.views.picture import Happening, Message, Sequence, Span
from agentgraph.views.scene import picture_of
from agentgraph.views.sequence_view import ends, sequence_of
from tests.laws.test_runs import configs, spoken
from tests.strategies import Improviser, Move, at_place, contexts_said, conversations, graphs, places

options = st.fixed_dictionaries(
    {
        "participants": st.sampled_from(["roles", "agents"]),
        "detail": st.sampled_from(["turns", "llm", "tools"]),
        "max_text": st.integers(1, 90),
    }
)


def messages(happenings: Iterable[Happening], *, inside: bool = True) -> Iterator[Message]:
    for happening in happenings:
        if isinstance(happening, Message):
            yield happening
        elif isinstance(happening, Span) and (inside or happening.kind == "par"):
            for section in happening.sections:
                yield from messages(section, inside=inside)


def drawn(result: RunResult, **options: Any) -> Sequence:
    assert result.machine is not None
    return sequence_of(result.trace, result.machine, error=result.error, **options)


def two_turns(graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig) -> Trace:
    one = spoken(graph, first, config)
    return one.trace + spoken(graph, second, config, "and now?", one.context).trace


@given(graphs(), conversations(), conversations(), configs())
def test_every_event_has_its_lines(graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig) -> None:
    """Each event adds to what is drawn; only a handler that lets an output pass may not, nor what goes on inside before it is over."""
    trace, machine = two_turns(graph, first, second, config), graph.compile()
    shorter = [Trace(trace.start, (), trace.children, trace.taken[:n]) for n in range(len(trace) + 1)]
    lines = [len(list(messages(sequence_of(part, machine).happenings))) for part in shorter]

    for (fewer, more), (event, _) in zip(pairwise(lines), trace, strict=True):
        silent = event.within or (isinstance(event, OutputHandled) and event.decision == "forward")
        assert fewer < more or (fewer == more and silent), event


@given(graphs(), conversations(), conversations(), configs(), options)
def test_every_decision_of_a_person_is_drawn(
    graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig, options: dict[str, Any]
) -> None:
    """Allowed or not, in their order within a reply and for their reason; and no other. What is asked twice is drawn once."""
    trace = two_turns(graph, first, second, config)
    lines = messages(sequence_of(trace, graph.compile(), **options).happenings, inside=False)

    decided = Counter("Approved" if event.approved else "Not approved" for event in trace.events if isinstance(event, Approved))
    assert Counter(m.text.partition(":")[0] for m in lines if m.reply and m.text.startswith(("Approved", "Not approved"))) == decided


@given(graphs(), conversations(), configs(), contexts_said, options)
def test_whoever_is_named_is_declared(graph: AgentGraph, script: list[Move], config: RunConfig, said: str, options: dict[str, Any]) -> None:
    """And nobody is declared, but the user and the runner, who has nothing to do with it."""
    sequence = drawn(spoken(graph, script, config, said), **options)
    declared = [participant.id for participant in sequence.participants]

    assert len(set(declared)) == len(declared)
    assert set(ends(sequence.happenings)) <= set(declared)
    assert set(declared) - set(ends(sequence.happenings)) <= {"U", "AR"}
    assert len({participant.label for participant in sequence.participants}) == len(declared)


@given(graphs(), conversations(), configs(), contexts_said, options)
def test_equal_runs_give_equal_bytes(graph: AgentGraph, script: list[Move], config: RunConfig, said: str, options: dict[str, Any]) -> None:
    """Whichever of the calls that ran side by side came back first, and however the run was waited for; a line each, and one at the end."""
    once = spoken(graph, script, config, said)
    text = mermaid_sequence(drawn(once, **options))

    again = asyncio.run(AgentRunner(graph, config.replace(model=Improviser(script))).arun(said))
    assert mermaid_sequence(drawn(again, **options)) == text
    replayed = replay(graph.compile(), once.trace.start, once.trace.events)
    assert mermaid_sequence(sequence_of(once.trace + Trace(once.context), graph.compile(), error=once.error, **options)) == text
    assert (
        mermaid_sequence(sequence_of(Trace(replayed.start, replayed, once.trace.children), graph.compile(), error=once.error, **options))
        == text
    )
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert text.count(": ") >= len(list(messages(drawn(once, **options).happenings)))


@given(graphs(), conversations(), conversations(), configs(), st.integers(1, 30))
def test_what_was_said_is_there_in_the_order_of_the_history(
    graph: AgentGraph, first: list[Move], second: list[Move], config: RunConfig, max_text: int
) -> None:
    """What the user said, and what models said beside their calls, shown as it may be read, and shortened."""
    trace = two_turns(graph, first, second, config)
    sequence = sequence_of(trace, graph.compile(), max_text=max_text)

    said = [m.text for m in trace.contexts[-1].messages if m.role == "user" or (m.role == "assistant" and m.tool_calls and m.text)]
    quoted = [
        m.text
        for m in messages(sequence.happenings, inside=False)
        if m.text.startswith('"') and (m.source == "U" or (m.source == "LLM" and m.reply))
    ]
    assert quoted == [f'"{shortened(display(text), max_text)}"' for text in said]
    assert all(len(text) <= max_text + 2 for text in quoted)


@given(graphs(), conversations(), configs())
def test_every_call_that_ran_is_drawn_and_no_other(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """An arrow to the tools for each execution that was started, an arrow back for each that returned, also inside of tools; crosses for the rest."""
    result = spoken(graph, script, config)
    machine = graph.compile()
    lines = list(messages(drawn(result).happenings))

    ran = Counter(m.text for m in lines if m.target == "T" and m.source in ("LLM", "AR") and not m.marks)
    assert ran == Counter(started(result.trace, machine))
    back = sum(m.source == "T" and m.reply for m in lines)
    assert back >= sum(isinstance(event, ToolReturned) for event in result.trace.events)


def started(trace: Trace, machine: Machine) -> Iterator[str]:
    """The names of the tools that the engine had run."""
    for before, (event, _) in zip(trace.contexts, trace, strict=False):
        for happening in step(machine, before, event).happened:
            if happening.kind == "call":
                yield happening.name


@given(graphs(), conversations(), configs())
def test_the_conversation_moves_as_it_did(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """The runner selects, and then loads, the agents of the path in their order; every run that ended tells the user of it."""
    result = spoken(graph, script, config)
    sequence = drawn(result)
    ids = {participant.id for participant in sequence.participants}  # two names may be shown as one
    lines = list(messages(sequence.happenings, inside=False))

    given_to = [m.target for m in lines if m.source == "AR" and not m.reply and m.target not in ("U", "T")]
    assert len(given_to) == len(result.path)
    assert [a == b for a, b in pairwise(given_to)] == [a == b for a, b in pairwise(result.path)]
    assert set(given_to) <= ids
    if result.stop_reason not in ("approval", "unfinished"):
        assert (lines[-1].source, lines[-1].target, lines[-1].marks == ("failed",)) == ("AR", "U", result.failed)


@given(graphs(), st.lists(conversations(), min_size=1, max_size=3), configs())
def test_the_weights_are_the_handoffs(graph: AgentGraph, scripts: list[list[Move]], config: RunConfig) -> None:
    """Every handoff of every run is on one arrow, and every agent that held a conversation is marked, and no other."""
    results = [spoken(graph, script, config) for script in scripts]
    handoffs = [
        (a.handed.source, a.handed.target) for r in results for b, a in pairwise(r.trace.contexts) if a.handed and a.handed != b.handed
    ]

    for view in ("topology", "machine"):
        picture = picture_of(graph, look_at(view=view, run=results, on_large="all"))
        assert sum(arrow.weight for arrow in picture.arrows) == len(handoffs)
        assert {box.name for box in picture.boxes if "visited" in box.marks} == {agent for result in results for agent in result.path}

    closed = picture_of(graph, look_at(groups="closed", run=results, on_large="all"))
    node = {name: (graph.groups_of(name) or (name,))[0] for name in graph.agents}
    crossing = [1 for source, target in handoffs if node[source] != node[target] or source == target == node[source]]
    assert sum(arrow.weight for arrow in closed.arrows) == len(crossing)
    assert {box.name for box in closed.boxes if "visited" in box.marks} == {node[agent] for result in results for agent in result.path}


@given(graphs(), conversations(), configs(), places)
def test_a_step_shows_who_holds_the_conversation_then(graph: AgentGraph, script: list[Move], config: RunConfig, place: int) -> None:
    """Of a trace as of a context, whichever way the index is counted."""
    trace = spoken(graph, script, config).trace
    at = at_place(range(len(trace)), place)
    _, context = trace[at]

    picture = picture_of(graph, look_at(run=trace, step=at, on_large="all"))

    assert [box.name for box in picture.boxes if "active" in box.marks] == [context.agent]
    assert picture == picture_of(graph, look_at(run=trace, step=at - len(trace), on_large="all"))
    assert picture == picture_of(graph, look_at(run=context, on_large="all"))
    assert isinstance(trace[0][0], UserSaid)
