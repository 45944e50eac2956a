"""Which limit of a run is used up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from agentgraph.conversation.context import Progress
    from agentgraph.conversation.usage import Usage


def spent(progress: Progress) -> tuple[str, float] | None:
    """The limit that forbids another model call, and what it allows; None when there is none."""
    settings, budget = progress.settings, progress.settings.budget
    if progress.model_calls >= settings.max_turns:
        return "max_turns", settings.max_turns
    if budget is not None and progress.exceeded is not None:
        return progress.exceeded, getattr(budget, progress.exceeded)
    return used_up(progress)


def used_up(progress: Progress) -> tuple[str, float] | None:
    """As `spent`, of the tokens and the cost alone: what the conversations of a run have in common."""
    budget = progress.settings.budget
    if budget is None:
        return None
    if budget.tokens is not None and progress.usage.total_tokens >= budget.tokens:
        return "tokens", budget.tokens
    if budget.cost is not None and (progress.usage.cost or 0.0) >= budget.cost:
        return "cost", budget.cost
    return None


def is_shared(progress: Progress) -> bool:
    """Whether the model calls of a run are limited, wherever in it they are."""
    budget = progress.settings.budget
    return budget is not None and (budget.tokens is not None or budget.cost is not None)


def counted(progress: Progress, used: Usage) -> Progress:
    """`progress`, with what a model call has used."""
    if not is_shared(progress):
        return replace(progress, usage=progress.usage + used)
    return replace(
        progress,
        usage=progress.usage + used,
        largest_tokens=max(progress.largest_tokens, used.total_tokens),
        largest_cost=max(progress.largest_cost, used.cost or 0.0),
    )


def fits(progress: Progress, in_flight: int) -> bool:
    """Whether another model call fits into the run's budget beside those `in_flight`, if each uses as much as the largest so far."""
    budget = progress.settings.budget
    if budget is None or not in_flight:
        return True
    used = progress.usage
    if budget.tokens is not None and used.total_tokens + in_flight * progress.largest_tokens >= budget.tokens:
        return False
    return budget.cost is None or (used.cost or 0.0) + in_flight * progress.largest_cost < budget.cost


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
