"""The pytest plugin, in sessions of its own: what it counts is what the runs told, whoever ran them, and wherever."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest_plugins = ["pytester"]

SHOP = """
from agentgraph import Agent, AgentGraph, AgentRunner, Reply, RunConfig, ScriptedModel, ToolContext, handoff, tool, call

@tool(sets="verified")
def verify() -> bool:
    '''Find out who it is.'''
    return True

@tool(requires="verified")
def refund() -> str:
    '''Give money back.'''
    return "refunded"

def shop():
    graph = AgentGraph("shop")
    graph.add_agent(Agent("Triage", tools=[verify]))
    graph.add_agent(Agent("Billing", tools=[refund]))
    graph.add_agent(Agent("Sales"))
    graph.add_handoff("Triage", "Billing")
    graph.add_handoff("Billing", "Triage")
    graph.add_handoff("Triage", "Sales", requires="verified")
    graph.add_handoff("Sales", "Triage")
    return graph

graph = shop()

def held(*replies, on=None, config=RunConfig(), **options):
    runner = AgentRunner(on or shop(), config.replace(model=ScriptedModel([*replies, "done"])))
    with open("log.jsonl", "a") as log:
        @runner.on_agent_handoff
        def _(seen):
            log.write(seen.source + ">" + seen.target + chr(10))
        return runner.run("hello", **options)
"""

ASKS = """
import asyncio, threading
import pytest
from agentgraph import AgentRunner, Context, RunConfig, ScriptedModel, call, handoff, replay
from shop import held, shop

@pytest.mark.parametrize("n", range(4))
def test_there_and_back(n):
    assert held(handoff("Billing"), handoff("Triage")).path == ("Triage", "Billing", "Triage")

def test_in_threads():
    threads = [threading.Thread(target=held, args=(handoff("Billing"),)) for _ in range(3)]
    [t.start() for t in threads]
    [t.join() for t in threads]

def test_refused():
    held(call("refund"), handoff("Sales"))

def test_replayed_and_resumed():
    result = held(handoff("Billing"), call("refund"))
    replay(result.machine, result.trace.start, result.trace.events)
    middle = next(c for c in result.trace.contexts if c.agent == "Billing")
    AgentRunner(shop(), RunConfig(model=ScriptedModel(["done"]))).resume(Context.from_json(middle.to_json()))
"""

LISTS = """
from shop import graph

def test_every_edge_is_there():
    assert {(e.source, e.target) for e in graph.edges} == {("Triage", "Billing"), ("Billing", "Triage"), ("Triage", "Sales"), ("Sales", "Triage")}
    graph.compile().transitions
"""

Session = Callable[..., pytest.RunResult]


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Runs pytest on a shop and its tests, as where the package is installed."""
    root = str(Path(__file__).parents[2])
    pytester.makepyfile(shop=SHOP)

    def run(tests: str, *options: str) -> pytest.RunResult:
        monkeypatch.setenv("PYTHONPATH", root)
        pytester.makepyfile(test_shop=tests)
        plugins = ("-p", "no:agentgraph", "-p", "agentgraph.testing.plugin", "-p", "no:cacheprovider")
        return pytester.runpytest_subprocess(*plugins, *options)

    return run


def measured(pytester: pytest.Pytester) -> Any:
    (whole,) = json.loads((pytester.path / "cov.json").read_text(encoding="utf-8"))
    return whole


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_count_is_that_of_the_event_log(session: Session, pytester: pytest.Pytester, workers: str) -> None:
    """Threads, workers of pytest-xdist, a run resumed and one replayed: each handoff is counted once, where it fired."""
    session(ASKS, "-n", workers, "--handoff-cov=shop:graph", "--handoff-cov-report=json:cov.json").assert_outcomes(passed=7)

    logged = Counter((pytester.path / "log.jsonl").read_text(encoding="utf-8").split())
    found = {f"{row['source']}>{row['target']}": row["fired"] for row in measured(pytester)["handoffs"]}

    assert {edge: times for edge, times in found.items() if times} == logged == {"Triage>Billing": 8, "Billing>Triage": 4}
    assert measured(pytester)["percent"] == 50.0
    assert [row["tool"] for row in measured(pytester)["tools"] if row["refused"]] == ["refund"]


