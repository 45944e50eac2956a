"""The graph with the path of a verdict marked. What happens inside tools is no handoff of the graph, and is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.views.diagram import Diagram
from agentgraph.views.look import look_at
from agentgraph.views.scene import picture_of
from agentgraph.views.traffic import Route, Taken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.checks.verdict import Verdict
    from agentgraph.possible.model import Step


def marked(verdict: Verdict, *, theme: Any = None, **look: Any) -> Diagram:
    """The graph, with what the path visits marked and its handoffs numbered."""
    options = look if not verdict.steps else {"run": route_of(verdict.steps), **look}
    return Diagram(picture_of(verdict.topology, look_at(**options)), theme)


def route_of(steps: Iterable[Step]) -> Route:
    """The way of `steps` through the graph."""
    agents: list[str] = []
    taken: list[Taken] = []
    depth = 0
    for step in steps:
        depth -= len(step.returns)
        if step.happening.kind == "enter":
            if agents and not step.by:
                depth += 1
            elif not depth:
                if agents:
                    taken.append(Taken(agents[-1], step.by, step.happening.name))
                agents.append(step.happening.name)
    return Route(tuple(agents), tuple(taken))
