"""Watching a whole process: every run is told, each thing once, and nothing is told that did not happen."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Machine,
    Observation,
    Reply,
    RunConfig,
    RunStarted,
    ScriptedModel,
    call,
    handoff,
    replay,
)
from agentgraph.runtime.watchers import WATCHERS
from agentgraph.testing.handoff_coverage import HandoffCoverage, Tally


def pair(*replies: object) -> AgentRunner:
    return AgentRunner(graph(), RunConfig(model=ScriptedModel([*replies, "done"])))


def graph() -> AgentGraph:
    return AgentGraph.of(Agent("Front", handoffs=["Back"]), Agent("Back", handoffs=["Front"]), name="pair")


def fired(tally: Tally) -> dict[str, int]:
    return {f"{edge.source}>{edge.target}": times for edge, times in HandoffCoverage(graph(), tally).edges}


@pytest.mark.parametrize("way", ["run", "arun", "stream", "astream", "thread"])
def test_every_way_of_running_is_watched(way: str) -> None:
    tally, runner = Tally(), pair(handoff("Back"), handoff("Front"), handoff("Back"))

    async def streamed() -> None:
        async for _ in runner.astream("hello"):
            pass

    with WATCHERS.told(tally.see):
        match way:
            case "run":
                runner.run("hello")
            case "arun":
                asyncio.run(runner.arun("hello"))
            case "stream":
                list(runner.stream("hello"))
            case "astream":
                asyncio.run(streamed())
            case "thread":
                thread = threading.Thread(target=runner.run, args=("hello",))
                thread.start()
                thread.join()

    assert fired(tally) == {"Front>Back": 2, "Back>Front": 1}


@pytest.mark.parametrize("beside", [1, 3])
@pytest.mark.parametrize("streamed", [False, True])
def test_what_happens_inside_a_tool_is_told_once_with_its_own_machine(beside: int, streamed: bool) -> None:
    inner = Agent("Inner", model=ScriptedModel(["inside"] * beside))
    outer = Agent("Outer", tools=[inner.as_tool(name="ask")], model=ScriptedModel([[call("ask", input="?")] * beside, "done"]))
    runner = AgentRunner(outer)
    seen: list[tuple[str, str]] = []

    def watch(machine: Machine, observation: Observation) -> None:
        seen.append((machine.name, type(observation).__name__))

    with WATCHERS.told(watch):
        if streamed:
            list(runner.stream("hello"))
        else:
            runner.run("hello")

    counts = Counter(seen)
    assert counts["Inner", "LLMCallComplete"] == beside
    assert counts["agents", "LLMCallComplete"] == 2
    assert counts["agents", "ToolStarted"] == counts["agents", "ToolCompleted"] == beside


def test_stepping_through_events_again_is_no_run() -> None:
    tally = Tally()
    result = pair(handoff("Back")).run("hello")
    assert result.machine is not None

    with WATCHERS.told(tally.see):
        replay(result.machine, result.trace.start, result.trace.events)

    assert not tally.counts


def test_nobody_is_told_afterwards() -> None:
    seen: list[Observation] = []
    with WATCHERS.told(lambda _, observation: seen.append(observation)):
        pair().run("hello")
    before = len(seen)
    pair().run("hello")

    assert isinstance(seen[0], RunStarted)
    assert len(seen) == before


def test_a_watcher_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def fail(machine: Machine, observation: Observation) -> None:
        raise ZeroDivisionError

    with WATCHERS.told(fail):
        assert pair().run("hello").output == "done"

    assert "a watcher failed at RunStarted" in caplog.text


def test_a_graph_without_handoffs_is_covered() -> None:
    assert HandoffCoverage(AgentGraph.of(Agent("Alone")), Tally()).percent == 100


def test_tallies_of_several_processes_add_up() -> None:
    one, other = Tally(), Tally()
    with WATCHERS.told(one.see):
        pair(handoff("Back")).run("hello")
    other.add(one.rows())
    other.add(one.rows())

    assert fired(other) == {"Front>Back": 2, "Back>Front": 0}


def test_the_diagram_counts_one_handoff_too() -> None:
    """A single route would number its steps: what fired once is counted as the others are."""
    tally = Tally()
    with WATCHERS.told(tally.see):
        pair(Reply("done")).run("hello")
        pair(handoff("Back")).run("hello")

    drawn = HandoffCoverage(graph(), tally).diagram().to_mermaid()
    assert "x1" in drawn
    assert "50.0% of the handoffs fired" in drawn
