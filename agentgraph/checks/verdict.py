"""Verdicts: what a proof came to. `assert graph.prove(spec)` is enough: the repr of a verdict is the failure message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.conversation.happening import Happening
    from agentgraph.graph.topology import Topology
    from agentgraph.possible.model import Step
    from agentgraph.views.diagram import Diagram

ALWAYS_ASSUMED = (
    "the model may do anything, in any order: any prompt, jailbreak or injection",
    "`when=`, payloads and approvals may say yes or no",
    "conversations begin at an entry without facts, or go on from a context of this graph",
)
"""What every verdict rests on."""


def path_of(steps: Iterable[Step]) -> tuple[Happening, ...]:
    """The moves of a way, a call and what it comes to as one: "call refund" gives its output, "call refund, which fails" does not."""
    return tuple(_shown(step) for step in steps if step.is_move)


def _shown(step: Step) -> Happening:
    if step.lost:
        return replace(step.happening, reason="whose output nobody hears of")
    return replace(step.happening, reason="which fails") if step.fails else step.happening


class Replay(Protocol):
    """Executes the path of a verdict through the real runner."""

    def __call__(self, verdict: Verdict, *, stub: bool) -> Any:
        """The result of the run, of all its turns."""
        ...


class Verdict(Struct, frozen=True, kw_only=True, eq=False):
    """Whether a spec or a question holds of a topology, and the shortest conversation that shows it. As a bool: whether it holds."""

    holds: bool
    spec: Any
    path: tuple[Happening, ...] = ()
    """The shortest counterexample; of a question that holds, the shortest way. A call and what it comes to are one move."""
    assumptions: tuple[str, ...] = ALWAYS_ASSUMED
    advice: str = ""
    """What to do about it."""
    agents: tuple[str, ...] = ()
    """Of a question that is refuted: every agent that breaks it, in the order written."""
    distance: int | None = None
    """Of a question: how many handoffs it takes; None where there is no way."""
    topology: Topology
    steps: tuple[Step, ...] = ()
    """The path, with what a script must do for it."""
    replayer: Replay | None = None

    def __bool__(self) -> bool:
        return self.holds

    def __repr__(self) -> str:
        lines = [f"{'holds' if self.holds else 'refuted'}: {self.spec}"]
        if self.path:
            lines.append(f"  {'by' if self.holds else 'because'}: {self._way}")
        if self.agents:
            lines.append(f"  agents: {', '.join(map(repr, self.agents))}")
        if self.advice and not self.holds:
            lines.append(f"  to do: {self.advice}")
        lines += [f"  assumed: {each}" for each in self.assumptions]
        return "\n".join(lines)

    def __str__(self) -> str:
        """One line."""
        why = self._way or ", ".join(map(repr, self.agents))
        return f"{'holds' if self.holds else 'refuted'}: {self.spec}" + (f": {why}" if why else "")

    @property
    def _way(self) -> str:
        """The path in words; where a call that comes back is what breaks the spec, it is said behind it, since it is no move."""
        back = [f" (and {step.happening})" for step in self.steps if not step.is_move]
        return " -> ".join(map(str, self.path)) + "".join(back)

    def replay(self, *, stub: bool = True) -> Any:
        """Execute the path through the real runner, with a scripted model: the `RunResult` of all its turns.

        With `stub` every tool keeps its name, guards and facts, and its function is replaced by one that does nothing; without it the
        real functions run, and the path goes on as far as they let it.

        Raises:
            DefinitionError: where there is no path, or nothing that runs it.
        """
        if not self.steps:
            raise DefinitionError(f"{self.spec} {'holds' if self.holds else 'is refuted'} without a path, so there is nothing to replay")
        if self.replayer is None:
            raise DefinitionError("a verdict is replayed by the graph that gave it; ask graph.prove(...) of an AgentGraph")
        return self.replayer(self, stub=stub)

    # -- pictures --------------------------------------------------------------------------------------------------

    def diagram(self, **look: Any) -> Diagram:
        """The graph with the path marked and numbered; options as for `graph.diagram()`."""
        from agentgraph.checks.marked import marked

        return marked(self, **look)

    def to_mermaid(self, **look: Any) -> str:
        """`diagram(...)` as Mermaid text."""
        return self.diagram(**look).to_mermaid()

    def to_dot(self, **look: Any) -> str:
        """`diagram(...)` as DOT text."""
        return self.diagram(**look).to_dot()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return {**self.diagram()._repr_mimebundle_(**options), "text/plain": repr(self)}

    def _mime_(self) -> tuple[str, str]:
        return self.diagram()._mime_()
