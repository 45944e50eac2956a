"""What a model is told of a call that gave it no output. Data says what became of a call (`Message.outcome`); nobody reads these words."""

from __future__ import annotations

OUTCOME_UNKNOWN = "interrupted, outcome unknown"
INTERRUPTED = f"error: {OUTCOME_UNKNOWN}"
"""It was started, and has not come back; or it has, and a handler that has to see its output never did."""
ENDED = "not executed: the run ended with the output of an earlier call"
ENDED_LATE = "not executed to an effect here: the run ended with the output of an earlier call, and what this one gave was not used"
USER_SPOKE = "not executed: the user spoke first"
CANCELLED = "not executed: the run was cancelled"
TOOL_GONE = "not executed: the agent that asked for it is no tool here any more"
TIME_UP = "not executed: the time of the run was up"


def error(why: str) -> str:
    """That a call has failed, or was refused."""
    return f"error: {why}"


def handed_off(target: str, given: str) -> str:
    """That a handoff was carried out; `given` is its payload as text, or nothing."""
    return f"The conversation was handed off to {target}.{f' It was given: {given}' if given else ''}"


def behind_handoff(target: str) -> str:
    """That a call stood behind a handoff."""
    return f"not executed: the conversation was handed off to {target}"


def used_up(limit: str) -> str:
    """That a handoff would go beyond a budget."""
    return f"the {limit} that this run may make are used up"