def test_the_table_says_what_never_fired(session: Session) -> None:
    told = session(ASKS, "--handoff-cov=shop:graph")

    told.stdout.fnmatch_lines(
        [
            "*handoff coverage: shop:graph*",
            "Triage -> Billing (handoff_to_billing) * 8",
            "Triage -> Sales (handoff_to_sales) * never",
            "2 of 4 handoffs fired in * runs: 50.0%",
            "2 of 3 agents entered; never: Sales",
            "0 of 2 tools called; never: Triage: verify, Billing: refund",
            "*calls refused:*Billing: refund x1*",
        ]
    )
    assert told.ret == 0


def test_naming_edges_without_running_them_scores_nothing(session: Session, pytester: pytest.Pytester) -> None:
    told = session(LISTS, "--handoff-cov=shop:graph", "--handoff-cov-report=json:cov.json", "--handoff-cov-fail-under=1")

    assert measured(pytester)["percent"] == 0
    assert told.ret == pytest.ExitCode.TESTS_FAILED
    told.stdout.fnmatch_lines(["handoff coverage of shop:graph is 0.0%, less than 1%"])


@pytest.mark.parametrize(("least", "code"), [("50", 0), ("50.1", 1)])
def test_less_than_what_is_asked_for_fails(session: Session, least: str, code: int) -> None:
    assert session(ASKS, "-n", "2", "--handoff-cov=shop:graph", f"--handoff-cov-fail-under={least}").ret == code


def test_a_diagram_shows_what_fired(session: Session, pytester: pytest.Pytester) -> None:
    session(ASKS, "--handoff-cov=shop:graph", "--handoff-cov-report=diagram:cov.mmd", "--handoff-cov-report=diagram:cov.svg")

    assert "x8" in (pytester.path / "cov.mmd").read_text(encoding="utf-8")
    assert (pytester.path / "cov.svg").read_text(encoding="utf-8").startswith("<svg")


def test_runs_of_another_topology_do_not_count(session: Session, pytester: pytest.Pytester) -> None:
    other = """
from agentgraph import Agent, AgentGraph, handoff
from shop import held, shop

def test_other():
    held(handoff("Billing"), on=shop().add_agent(Agent("New")))
"""
    told = session(other, "--handoff-cov=shop:graph", "--handoff-cov-report=json:cov.json", "--handoff-cov-report=term")

    assert measured(pytester)["percent"] == 0
    told.stdout.fnmatch_lines(["no run was one of this graph*"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--handoff-cov=shop:nothing"], "nothing"),
        (["--handoff-cov=nowhere:graph"], "nowhere"),
        (["--handoff-cov=shop:graph", "--handoff-cov-report=xml"], "give term, json:FILE"),
        (["--handoff-cov-fail-under=3"], "handoff coverage of what?"),
    ],
)
def test_wrong_options_are_one_line(session: Session, options: list[str], said: str) -> None:
    told = session(LISTS, *options)

    assert told.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in told.stderr.lines if line.strip()]
    assert said in line


def test_a_counterexample_is_shown_below_the_test(session: Session) -> None:
    failing = """
from agentgraph.checks import calls, never
from shop import graph

def test_proof():
    assert graph.prove(never(calls("refund")))
"""
    told = session(failing)

    told.stdout.fnmatch_lines(["*counterexample*", "enter Triage, call verify, enter Billing, call refund", "flowchart*"])


def test_the_plugin_imports_nothing_heavy() -> None:
    code = "import sys, agentgraph.testing.plugin; print(*sorted(m for m in sys.modules if '.' not in m), *[m for m in sys.modules if m.startswith('agentgraph.')])"
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())

    assert not loaded & {"hypothesis", "litellm", "networkx", "pydantic", "transitions", "msgspec", "asyncio"}
    assert {name for name in loaded if name.startswith("agentgraph.")} == {"agentgraph.testing", "agentgraph.testing.plugin"}


def test_a_test_that_fails_beside_a_class_or_anything_strange_is_told_as_it_is(pytester: pytest.Pytester) -> None:
    """Nothing of the values around a failure is asked for anything."""
    pytester.makepyfile(
        """
        class Strange:
            def __getattribute__(self, name):
                raise SystemExit("asked for " + name)

        def test_it():
            kind, odd, every = type, Strange(), [type(type)]
            assert kind is None
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:agentgraph", "-p", "agentgraph.testing.plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
