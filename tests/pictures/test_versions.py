"""Pages, wikis and previews pin a Mermaid for years: what we write parses in all that are pinned here, and says the same."""

from __future__ import annotations

from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentGroup, AgentRunner, ScriptedModel, call, handoff, tool
from agentgraph.views.diagram import Diagram
from tests.conformance.test_corpus import TOPOLOGIES, graph_of
from tests.pictures.mermaid_parser import Mermaid
from tests.pictures.test_names import CORPUS, MOST, flowchart, states, talk

VIEWS = ("topology", "architecture", "full", "machine")
SOME = [one for one in TOPOLOGIES if one["groups"]][:8] + [one for one in TOPOLOGIES if not one["groups"]][:8]


def one_in_another() -> AgentGraph:
    """A group in a group, arrows across both borders, and a group that no arrow leaves."""
    inner = AgentGroup.builder("Refunds").root(Agent("Clerk")).handoff("Clerk", Agent("Auditor"), "large").build()
    outer = AgentGroup.builder("Money").root(Agent("Billing")).handoff("Billing", inner, "a refund").build()
    alone = AgentGroup.builder("Night").root(Agent("Guard")).handoff("Guard", Agent("Porter"), "keys").build()
    return AgentGraph.of(Agent("Triage", handoffs=[outer]), outer, alone)


@pytest.mark.parametrize("view", VIEWS)
def test_published_topologies_parse_everywhere(view: Any, any_mermaid: Mermaid) -> None:
    for topology in SOME:
        any_mermaid.parse(graph_of(topology).to_mermaid(view=view))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("look", [{}, {"direction": "LR"}, {"groups": "closed"}, {"groups": 1}, {"tools": "box"}], ids=str)
def test_groups_parse_everywhere(view: Any, look: dict[str, Any], any_mermaid: Mermaid) -> None:
    text = one_in_another().to_mermaid(view=view, **look)

    any_mermaid.parse(text)
    assert "\n        direction" not in text  # where it is understood, it makes arrows end at the border


def test_what_was_run_parses_everywhere(any_mermaid: Mermaid) -> None:
    @tool
    def look_up() -> str:
        return "a; b # c"

    def tools_fail() -> str:
        raise ValueError("50% <gone>; end")

    second = Agent("Billing", tools=[look_up, tool(tools_fail)], model=ScriptedModel([[call("look_up"), call("tools_fail")], "done"]))
    graph = AgentGraph.of(Agent("Triage", handoffs=["Billing"], model=ScriptedModel([handoff("Billing")])), second)
    result = AgentRunner(graph).run("hi")

    for drawn in (result.sequence(), result.sequence(detail="turns"), result.sequence(detail="tools"), graph.diagram(run=result)):
        any_mermaid.parse(drawn.to_mermaid())


@pytest.mark.parametrize("form", [flowchart, states, talk])
def test_hostile_names_parse_everywhere(form: Any, any_mermaid: Mermaid) -> None:
    for one in CORPUS[::8]:  # all of them are asked of the newest in test_names
        any_mermaid.parse(Diagram(form(one["name"][:MOST])).to_mermaid())
