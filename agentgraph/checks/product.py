"""The product of a model and a spec, with facts kept apart from the rest.

Facts only enable. So a spot of the model and a state of the spec make one *node*, whatever facts are true, and each move out of it one
*arrow*, which asks for facts and adds some. A state is the number of a node and, below it, the facts, as one whole number.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from agentgraph.machine.happening import BROKEN, is_shown
from agentgraph.possible.model import MOST_FACTS, Lead, Step, facts_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentgraph.checks.spec import Spec
    from agentgraph.conversation.happening import Happening
    from agentgraph.possible.model import Model, State


class Arrow(NamedTuple):
    """A move out of a node."""

    needs: int
    """Facts that must be true."""
    to: State
    """Where it leads, with the facts that it adds."""
    lead: Lead
    """The move in the model."""


class Product:
    """Where a conversation is, and what the spec makes of it. It is unfolded as far as it is walked."""

    def __init__(self, model: Model, spec: Spec) -> None:
        self.model, self._spec = model, spec
        self._numbers: dict[tuple[int, int], int] = {(0, BROKEN): 0}
        self._nodes: list[tuple[int, int]] = [(0, BROKEN)]
        self._arrows: list[tuple[Arrow, ...] | None] = [()]
        self.unfolded = 0
        """The arrows so far."""
        self._heeded: dict[int, list[tuple[Lead, list[Happening]]]] = {}
        starts = (Lead(0, 0, step.to >> MOST_FACTS, step) for step in model.starts())
        self.starts = tuple(self._arrow(lead, spec.start, lead.step.happenings) for lead in starts)

    def arrows(self, state: State) -> tuple[Arrow, ...]:
        """All moves out of the node of `state`, in the order written."""
        number = state >> MOST_FACTS
        found = self._arrows[number]
        if found is None:
            spot, now = self._nodes[number]
            found = self._arrows[number] = tuple(self._arrow(lead, now, heeded) for lead, heeded in self._leads(spot))
            self.unfolded += len(found)
        return found

    def way(self, states: Sequence[State]) -> tuple[Step, ...]:
        """The steps of a conversation that is in these states, one after the other."""
        steps = list(self._between(self.starts, 0, states[0], self._spec.start))
        for before, here in pairwise(states):
            steps += self._between(self.arrows(before), facts_in(before), here, self._nodes[before >> MOST_FACTS][1])
        return tuple(steps)

    def _between(self, arrows: Iterable[Arrow], facts: int, here: State, now: int) -> tuple[Step, ...]:
        """The move from one state to another, and, where that alone breaks the spec, coming back from the tools that it was made inside of."""
        lead = next(lead for needs, to, lead in arrows if not needs & ~facts and to | facts == here)
        step = replace(lead.step, to=lead.spot << MOST_FACTS | facts_in(here))
        then = self._after(now, step.happenings)
        return (step, *self._breaking(lead.spot, then)) if is_broken(here) and then != BROKEN else (step,)

    def _leads(self, spot: int) -> list[tuple[Lead, list[Happening]]]:
        """The moves out of a spot, each with those of its happenings that can change the state of the spec."""
        found = self._heeded.get(spot)
        if found is None:
            found = [(lead, list(filter(self._spec.heeds, lead.step.happenings))) for lead in self.model.leads(spot)]
            self._heeded[spot] = found
        return found

    def _arrow(self, lead: Lead, now: int, happenings: Iterable[Happening]) -> Arrow:
        then = self._after(now, happenings)
        is_over = then == BROKEN or (self.model.is_inside(lead.spot) and bool(self._breaking(lead.spot, then)))
        node = 0 if is_over else self._node(lead.spot, then)
        return Arrow(lead.needs, node << MOST_FACTS | lead.gains, lead)

    def _node(self, spot: int, now: int) -> int:
        number = self._numbers.setdefault((spot, now), len(self._nodes))
        if number == len(self._nodes):
            self._nodes.append((spot, now))
            self._arrows.append(None)
        return number

    def _breaking(self, at: int, now: int) -> tuple[Step, ...]:
        """The ways back from a spot, if what the calls come to by them breaks the spec: that is no move, so it is looked for at once."""
        for spot, _, returns in self.model.ways_back(at):
            outcomes = tuple(back.outcome for back in returns)
            if self._after(now, outcomes) == BROKEN:
                return (Step(outcomes[-1], spot << MOST_FACTS, outcomes, returns=returns),)
        return ()

    def _after(self, now: int, happenings: Iterable[Happening]) -> int:
        for happening in happenings:
            if is_shown(self._spec, happening):
                now = self._spec.after(now, happening)
        return now


def is_broken(state: State) -> bool:
    """Whether the spec is broken in a state of a product."""
    return not state >> MOST_FACTS
