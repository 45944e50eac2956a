"""Equal graphs, equal bytes; and a change of the graph is a change of its own lines alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, strategies as st

from agentgraph import Agent, AgentGraph, Tool
from tests.strategies import graphs

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from agentgraph.cli.demo import graph as demo
from tests.pictures.large import large
from tests.conformance.test_corpus import TOPOLOGIES, graph_of

for graph in (demo, large(200), large(300, grouped=False), *map(graph_of, TOPOLOGIES)):
    for view in ("topology", "architecture", "full", "machine"):
        for groups in ("open", "closed"):
            sys.stdout.buffer.write(graph.to_mermaid(view=view, groups=groups).encode())
"""


def test_equal_graphs_give_equal_bytes_whatever_the_hash_seed() -> None:
    texts = []
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            timeout=120,
            check=True,
        )
        texts.append(done.stdout)

    assert texts[0].count(b"\n") > 5_000
    assert texts[0] == texts[1] == texts[2]
    assert b"\r" not in texts[0]


def is_within(old: str, new: str) -> bool:
    """Whether the lines of `old` are lines of `new`, in their order."""
    lines = iter(new.splitlines())
    return all(line in lines for line in old.splitlines())


views = st.sampled_from(["topology", "architecture", "full", "machine"])


@pytest.mark.parametrize("where", ["last", "first"])
@given(graph=graphs(), view=views, tools=st.sampled_from(["badge", "box", "none"]))
def test_an_agent_more_is_its_own_lines_more(where: str, graph: AgentGraph, view: Any, tools: Any) -> None:
    newcomer = Agent("a newcomer", tools=(Tool(name="tool_of_newcomer"),))
    larger = AgentGraph(graph.name)
    for agent in [newcomer, *graph.agents.values()] if where == "first" else [*graph.agents.values(), newcomer]:
        larger.add_agent(agent)
    for source, handoff in graph.written:
        larger.add_handoff(source, handoff)
    larger.regroup(graph.groups.values())
    larger.entry = graph.entry
    look = {"view": view, "tools": tools, "ids": "name", "on_large": "all"}

    old, new = graph.to_mermaid(**look), larger.to_mermaid(**look)

    assert is_within(old, new)
    added = _added(old, new)
    assert added
    assert all("newcomer" in line or "classDef" in line for line in added)


@given(graph=graphs(), view=views, ends=st.tuples(st.integers(0, 9), st.integers(0, 9)))
def test_a_handoff_more_is_its_own_line_more(graph: AgentGraph, view: Any, ends: tuple[int, int]) -> None:
    names = list(graph.agents)
    source, target = (names[end % len(names)] for end in ends)
    assume(not any((edge.source, edge.target) == (source, target) for edge in graph.edges))
    if view == "architecture":  # the only handoff of an agent is not told from another: it has no name in its label
        assume(sum(edge.source == source for edge in graph.edges) != 1)
    look = {"view": view, "ids": "name", "on_large": "all"}
    old = graph.to_mermaid(**look)

    graph.add_handoff(source, target)

    new = graph.to_mermaid(**look)
    assert is_within(old, new)
    assert 1 <= len(_added(old, new)) <= 3


def _added(old: str, new: str) -> list[str]:
    left = new.splitlines()
    for line in old.splitlines():
        left.remove(line)
    return left
