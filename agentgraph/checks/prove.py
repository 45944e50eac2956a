"""prove: whether every conversation that a topology allows keeps to a spec."""

from __future__ import annotations

from typing import Any

from agentgraph.checks.answers import answer
from agentgraph.checks.named import check_names
from agentgraph.checks.questions import Question
from agentgraph.checks.spec import Spec
from agentgraph.checks.verdict import ALWAYS_ASSUMED, Verdict, path_of
from agentgraph.checks.walk import counterexample
from agentgraph.errors import DefinitionError
from agentgraph.graph.findings import structural
from agentgraph.graph.topology import Topology
from agentgraph.possible.model import Model

_OF_ENDINGS = (
    "a turn ends where an agent may finish, or its handler or a final tool ends it; being cut off by a limit is no end",
    "no handler of a single run (`with_run_context`) ends turns",
)
_GUARD = "let the tool or handoff before the end of the path require a fact, or take that way out of the graph"
_OBLIGE = "let the agents on the path not finish (may_finish=False) before it has happened"


def prove(topology: Topology, demand: Spec | Question) -> Verdict:
    """Whether `demand` holds of every conversation on `topology`; if not, a shortest that breaks it. The same each time.

    O(agents * 2^facts * states of the spec) at worst, and what is offered at each; what can make no difference to a spec is left out.

    Raises:
        DefinitionError: for a spec that names what is not there, a topology that cannot be compiled, and one that is too large.
    """
    given: Any = demand
    if not isinstance(given, Spec | Question):
        raise DefinitionError(
            f"prove was given {given!r:.60}; give a spec such as precedes(succeeds('verify'), calls('refund')), or a question such as reaches('Human')"
        )
    refuse_broken(topology)
    return answer(topology, given) if isinstance(given, Question) else _proved(topology, given)


def _proved(topology: Topology, spec: Spec) -> Verdict:
    check_names(topology, spec.predicates)
    steps = counterexample(Model(topology, heeds=spec.heeds), spec)
    return Verdict(
        holds=steps is None,
        spec=spec,
        path=path_of(steps or ()),
        assumptions=ALWAYS_ASSUMED if spec.is_safety else ALWAYS_ASSUMED + _OF_ENDINGS,
        advice=_GUARD if spec.is_safety else _OBLIGE,
        topology=topology,
        steps=steps or (),
    )


def refuse_broken(topology: Topology) -> None:
    """Refuse a topology that cannot be compiled: nothing runs on it, so nothing can be said of what does.

    Raises:
        DefinitionError: with every finding.
    """
    given: Any = topology
    if not isinstance(given, Topology):
        raise DefinitionError(f"{given!r:.60} is no topology; give an AgentGraph")
    found = structural(topology)
    if found:
        raise DefinitionError.of(topology.name, found)
