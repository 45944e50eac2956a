"""What can be demanded of a topology and of its conversations: specs, what they speak of, questions, and verdicts."""

from agentgraph.checks.conformance import Conformance, Deviation
from agentgraph.checks.drift import Drift
from agentgraph.checks.history import Defect, check_history, check_request
from agentgraph.checks.judgement import Judgement
from agentgraph.checks.lock import Lock
from agentgraph.checks.predicate import Predicate, calls, enters, inside, succeeds
from agentgraph.checks.prove import prove
from agentgraph.checks.questions import ALL, Question, no_way_around, reaches, within
from agentgraph.checks.spec import Spec, at_most, leads_to, never, never_after, never_between, passes, precedes
from agentgraph.checks.traffic import Traffic
from agentgraph.checks.verdict import Verdict
from agentgraph.checks.ways import handoffs_to, handoffs_to_tools, must_pass_through
from agentgraph.conversation.happening import Happening

__all__ = [
    "ALL",
    "Conformance",
    "Defect",
    "Deviation",
    "Drift",
    "Happening",
    "Judgement",
    "Lock",
    "Predicate",
    "Question",
    "Spec",
    "Traffic",
    "Verdict",
    "at_most",
    "calls",
    "check_history",
    "check_request",
    "enters",
    "handoffs_to",
    "handoffs_to_tools",
    "inside",
    "leads_to",
    "must_pass_through",
    "never",
    "never_after",
    "never_between",
    "no_way_around",
    "passes",
    "precedes",
    "prove",
    "reaches",
    "succeeds",
    "within",
]
