"""Privileges: what can happen in a topology at all, and what is always so when it does.

What happens is told as a path tells it: "enter Billing", "call refund". Both are read off every state that conversations come to:
the facts that are true whenever it happens, and what has always happened before. "call verify" is in `after` of "call refund" exactly
when `precedes(calls("verify"), calls("refund"))` holds.
"""

from __future__ import annotations

from collections import deque
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from agentgraph.errors import DefinitionError
from agentgraph.possible.model import Model, facts_in
from agentgraph.possible.rooms import names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentgraph.conversation.happening import Happening
    from agentgraph.graph.topology import Topology
    from agentgraph.possible.model import State, Step

MOST_WALKED = 100_000
"""The states up to which guards are followed. Beyond, every fact that a tool can set counts as true, and less is guaranteed."""


class Privilege(Struct, frozen=True):
    """That something can happen, and what is always so when it does."""

    facts: frozenset[str] = frozenset()
    """True whenever it happens."""
    after: frozenset[str] = frozenset()
    """Has always happened before."""


class Privileges(Struct, frozen=True, kw_only=True):
    """What can happen in a topology."""

    of: Mapping[str, Privilege | None]
    """By what happens, every agent that is entered and every tool that is called; None for what is there and can never be."""
    entries: tuple[str, ...]
    """How conversations begin."""
    people: tuple[str, ...] = ()
    """Who and what reaches a person."""
    to_people: frozenset[str] = frozenset()
    """The agents from which a person can be reached, however they were come to."""
    follows_guards: bool = True
    """False where there are too many states: then every fact that a tool can set counts as true."""

    def begins_all(self, what: str) -> bool:
        """Whether every conversation begins with it, so that all else comes after."""
        return self.entries == (what,)


def privileges(topology: Topology, people: Iterable[str] = ()) -> Privileges:
    """What can happen in `topology`. It declares whom a person is reached by; where it does not, `people` are taken.

    O(states * what is offered * what there is / 64).

    Raises:
        DefinitionError: when there are too many states, guards or none.
    """
    names = names_of(topology)
    there = (*(f"enter {name}" for name in names.agents), *(f"call {name}" for name in names.tools))
    persons = tuple(dict.fromkeys(topology.humans or people))
    try:
        walked, follows_guards = _Walked(Model(topology), there, persons), True
    except DefinitionError:  # too many facts or states
        walked, follows_guards = _Walked(Model(topology, guarded=False), there, persons), False
    return Privileges(
        of=dict(sorted(walked.privileges().items())),
        entries=tuple(f"enter {entry}" for entry in topology.entries),
        people=persons,
        to_people=walked.leading_to_people(),
        follows_guards=follows_guards,
    )


class _Move(NamedTuple):
    """One happening, from a state to another; both by number. `bit` is what happens, 0 for the end of a turn."""

    bit: int
    facts: int
    to: int


class _Walked:
    """Every state of a model, by number, and the moves between them."""

    def __init__(self, model: Model, there: tuple[str, ...], people: Iterable[str]) -> None:
        self.model, self.there, self.people = model, there, frozenset(people)
        self.bits = {what: 1 << at for at, what in enumerate(there)}
        self.of_happening: dict[Happening, int] = {}
        self.reaching = 0
        """The bits of what reaches a person."""
        self.numbers: dict[State, int] = {}
        self.states: list[State] = []
        self.starts = [self._move(step, 0) for step in model.starts()]
        self.moves: list[list[_Move]] = []
        for state in self.states:  # grows as it is walked
            if len(self.states) > MOST_WALKED:
                raise DefinitionError(
                    f"{model.name!r} has more than {MOST_WALKED:,} states, too many to say what is always so; use fewer facts, or look at a part of the graph"
                )
            self.moves.append([self._move(step, facts_in(state)) for step in model.steps(state)])

    def _move(self, step: Step, facts: int) -> _Move:
        number = self.numbers.setdefault(step.to, len(self.states))
        if number == len(self.states):
            self.states.append(step.to)
        for back in step.returns:
            facts |= back.gains
        bit = self.of_happening.get(step.happening)
        return _Move(self._bit(step.happening) if bit is None else bit, facts, number)

    def _bit(self, happening: Happening) -> int:
        bit = self.of_happening[happening] = self.bits.get(str(happening), 0)
        if happening.name in self.people or not self.people.isdisjoint(happening.groups):
            self.reaching |= bit
        return bit

    def privileges(self) -> dict[str, Privilege | None]:
        """For everything there is: what holds at each move that brings it about, together."""
        before = self._before()
        found: dict[int, tuple[int, int]] = {}
        begun = ((0, self.starts), *zip(before, self.moves, strict=True))
        for come, moves in begun:
            for move in moves:
                after, facts = found.get(move.bit, (-1, -1))
                found[move.bit] = after & come, facts & move.facts
        return {what: self._privilege(bit, found.get(bit)) for what, bit in self.bits.items()}

    def _before(self) -> list[int]:
        """For each state, what has happened on every way to it: the greatest solution, so that rings take nothing away."""
        everything = -1
        before = [everything] * len(self.states)
        todo: deque[int] = deque()

        def come(to: int, happened: int) -> None:
            less = before[to] & happened
            if less != before[to]:
                before[to] = less
                todo.append(to)

        for move in self.starts:
            come(move.to, move.bit)
        while todo:
            at = todo.popleft()
            for move in self.moves[at]:
                come(move.to, before[at] | move.bit)
        return before

    def _privilege(self, bit: int, found: tuple[int, int] | None) -> Privilege | None:
        if found is None:
            return None
        after, facts = found
        return Privilege(
            frozenset(fact for at, fact in enumerate(self.model.facts) if facts >> at & 1), frozenset(_named(after & ~bit, self.there))
        )

    def leading_to_people(self) -> frozenset[str]:
        """The agents that hold conversations, if each state of theirs leads to a person, or is one."""
        coming: list[list[int]] = [[] for _ in self.states]
        able: list[int] = []
        for at, state in enumerate(self.states):
            here = self._bit(self.model.entering(state))
            if self.reaching & (here | reduce(or_, (move.bit for move in self.moves[at]), 0)):
                able.append(at)
            for move in self.moves[at]:
                coming[move.to].append(at)
        found = set(able)
        for at in able:  # grows as it is walked
            able.extend(before for before in coming[at] if before not in found)
            found.update(coming[at])
        holders = [(self.model.holder(state), at in found) for at, state in enumerate(self.states)]
        stuck = {name for name, leads in holders if not leads}
        return frozenset(name for name, _ in holders if name is not None and name not in stuck)


def _named(bits: int, there: tuple[str, ...]) -> Iterable[str]:
    while bits:
        lowest = bits & -bits
        yield there[lowest.bit_length() - 1]
        bits ^= lowest
