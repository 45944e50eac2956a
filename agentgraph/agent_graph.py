"""AgentGraph: the one value that is compiled, drawn and checked. This is its face; the floors below hold what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from agentgraph.graph import topology_file
from agentgraph.graph.topology import Topology
from agentgraph.machine.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import graphviz

    from agentgraph.checks.conformance import Conformance
    from agentgraph.checks.drift import Drift
    from agentgraph.checks.questions import Question
    from agentgraph.checks.spec import Spec
    from agentgraph.checks.traffic import Traffic
    from agentgraph.checks.verdict import Verdict
    from agentgraph.errors import Finding
    from agentgraph.runtime.result import RunResult
    from agentgraph.views.compare.comparing import Comparable
    from agentgraph.views.diagram import Diagram
    from agentgraph.views.look import View
    from agentgraph.views.theme import Theme


class AgentGraph(Topology):
    """Agents, handoffs and groups.

    >>> from agentgraph import Agent
    >>> graph = AgentGraph("support")
    >>> _ = graph.add_agent(Agent("Triage")).add_agent(Agent("Billing")).add_handoff("Triage", "Billing")
    >>> graph.compile()
    Machine('support', 2 agents, 1 transitions)
    """

    def compile(self) -> Machine:
        """The finite-state machine that runs conversations: immutable, shared by any number of threads.

        Raises:
            DefinitionError: with every finding that stops it.
        """
        return Machine(self)

    def check(self, *policies: Spec | Question) -> list[Finding]:
        """What is wrong, or legal and suspicious, each with a witness and a fix; and each of `policies` that does not hold.

        Only unknown targets and colliding names stop `compile()`.
        """
        from agentgraph.checks.topology import findings

        return findings(self, policies)

    def prove(self, demand: Spec | Question) -> Verdict:
        """Whether every conversation that this graph allows keeps to `demand`; if not, the shortest that does not.

        `assert graph.prove(spec)` is enough: the verdict is true when it holds, and its repr says why not.

        Raises:
            DefinitionError: for a spec that names what is not there, a graph that cannot be compiled, and one with too many facts.
        """
        from agentgraph.checks.prove import prove

        return replace(prove(self, demand), replayer=_replayed)

    def diagram(
        self, view: View = "topology", *, theme: str | Theme | None = None, compare: Comparable | None = None, **look: Any
    ) -> Diagram:
        """What this graph looks like. In a notebook it shows itself; `to_mermaid`, `save` and others write it.

        Views: topology (agents, groups, handoffs), architecture (a runner, its agents, their tools, the context they share),
        full (how those work together), machine (the compiled states and transitions).

        Options: direction ("TD", "LR"), groups ("open", "closed", a depth, or {"Research": "closed"}), tools ("badge", "box", "none"),
        focus (an agent or group) and hops around it, title, theme, ids ("name", "short"), on_large ("collapse": less is shown where
        it would be too much to read, and the title says so; "error"; "all"), run (a result, trace or context whose way is marked, or
        several, that are counted) and step (how far into the trace of one), compare (an older graph, or the path of one: what changed is
        marked).

        Raises:
            DefinitionError: for an option, a group or an agent that there is not.
        """
        if compare is not None:
            from agentgraph.views.compare.comparing import diff

            return diff(compare, self).diagram(theme=theme, view=view, **look)
        from agentgraph.views.diagram import Diagram
        from agentgraph.views.look import look_at
        from agentgraph.views.scene import picture_of

        return Diagram(picture_of(self, look_at(view=view, **look)), theme)

    def to_mermaid(self, **options: Any) -> str:
        """`diagram(...)` as Mermaid text."""
        return self.diagram(**options).to_mermaid()

    def to_dot(self, **options: Any) -> str:
        """`diagram(...)` as DOT text."""
        return self.diagram(**options).to_dot()

    def to_graphviz(self, **options: Any) -> graphviz.Digraph:
        """`diagram(...)` as a `graphviz.Digraph`."""
        return self.diagram(**options).to_graphviz()

    def to_svg(self, **options: Any) -> str:
        """`diagram(...)` as an SVG document."""
        return self.diagram(**options).to_svg()

    def to_png(self, **options: Any) -> bytes:
        """`diagram(...)` as a PNG."""
        return self.diagram(**options).to_png()

    def to_html(self, **options: Any) -> str:
        """`diagram(...)` as a page of its own."""
        return self.diagram(**options).to_html()

    def to_text(self, **options: Any) -> str:
        """`diagram(...)` as a tree of lines."""
        return self.diagram(**options).to_text()

    def render(self, path: str | Path, **options: Any) -> Path:
        """Write `diagram(...)` to a file, in the format that its ending names: .mmd, .md, .dot, .svg, .png, .html, .txt or .json.

        Raises:
            DefinitionError: as `diagram` does, for another ending, and for a file that cannot be written.
        """
        return self.diagram(**options).save(path)

    def __format__(self, spec: str) -> str:
        """`f"{graph:mermaid}"`, and the other formats of a diagram."""
        return format(self.diagram(), spec) if spec else str(self)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return self.diagram()._repr_mimebundle_(**options)

    def _mime_(self) -> tuple[str, str]:
        return self.diagram()._mime_()

    def save(self, path: str | Path) -> None:
        """Write the topology to a .json, .yaml or .yml file: names, tools' names, handoffs, groups; no code.

        Raises:
            DefinitionError: for another ending, and for a file that cannot be written.
        """
        topology_file.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The topology in a file that `save` wrote, or that was written by hand.

        Raises:
            DefinitionError: naming the file, the place in it, what was found and what was expected.
        """
        return topology_file.load(cls, path)

    def conforms(self, run: Any) -> Conformance:
        """Whether a recorded run keeps to this graph: true, or the deviations from it, each with the index of its message.

        `run` is a result, a trace, a context, a list of messages as dictionaries or values, or a dictionary with "messages".

        Raises:
            DefinitionError: for what is no record of a run.
            ContextError: for a message that is none, saying which.
        """
        from agentgraph.checks.conformance import conformance

        return conformance(self, run)

    traffic: Traffic | None = None
    """How often what happened, of a graph that was observed."""

    @classmethod
    def observed(cls, runs: Iterable[Any], name: str = "observed") -> Self:
        """The graph of what really happened: the agents, handoffs and tools that are seen in `runs`; `traffic` counts them.

        `runs` are records as `conforms` takes them. They are read one by one, so a generator of thousands will do.

        Raises:
            DefinitionError: for what is no record of a run.
        """
        from agentgraph.checks.traffic import drawn_up, traffic_of

        traffic = traffic_of(runs)
        graph = drawn_up(cls(name), traffic)
        graph.traffic = traffic
        return graph

    def drift(self, observed: AgentGraph | Iterable[Any]) -> Drift:
        """What is declared here and never used, and used and not declared: in a graph that was observed, or in runs.

        Given the runs themselves, calls of handoffs are seen to be handoffs also where nothing else in a record says so.

        Raises:
            DefinitionError: for what is no record of a run.
        """
        from agentgraph.checks.drift import drift

        return drift(self, observed)


def _replayed(verdict: Verdict, *, stub: bool) -> RunResult:
    from agentgraph.replayed import replayed

    return replayed(verdict, stub=stub)
