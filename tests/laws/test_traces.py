"""The laws of traces in files: what is written comes back equal, and whatever is read is a trace or one line that says why not."""

from __future__ import annotations

from hypothesis import given, strategies as st

from agentgraph import AgentGraph, AgentGraphError, AgentRunner, Context, Machine, RunConfig, Trace
from agentgraph.engine import Event, due, step
from agentgraph.engine.replaying import replay_against, replayed
from agentgraph.engine.trace_json import lines_of, read_lines
from tests.laws.test_runs import configs, spoken
from tests.strategies import Improviser, Move, changed, contexts_said, conversations, graphs


def encoded(trace: Trace) -> list[bytes]:
    return [line.encode("ascii") for line in lines_of(trace)]


@given(graphs(), st.lists(conversations(), min_size=1, max_size=3), configs(), contexts_said)
def test_a_trace_comes_back_equal(graph: AgentGraph, scripts: list[list[Move]], config: RunConfig, said: str) -> None:
    """With all that happened inside tools, over several turns; and it is written as it was before."""
    context, whole = Context(data={"n": 1}), Trace(Context(data={"n": 1}))
    for script in scripts:
        result = AgentRunner(graph, config.replace(model=Improviser(script))).run(said, context=context.with_data(n=True))
        context, whole = result.context, whole + result.trace

    again = read_lines(encoded(whole)).trace

    assert again == whole
    assert [c.to_json() for c in again.contexts] == [c.to_json() for c in whole.contexts]
    assert encoded(again) == encoded(whole)


@given(graphs(), conversations(), configs())
def test_a_trace_does_not_diverge_from_its_own_graph(graph: AgentGraph, script: list[Move], config: RunConfig) -> None:
    """Also after it was stored, and the way is the recorded one."""
    result = spoken(graph, script, config)

    found = replayed(graph.compile(), read_lines(encoded(result.trace)).trace)

    assert found.divergence is None, found.divergence
    assert found.path == tuple(name for i, name in enumerate(result.path) if result.path[i - 1 : i] != (name,))


@given(graphs(), conversations(), configs(), st.data())
def test_a_trace_diverges_where_replaying_it_first_differs(
    graph: AgentGraph, script: list[Move], config: RunConfig, data: st.DataObject
) -> None:
    """Against a changed graph. Up to there every snapshot is the same but for names of graphs and the wording of refusals."""
    trace = spoken(graph, script, config).trace
    machine = data.draw(changed(graph)).compile()

    divergence = replay_against(machine, trace)

    assert divergence is None or "\n" not in str(divergence)
    now = trace.start
    for at, (event, recorded) in enumerate(trace):
        if divergence is not None and divergence.within:
            break
        if divergence is not None and divergence.event == at:
            assert differs(machine, now, event, recorded), divergence
            break
        now = step(machine, now, event).context
        assert (now.agent, now.facts, now.data, now.phase) == (recorded.agent, recorded.facts, recorded.data, recorded.phase)
        assert {(type(e), getattr(e, "call", None)) for e in due(now)} == {(type(e), getattr(e, "call", None)) for e in due(recorded)}
        assert [m.tool_calls for m in now.messages] == [m.tool_calls for m in recorded.messages]


def differs(machine: Machine, now: Context, event: Event, recorded: Context) -> bool:
    """Whether the step cannot be made, or leads elsewhere."""
    try:
        found = step(machine, now, event).context
    except AgentGraphError:
        return True
    return found.replace(fingerprint=recorded.fingerprint) != recorded
