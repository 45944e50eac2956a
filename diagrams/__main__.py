"""Write the committed diagrams, or, with --check, say which are stale."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agentgraph.agent_graph import AgentGraph
from agentgraph.cli import demo
from agentgraph.engine.turn import LEADS_TO
from agentgraph.views.diagram import Diagram
from agentgraph.views.machine_view import transitions_picture
from diagrams import seed_graph, seed_runs
from examples import group_no_shared, group_shared, isp_support, mixed_shared_individual, triage_billing

HERE = Path(__file__).parent


def turn_machine() -> str:
    """The engine's own machine, read off its table."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, event), targets in LEADS_TO.items():
        for target in targets:
            arrows.setdefault((phase.value, target.value), []).append(event.__name__)
    return Diagram(transitions_picture(arrows, "waiting")).to_mermaid()


TOPOLOGIES: Mapping[str, AgentGraph] = {
    "demo": demo.graph,
    "group-no-shared": group_no_shared.graph,
    "group-shared": group_shared.graph,
    "isp-support": isp_support.graph,
    "mixed-shared-individual": mixed_shared_individual.graph,
    "triage-billing": triage_billing.graph,
}


def topologies() -> Mapping[str, Callable[[], str]]:
    """The graphs of the demo and the examples; those that have groups, with their groups closed too."""
    drawn: dict[str, Callable[[], str]] = {}
    for name, graph in TOPOLOGIES.items():
        drawn[f"topologies/{name}.mmd"] = graph.to_mermaid
        if graph.groups:
            drawn[f"topologies/{name}-closed.mmd"] = partial(graph.to_mermaid, groups="closed")
    return drawn


DRAWN: Mapping[str, Callable[[], str]] = {
    "turn-machine.mmd": turn_machine,
    "seeds/1-runner-and-agents.mmd": partial(seed_graph.graph.to_mermaid, view="architecture"),
    "seeds/2-almost-full-architecture.mmd": partial(seed_graph.graph.to_mermaid, view="full"),
    "seeds/3-plain-answer.mmd": lambda: seed_runs.plain_answer().to_mermaid(),
    "seeds/4-tool-call.mmd": lambda: seed_runs.tool_call().to_mermaid(),
    "seeds/5-handoff.mmd": lambda: seed_runs.handed_over().to_mermaid(),
    **topologies(),
}


def main() -> int:
    """Exit code 1 when a diagram on disk is not what would be drawn."""
    stale = 0
    for name, draw in DRAWN.items():
        path, text = HERE / name, draw()
        known = path.read_text(encoding="utf-8") if path.exists() else ""
        if "--check" in sys.argv:
            stale += known != text
            sys.stdout.writelines(difflib.unified_diff(known.splitlines(True), text.splitlines(True), f"diagrams/{name}", "drawn now"))
        elif known != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote diagrams/{name}")
    if stale:
        print("run: make draw", file=sys.stderr)
    return 1 if stale else 0


sys.exit(main())
