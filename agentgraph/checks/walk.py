"""A shortest conversation that breaks a spec: breadth first over the product of a model and the spec, state by state, or set by set.

State by state is quick where there are few. With many facts there are many: each of n facts may be true or not at each node. So beyond a
bound all sets of facts that a node is reached with by the same number of moves are walked at once. They are the bits of one whole number,
as many as there are sets, and to add a fact to all that lack it is a shift. (Symbolic model checking, with bit vectors for the sets:
Burch, Clarke, McMillan, Dill, Hwang, 1990.)
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from agentgraph.checks.product import Product, is_broken
from agentgraph.errors import DefinitionError
from agentgraph.possible.model import MOST_FACTS, facts_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.checks.product import Arrow
    from agentgraph.checks.spec import Spec
    from agentgraph.possible.model import Model, State, Step

    Layer = dict[int, int]

MOST_MOVES = 2_500_000
"""That a proof may look at, set by set, and to unfold one counts as one more: at most five seconds. It is no time, so that a graph has the same answer on every machine."""
_FEW_MOVES = 200_000
"""Up to which states are walked one by one."""


def counterexample(model: Model, spec: Spec) -> tuple[Step, ...] | None:
    """A shortest conversation that breaks `spec`, or None where there is none. O(moves), those that differ in facts alone mostly as one.

    Raises:
        DefinitionError: when there are more moves than can be walked.
    """
    product = Product(model, spec)
    try:
        states = _state_by_state(product)
    except _TooManyError:
        states = _set_by_set(product)
    return product.way(states) if states else None


class _TooManyError(Exception):
    """There are more moves than are walked one by one."""


def _state_by_state(product: Product) -> list[State]:
    """The states of a shortest way, none where there is none. O(moves)."""
    came: dict[State, State | None] = {}
    states: list[State] = []
    for _, to, _ in product.starts:
        if is_broken(to):
            return [to]
        came.setdefault(to, None)
        states.append(to)
    moves = 0
    for state in states:  # grows as it is walked
        facts, arrows = facts_in(state), product.arrows(state)
        moves += len(arrows)
        if moves > _FEW_MOVES:
            raise _TooManyError
        for needs, to, _ in arrows:
            here = to | facts
            if here not in came and not needs & ~facts:
                came[here] = state
                if is_broken(here):
                    return _followed(came, here)
                states.append(here)
    return []


def _followed(came: dict[State, State | None], to: State) -> list[State]:
    states: list[State] = []
    at: State | None = to
    while at is not None:
        states.append(at)
        at = came[at]
    states.reverse()
    return states


# -- set by set ----------------------------------------------------------------------------------------------------------


class _Sets:
    """Sets of sets of facts: bit s is one that has the set of facts s, itself a bit for each fact."""

    def __init__(self, facts: int) -> None:
        every = (1 << (1 << facts)) - 1
        self.lacking = [every // ((1 << (2 << at)) - 1) * ((1 << (1 << at)) - 1) for at in range(facts)]
        """For each fact, the sets without it: runs of 2^at bits, as far from each other."""
        self._having = [every ^ lacking for lacking in self.lacking]
        self._every = every
        self._all_of: dict[int, int] = {}

    def having(self, facts: int) -> int:
        """Those that have all of `facts`."""
        found = self._all_of.get(facts)
        if found is None:
            found = self._all_of[facts] = reduce(and_, (self._having[at] for at in _bits(facts)), self._every)
        return found

    def with_(self, sets: int, facts: int) -> int:
        """`sets`, `facts` added to each."""
        for at in _bits(facts):
            lacking = sets & self.lacking[at]
            sets ^= lacking
            sets |= lacking << (1 << at)
        return sets


def _bits(facts: int) -> Iterator[int]:
    while facts:
        lowest = facts & -facts
        yield lowest.bit_length() - 1
        facts ^= lowest


def _set_by_set(product: Product) -> list[State]:
    """The states of a shortest way, none where there is none.

    Raises:
        DefinitionError: when there are more moves than can be walked.
    """
    sets = _Sets(len(product.model.facts))
    layers: list[Layer] = [{to >> MOST_FACTS: 1 for _, to, _ in product.starts}]
    seen = dict(layers[0])
    moves = 0
    while layers[-1]:
        layer: Layer = {}
        for node, here in layers[-1].items():
            arrows = product.arrows(node << MOST_FACTS)
            moves += len(arrows)
            for needs, to, _ in arrows:
                there = here & sets.having(needs) if needs else here
                if facts_in(to):
                    there = sets.with_(there, facts_in(to))
                target = to >> MOST_FACTS
                known = seen.get(target, 0)
                new = there & ~known
                if new:
                    seen[target] = known | new
                    layer[target] = layer.get(target, 0) | new
        layers.append(layer)
        if 0 in layer:
            return _traced(product, layers)
        if moves + product.unfolded > MOST_MOVES:
            raise too_much(product.model, MOST_MOVES)
    return []


def _traced(product: Product, layers: list[Layer]) -> list[State]:
    """A way to where the spec is broken, from the last layer back."""
    states = [next(_bits(layers[-1][0]))]
    for layer in reversed(layers[:-1]):
        states.append(
            next(before for node in layer for before in _before(product.arrows(node << MOST_FACTS), node, layer[node], states[-1]))
        )
    states.reverse()
    return states


def _before(arrows: tuple[Arrow, ...], node: int, sets: int, to: State) -> Iterator[State]:
    """The states of a node, its facts being one of `sets`, from which an arrow leads to a state."""
    for arrow in arrows:
        gains = facts_in(arrow.to)
        if arrow.to ^ to < 1 << MOST_FACTS and not gains & ~to:
            came_with, had = gains, facts_in(to) & ~gains
            while True:  # each part of what it adds may have been there before
                facts = had | came_with
                if sets >> facts & 1 and not arrow.needs & ~facts:
                    yield node << MOST_FACTS | facts
                if not came_with:
                    break
                came_with = (came_with - 1) & gains


def too_much(model: Model, moves: int) -> DefinitionError:
    """What is said where there is too much to walk."""
    facts = ", ".join(model.facts) or "none"
    return DefinitionError(
        f"{model.name!r} has more than {moves:,} moves to walk, with {len(model.facts)} facts: {facts}; each fact may double them: use fewer facts, or prove a part of the graph"
    )
