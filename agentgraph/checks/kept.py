"""Whether a topology keeps what a lock says of it; for each guarantee that is gone, the shortest conversation that shows it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from agentgraph.checks.explored import that_reach
from agentgraph.checks.lock import Known, Lock
from agentgraph.checks.predicate import Predicate
from agentgraph.checks.verdict import path_of
from agentgraph.checks.ways import reached
from agentgraph.possible.loosened import Guarantee, moved, told_together
from agentgraph.possible.model import facts_in
from agentgraph.views.compare.telling import LOOSER, TIGHTER, in_words, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agentgraph.checks.verdict import Verdict
    from agentgraph.conversation.happening import Happening
    from agentgraph.errors import Finding
    from agentgraph.graph.topology import Topology
    from agentgraph.possible.loosened import Kind
    from agentgraph.possible.model import Model, State, Step

    Breaks = Callable[[int, bool, Step], bool]

_MOST_WAYS = 50
"""A way is looked for from the start each time; who loosened more has seen enough."""


class Loosened(Struct, frozen=True):
    """A guarantee that is gone, in words, and how it is broken. Those are one that differ in whom they are about alone."""

    message: str
    path: tuple[str, ...] = ()
    fix: str = "mend it, or say that it is meant with agentgraph lock"
    demand: str = ""
    """Of a policy: its words."""

    def __str__(self) -> str:
        return self.message + (f": {' -> '.join(self.path)}" if self.path else "")


class Kept(Struct, frozen=True):
    """A topology beside its lock. As a bool: whether no guarantee is gone."""

    loosened: tuple[Loosened, ...]
    news: tuple[str, ...]
    """What is tighter, or new: a lock that is written anew says so too."""

    def __bool__(self) -> bool:
        return not self.loosened

    def __repr__(self) -> str:
        return "\n".join([*(f"loosened: {each}" for each in self.loosened), *self.news]) or "as locked"


def kept(lock: Lock, topology: Topology, found: Iterable[Finding], verdicts: Iterable[Verdict]) -> Kept:
    """`topology`, as it was looked at, beside `lock`. Findings that are new speak for themselves, and are not told again.

    O(states * what is offered) for each line that is told.
    """
    verdicts = tuple(verdicts)
    now = Lock.seen(topology, found, verdicts, lock.privileges.people)
    change = moved(lock.privileges, now.privileges)
    ways = _Ways(topology, now.privileges.people)
    loosened = [
        Loosened(sentence(LOOSER, kind, other, whats), ways.shown(Guarantee(whats[0], kind, other), at))
        for at, (kind, other, whats) in enumerate(told_together(change.loosened))
    ]
    news = [
        *(f"tightened: {words}" for words in in_words(change.tightened, TIGHTER)),
        *(f"tightened: {words} holds now" for words, holds in now.policies.items() if holds and lock.policies.get(words) is False),
        *(f"tightened: gone is {known}" for known in sorted(lock.findings - now.findings)),
        *(f"new policy: {words}" for words in now.policies if words not in lock.policies),
        *(f"new: {what}" for what in change.come),
        *(f"no longer there: {what}" for what in change.gone),
    ]
    return Kept((*_policies(lock, now, verdicts), *loosened), tuple(news))


def is_new(lock: Lock, finding: Finding) -> bool:
    """Whether `lock` does not know a finding."""
    return Known(finding.code, finding.agents) not in lock.findings


def _policies(lock: Lock, now: Lock, verdicts: Iterable[Verdict]) -> Iterator[Loosened]:
    refuted = {str(verdict.spec): verdict for verdict in verdicts if not verdict}
    for words in sorted(words for words, holds in lock.policies.items() if holds):
        if words in refuted:
            yield Loosened(f"{words} holds no longer", tuple(map(str, refuted[words].path)), refuted[words].advice, words)
        elif words not in now.policies:
            yield Loosened(
                f"{words} is asked no longer",
                fix="name the policies with --policy, or say that it is meant with agentgraph lock",
                demand=words,
            )


class _Came(NamedTuple):
    state: State
    happened: bool


class _Ways:
    """The shortest conversations that break guarantees."""

    def __init__(self, topology: Topology, people: Iterable[str]) -> None:
        self.explored = reached(topology)
        self.people = _AnyOfThese(frozenset(people))
        self._able: set[State] | None = None

    def shown(self, gone: Guarantee, at: int) -> tuple[str, ...]:
        """The way that breaks `gone`, the at-th of many; none where that are too many."""
        if at >= _MOST_WAYS:
            return ()
        steps = self._to_nobody(gone.what) if gone.kind == "person" else self._against(gone.kind, gone.what, gone.other)
        return tuple(map(str, path_of(steps)))

    def _to_nobody(self, what: str) -> tuple[Step, ...]:
        """A way to where a person can be reached no longer."""
        if self._able is None:
            self._able = that_reach(self.explored, self.people)
        holder = self.explored.model.holder
        return next((self.explored.way(s) for s in self.explored.came if f"enter {holder(s)}" == what and s not in self._able), ())

    def _against(self, kind: Kind, what: str, other: str) -> tuple[Step, ...]:
        """A shortest way on which `what` happens: without the fact `other`, or before `other` has happened."""
        model = self.explored.model
        fact = 1 << model.facts.index(other) if kind == "fact" and other in model.facts else 0

        def breaks(facts: int, happened: bool, step: Step) -> bool:
            for back in step.returns:
                facts |= back.gains
            return str(step.happening) == what and not happened and not facts & fact

        return _shortest(model, breaks=breaks, other=other if kind == "after" else "")


def _shortest(model: Model, *, breaks: Breaks, other: str) -> tuple[Step, ...]:
    came: dict[_Came, tuple[_Came | None, Step]] = {}
    todo: deque[_Came] = deque()

    def look(before: _Came | None, steps: Iterable[Step]) -> tuple[Step, ...]:
        happened, facts = (before.happened, facts_in(before.state)) if before is not None else (False, 0)
        for step in steps:
            if breaks(facts, happened, step):
                return (*_way(came, before), step)
            here = _Came(step.to, happened or str(step.happening) == other)
            if came.setdefault(here, (before, step))[1] is step:
                todo.append(here)
        return ()

    found = look(None, model.starts())
    while not found and todo:
        at = todo.popleft()
        found = look(at, model.steps(at.state))
    return found


def _way(came: dict[_Came, tuple[_Came | None, Step]], at: _Came | None) -> tuple[Step, ...]:
    steps: list[Step] = []
    while at is not None:
        at, step = came[at]
        steps.append(step)
    return tuple(reversed(steps))


class _AnyOfThese(Predicate, frozen=True):
    """One of these agents or groups is entered, or one of these tools is called."""

    these: frozenset[str]

    def holds(self, happening: Happening) -> bool:
        return happening.name in self.these or not self.these.isdisjoint(happening.groups)
