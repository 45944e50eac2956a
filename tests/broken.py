"""Ways to break what was recorded, in place, and graphs that are changed to notice: for laws on random runs and tables of published ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentgraph import Agent, AgentGraph, Tool

Messages = list[dict[str, Any]]
STRANGER = Agent("Somebody else", tools=[Tool(name="of_somebody_else")])
"""Joins a graph, so that its tool is a known one, and yet nobody else's."""


def call_of_a_stranger(messages: Messages, at: int) -> None:
    """The message at `at` calls the tool of the stranger too, and is answered."""
    call = {"id": "foreign", "type": "function", "function": {"name": STRANGER.tools[0].name, "arguments": "{}"}}
    messages[at]["tool_calls"] = [*messages[at].get("tool_calls", ()), call]
    messages.insert(at + 1, {"role": "tool", "tool_call_id": "foreign", "content": "ok"})


def with_agents(graph: AgentGraph, agents: Iterable[Agent]) -> AgentGraph:
    """The graph with other agents in the places of their namesakes."""
    other, named = AgentGraph(graph.name), {agent.name: agent for agent in agents}
    for each in graph.agents.values():
        other.add_agent(named.get(each.name, each))
    for source, handoff in graph.written:
        other.add_handoff(source, handoff)
    other.regroup(graph.groups.values())
    other.entry = graph.entries
    return other
