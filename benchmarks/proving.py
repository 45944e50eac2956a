"""W10: checks and proofs of large graphs with four facts, beside the descendants of the entry that networkx finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

import networkx as nx

from agentgraph import Agent, AgentGraph, Handoff, tool
from agentgraph.checks import calls, enters, precedes
from benchmarks.measure import Effort, clock, one_by_one
from benchmarks.table import Row, shown, spread

SIZES = (100, 1_000, 3_000)
FACTS = ("known", "paid", "of_age", "agreed")
SECONDS = 2.0


def proving(effort: Effort) -> Iterator[Row]:
    """Everything that is checked, and one proof that holds, so that all states are walked."""
    for agents in SIZES:
        graph = guarded(agents)
        plain: nx.DiGraph[str] = nx.DiGraph(graph.digraph)
        search = clock(partial(nx.descendants, plain, "agent 0"))
        proof = partial(graph.prove, precedes(enters("agent 0"), calls("work")))
        assert proof()
        asked: dict[str, Callable[[], object]] = {"check": graph.check, "a proof": proof}
        for what, ours in asked.items():
            timed = one_by_one(search, clock(ours), effort)
            goal, met = (f"under {SECONDS:g} s", timed.second < SECONDS) if agents == SIZES[-1] else ("", None)
            yield Row(
                "W10", f"{agents:,} agents, 4 facts: {what}", shown(timed.first), shown(timed.second), spread(timed.ratio), goal, met, timed
            )


def guarded(agents: int) -> AgentGraph:
    """`agents` with four handoffs each, of which a fifth need a fact; a few agents set one. The same each time."""
    chance = Random(agents)
    graph = AgentGraph("guarded", home="agent 0", human=f"agent {agents // 2}")

    @tool
    def work() -> None:
        """Do something."""

    learn = [work.replace(name=f"learn_{fact}", sets=fact) for fact in FACTS]
    for at in range(agents):
        graph.add_agent(Agent(f"agent {at}", tools=[work, *learn[at % 97 : at % 97 + 1]]))
    for at in range(agents):
        for to in dict.fromkeys(((at + 1) % agents, *chance.sample(range(agents), 3))):
            needs = [chance.choice(FACTS)] if chance.random() < 0.2 else []
            graph.add_handoff(f"agent {at}", Handoff(f"agent {to}", requires=needs))
    return graph
