"""Specs: what every conversation must keep to, as automata of two to four states over happenings.

One object, three verbs: *prove* walks its product with the graph, *monitor* steps it while a conversation runs, *check* folds
it over a recording. A happening that could both open and close an obligation closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from agentgraph.checks.predicate import Predicate, checked_predicate
from agentgraph.conversation.happening import Happening, HappeningKind
from agentgraph.errors import DefinitionError
from agentgraph.machine.happening import BROKEN, SHOWN, NameKind, is_shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.checks.judgement import Judgement
    from agentgraph.conversation.message import CallOutcome, Message


class Spec(Struct, frozen=True):
    """A demand on conversations. Broken once is broken for good."""

    start: ClassVar[int] = 0
    is_safety: ClassVar[bool] = True
    """Whether what breaks it is a thing that happens, rather than that the turn ends without one."""

    def after(self, state: int, happening: Happening) -> int:
        """The state that follows, or BROKEN. O(1)."""
        return BROKEN if state == BROKEN else self._after(state, happening)

    def _after(self, state: int, happening: Happening) -> int:
        raise NotImplementedError

    @property
    def predicates(self) -> tuple[Predicate, ...]:
        """What it speaks of."""
        return tuple(value for name in self.__struct_fields__ if isinstance(value := getattr(self, name), Predicate))

    @property
    def names(self) -> tuple[tuple[NameKind, str], ...]:
        """The agents, tools and groups it speaks of."""
        return tuple(name for p in self.predicates for name in p.names)

    @property
    def kinds(self) -> frozenset[HappeningKind]:
        """The kinds of happenings that it is shown. One of your own that looks at more than agents entered, tools called and turns ended says so."""
        return SHOWN.union(*(p.kinds for p in self.predicates))

    def sees(self, tool: str) -> bool:
        """Whether calls of `tool`, or what they come to, can change its state."""
        return any(p.sees(tool) for p in self.predicates)

    def heeds(self, happening: Happening) -> bool:
        """Whether `happening` can change its state. A proof leaves out what leads to nothing that can; a spec of your own need not say more."""
        return is_shown(self, happening)

    def check(self, run: Any, graph: Any = None, outcome: Callable[[Message], CallOutcome | None] | None = None) -> Judgement:
        """Whether a recorded run keeps to it: a result, a trace, a context, a list of messages, or a dictionary with "messages".

        A result knows its graph. For other records `graph` tells which calls are handoffs, and what lies inside a group. Messages of
        others do not say what became of a call: `outcome(message)` may tell, of the answer to one, "given", "failed", "refused",
        "skipped", "unknown" or "handed_off"; without it, or where it gives None, it is read as given.

        >>> said = [{"role": "assistant", "name": "Desk", "content": "", "tool_calls": [{"id": "c1", "function": {"name": "refund"}}]}]
        >>> from agentgraph.checks import calls, precedes
        >>> precedes(calls("verify"), calls("refund")).check([*said, {"role": "tool", "tool_call_id": "c1", "content": "done"}])
        precedes(calls('verify'), calls('refund')) is broken at message 0 by: enter Desk, call refund

        Raises:
            DefinitionError: for what is no record of a run, and for a spec with inside(group) where no graph is known.
            ContextError: for a message that is none.
        """
        from agentgraph.checks.judgement import judged

        return judged(self, run, graph, outcome)

    def __str__(self) -> str:
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__).lstrip("_")
        return f"{words}({', '.join(str(getattr(self, name)) for name in self.__struct_fields__)})"


class _OfPredicates(Spec, frozen=True):
    """A demand that looks at its predicates alone, and at ends of turns if those can break it."""

    def heeds(self, happening: Happening) -> bool:
        """Whether one of its predicates holds, or a turn ends and that can break it."""
        return any(p.holds(happening) for p in self.predicates) or (happening.kind == "final" and not self.is_safety)


class Never(_OfPredicates, frozen=True):
    """p does not happen."""

    p: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        return BROKEN if self.p.holds(happening) else state


class Precedes(_OfPredicates, frozen=True):
    """No q before a p."""

    p: Predicate
    q: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if state or self.p.holds(happening):
            return 1
        return BROKEN if self.q.holds(happening) else 0


class LeadsTo(_OfPredicates, frozen=True):
    """After p, no finishing without q."""

    is_safety: ClassVar[bool] = False
    p: Predicate
    q: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if happening.kind == "final":
            return BROKEN if state else 0
        if self.q.holds(happening):
            return 0
        return 1 if self.p.holds(happening) else state


class Passes(_OfPredicates, frozen=True):
    """No finishing without p."""

    is_safety: ClassVar[bool] = False
    p: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if state or self.p.holds(happening):
            return 1
        return BROKEN if happening.kind == "final" else 0


class AtMost(_OfPredicates, frozen=True):
    """p happens at most k times. The state counts."""

    k: int
    p: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if not self.p.holds(happening):
            return state
        return state + 1 if state < self.k else BROKEN


class NeverBetween(_OfPredicates, frozen=True):
    """No p after an a, until a b."""

    p: Predicate
    a: Predicate
    b: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if self.b.holds(happening):
            return 0
        if state and self.p.holds(happening):
            return BROKEN
        return 1 if self.a.holds(happening) else state


class NeverAfter(_OfPredicates, frozen=True):
    """No p once a has happened."""

    p: Predicate
    a: Predicate

    def _after(self, state: int, happening: Happening) -> int:
        if state and self.p.holds(happening):
            return BROKEN
        return 1 if self.a.holds(happening) else state


def never(p: Predicate) -> Spec:
    """Demand that p does not happen."""
    return Never(checked_predicate(p, "never(p)"))


def precedes(p: Predicate, q: Predicate) -> Spec:
    """No q before a p: every way to q leads through p."""
    return Precedes(checked_predicate(p, "precedes(p, q)"), checked_predicate(q, "precedes(p, q)"))


def leads_to(p: Predicate, q: Predicate) -> Spec:
    """After p, no turn ends without q. `leads_to(p, p)` holds."""
    return LeadsTo(checked_predicate(p, "leads_to(p, q)"), checked_predicate(q, "leads_to(p, q)"))


def passes(p: Predicate) -> Spec:
    """No turn ends before p has happened."""
    return Passes(checked_predicate(p, "passes(p)"))


def at_most(k: int, p: Predicate) -> Spec:
    """Demand that p happens at most k times in a conversation."""
    given: Any = k
    if type(given) is not int or given < 0:
        raise DefinitionError(f"at_most(k, p) was given k={k!r:.40}; give a whole number of at least 0")
    return AtMost(k, checked_predicate(p, "at_most(k, p)"))


def never_between(p: Predicate, a: Predicate, b: Predicate) -> Spec:
    """No p after an a until a b. b is looked at first, then p, then a."""
    return NeverBetween(*(checked_predicate(given, "never_between(p, a, b)") for given in (p, a, b)))


def never_after(p: Predicate, a: Predicate) -> Spec:
    """No p once a has happened. p is looked at first, then a: an a that shows with a p counts from the next happening.

    `never_after(p, p)` is `at_most(1, p)`.
    """
    return NeverAfter(checked_predicate(p, "never_after(p, a)"), checked_predicate(a, "never_after(p, a)"))
