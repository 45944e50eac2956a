"""What can be demanded of a topology and of its conversations: specs, and what they speak of."""

from agentgraph.checks.conformance import Conformance, Deviation
from agentgraph.checks.drift import Drift
from agentgraph.checks.history import Defect, check_history, check_request
from agentgraph.checks.judgement import Judgement
from agentgraph.checks.predicate import Predicate, calls, enters, inside
from agentgraph.checks.spec import Spec, at_most, leads_to, never, never_between, passes, precedes
from agentgraph.checks.traffic import Traffic
from agentgraph.machine.happening import Happening

__all__ = [
    "Conformance",
    "Defect",
    "Deviation",
    "Drift",
    "Happening",
    "Judgement",
    "Predicate",
    "Spec",
    "Traffic",
    "at_most",
    "calls",
    "check_history",
    "check_request",
    "enters",
    "inside",
    "leads_to",
    "never",
    "never_between",
    "passes",
    "precedes",
]
