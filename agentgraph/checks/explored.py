"""What can be reached in a model, and by how many handoffs: forwards from where conversations begin, and backwards from what is looked for."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from agentgraph.checks.walk import too_much

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.checks.predicate import Predicate
    from agentgraph.possible.model import Model, State, Step


MOST_MOVES = 6_000_000
"""Beyond them nothing is explored: about five seconds of it, and what it takes to remember them all."""


class Came(Struct, frozen=True, gc=False):
    """How a state was reached first: with the fewest handoffs."""

    before: State | None
    step: Step
    handoffs: int


class Explored(NamedTuple):
    """Every state that was reached, in order of handoffs, and what may happen in each."""

    model: Model
    came: dict[State, Came]
    steps: dict[State, tuple[Step, ...]]

    def way(self, to: State) -> tuple[Step, ...]:
        """The way to a state that was reached, with the fewest handoffs."""
        steps: list[Step] = []
        at: State | None = to
        while at is not None:
            came = self.came[at]
            steps.append(came.step)
            at = came.before
        return tuple(reversed(steps))


def is_handoff(step: Step) -> bool:
    """Whether the model hands over in this step, rather than beginning, calling or ending."""
    return step.happening.kind == "enter" and bool(step.by)


def explore(model: Model, starts: Iterable[Step]) -> Explored:
    """All that `starts` lead to, in order of handoffs. O(states * what is offered).

    Raises:
        DefinitionError: when there are too many moves.
    """
    explored = Explored(model, {}, {})
    came = explored.came
    moves = 0
    level = [(step.to, Came(None, step, 0)) for step in starts]
    while level:
        queue: list[State] = []
        for state, how in level:
            if came.setdefault(state, how) is how:
                queue.append(state)
        level = []
        for state in queue:
            handoffs = came[state].handoffs
            explored.steps[state] = steps = tuple(model.steps(state))
            moves += len(steps)
            if moves > MOST_MOVES:
                raise too_much(model, MOST_MOVES)
            for step in steps:
                if step.to in came:
                    continue
                if is_handoff(step):
                    level.append((step.to, Came(state, step, handoffs + 1)))
                else:
                    came[step.to] = Came(state, step, handoffs)
                    queue.append(step.to)
    return explored


def that_reach(explored: Explored, x: Predicate) -> set[State]:
    """The states from which x can still happen, or at which it just has. O(states * what is offered)."""
    return set(handoffs_until(explored, x))


def handoffs_until(explored: Explored, x: Predicate) -> dict[State, int]:
    """How many handoffs it takes from each state until x happens; none where it just has. States from which it cannot are left out.

    O(states * what is offered).
    """
    leading: dict[State, list[tuple[State, bool]]] = {}
    todo: deque[tuple[State, int]] = deque()
    for state, steps in explored.steps.items():
        if is_here(explored.model, state, x):
            todo.appendleft((state, 0))
        for step in steps:
            handed = is_handoff(step)
            leading.setdefault(step.to, []).append((state, handed))
            if x.holds(step.happening):
                (todo.append if handed else todo.appendleft)((state, int(handed)))
    found: dict[State, int] = {}
    while todo:  # nearest first
        state, handoffs = todo.popleft()
        if state in found:
            continue
        found[state] = handoffs
        for before, handed in leading.get(state, ()):
            if before not in found:
                (todo.append if handed else todo.appendleft)((before, handoffs + handed))
    return found


def is_here(model: Model, state: State, x: Predicate) -> bool:
    """Whether the agent that acts in `state` is one that x looks for."""
    return x.holds(model.entering(state))


class Way(NamedTuple):
    """A way to something, and how many handoffs are in it."""

    steps: tuple[Step, ...]
    handoffs: int


def shortest_way(model: Model, starts: Iterable[Step], x: Predicate) -> Way | None:
    """The way to x with the fewest handoffs, or None where there is none.

    Raises:
        DefinitionError: when there are too many moves.
    """
    explored = explore(model, starts)
    best: Way | None = None
    for state, came in explored.came.items():  # in order of handoffs
        if best is not None and best.handoffs <= came.handoffs:
            return best
        if is_here(model, state, x):
            return Way(explored.way(state), came.handoffs)
        for step in explored.steps[state]:
            handoffs = came.handoffs + is_handoff(step)
            if x.holds(step.happening) and (best is None or handoffs < best.handoffs):
                best = Way((*explored.way(state), step), handoffs)
    return best
