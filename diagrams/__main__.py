"""Write the committed diagrams, or, with --check, say which are stale."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
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


def turn_machine() -> Diagram:
    """The engine's own machine, read off its table."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, event), targets in LEADS_TO.items():
        for target in targets:
            arrows.setdefault((phase.value, target.value), []).append(event.__name__)
    return Diagram(transitions_picture(arrows, "waiting"))


TOPOLOGIES: Mapping[str, AgentGraph] = {
    "demo": demo.graph,
    "group-no-shared": group_no_shared.graph,
    "group-shared": group_shared.graph,
    "isp-support": isp_support.graph,
    "mixed-shared-individual": mixed_shared_individual.graph,
    "triage-billing": triage_billing.graph,
}


def topologies() -> Mapping[str, Callable[[], Diagram]]:
    """The graphs of the demo and the examples; those that have groups, with their groups closed too."""
    drawn: dict[str, Callable[[], Diagram]] = {}
    for name, graph in TOPOLOGIES.items():
        drawn[f"topologies/{name}"] = graph.diagram
        if graph.groups:
            drawn[f"topologies/{name}-closed"] = partial(graph.diagram, groups="closed")
    return drawn


DRAWN: Mapping[str, Callable[[], Diagram]] = {
    "turn-machine": turn_machine,
    "seeds/1-runner-and-agents": partial(seed_graph.graph.diagram, view="architecture"),
    "seeds/2-almost-full-architecture": partial(seed_graph.graph.diagram, view="full"),
    "seeds/3-plain-answer": lambda: seed_runs.plain_answer().sequence(),
    "seeds/4-tool-call": lambda: seed_runs.tool_call().sequence(),
    "seeds/5-handoff": lambda: seed_runs.handed_over().sequence(),
    **topologies(),
}


def texts() -> Iterator[tuple[str, str]]:
    """Every file and what is to be in it: Mermaid and DOT, whose bytes are the same on every machine."""
    for name, draw in DRAWN.items():
        diagram = draw()
        yield f"{name}.mmd", diagram.to_mermaid()
        yield f"{name}.dot", diagram.to_dot()


def main() -> int:
    """Exit code 1 when a diagram on disk is not what would be drawn."""
    stale = 0
    for name, text in texts():
        path = HERE / name
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
