"""The laws of recordings: what is written comes back equal, and whatever is read is a trace or one line that says why not."""

from __future__ import annotations

from hypothesis import given, strategies as st

from agentgraph import AgentGraph, AgentRunner, Context, RunConfig, Trace
from agentgraph.engine.trace_json import lines_of, read_lines
from tests.laws.test_runs import configs
from tests.strategies import Improviser, Move, contexts_said, conversations, graphs


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
