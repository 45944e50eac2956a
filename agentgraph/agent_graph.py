"""AgentGraph: the one value that is compiled, drawn and checked. This is its face; the floors below hold what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from agentgraph.checks.topology import findings
from agentgraph.graph import topology_file
from agentgraph.graph.topology import Topology
from agentgraph.machine.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.errors import Finding


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

    def check(self) -> list[Finding]:
        """What is wrong, or legal and suspicious: names that lead nowhere or collide, and side doors into groups."""
        return findings(self)

    def save(self, path: str | Path) -> None:
        """Write the topology to a .json, .yaml or .yml file: names, tools' names, handoffs, groups; no code."""
        topology_file.save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The topology in a file that `save` wrote, or that was written by hand.

        Raises:
            DefinitionError: naming the file, the place in it, what was found and what was expected.
        """
        return topology_file.load(cls, path)
