"""Breadth first over the product of a model and a spec: the first way to break it that is found is a shortest one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from agentgraph.errors import DefinitionError
from agentgraph.machine.happening import BROKEN
from agentgraph.possible.model import MOST_STATES, Model, State, Step

if TYPE_CHECKING:
    from agentgraph.checks.spec import Spec


def counterexample(model: Model, spec: Spec) -> tuple[Step, ...] | None:
    """A shortest conversation that breaks `spec`, or None where there is none. O(states * what is offered).

    Raises:
        DefinitionError: when there are more states than can be walked.
    """
    after = spec.after
    came: dict[tuple[State, int], tuple[tuple[State, int] | None, Step]] = {}
    todo: deque[tuple[State, int]] = deque()

    def reached(before: tuple[State, int] | None, step: Step) -> bool:
        """Note a step; whether it breaks the spec."""
        now = after(spec.start if before is None else before[1], step.happening)
        here = (step.to, now)
        if here not in came:
            came[here] = (before, step)
            todo.append(here)
        return now == BROKEN

    def way(step: Step, before: tuple[State, int] | None) -> tuple[Step, ...]:
        steps = [step]
        while before is not None:
            before, step = came[before]
            steps.append(step)
        return tuple(reversed(steps))

    for start in model.starts():
        if reached(None, start):
            return way(start, None)
    while todo:
        before = todo.popleft()
        for step in model.steps(before[0]):
            if reached(before, step):
                return way(step, before)
        refuse_too_many(model, len(came))
    return None


def refuse_too_many(model: Model, states: int) -> None:
    """Give up, rather than walk for ever.

    Raises:
        DefinitionError: saying how many states there are, and because of which facts.
    """
    if states > MOST_STATES:
        raise DefinitionError(
            f"{model.name!r} has more than {MOST_STATES:,} states to walk ({len(model.facts)} facts: {', '.join(model.facts) or 'none'}); use fewer facts, or prove a part of the graph"
        )
