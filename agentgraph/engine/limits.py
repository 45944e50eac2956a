"""Which limit of a run is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentgraph.conversation.context import Progress


def spent(progress: Progress) -> tuple[str, float] | None:
    """The limit that forbids another model call, and what it allows; None when there is none."""
    settings, budget = progress.settings, progress.settings.budget
    if progress.model_calls >= settings.max_turns:
        return "max_turns", settings.max_turns
    if budget is None:
        return None
    if progress.exceeded is not None:
        return progress.exceeded, getattr(budget, progress.exceeded)
    if budget.tokens is not None and progress.usage.total_tokens >= budget.tokens:
        return "tokens", budget.tokens
    if budget.cost is not None and (progress.usage.cost or 0.0) >= budget.cost:
        return "cost", budget.cost
    return None


def no_tool_left(progress: Progress, started: int) -> bool:
    """Whether another tool call would go beyond the budget."""
    budget = progress.settings.budget
    return budget is not None and budget.tool_calls is not None and started >= budget.tool_calls


def no_handoff_left(progress: Progress, target: str) -> str | None:
    """The budget that a handoff to `target` would go beyond."""
    budget = progress.settings.budget
    if budget is None:
        return None
    if budget.handoffs is not None and progress.handoffs >= budget.handoffs:
        return "handoffs"
    if budget.visits is not None and progress.visits.get(target, 0) >= budget.visits:
        return "visits"
    return None
