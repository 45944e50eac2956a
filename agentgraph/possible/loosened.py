"""From the privileges of one topology to those of another: which guarantees are gone, and which are new.

A guarantee is that something never happens; never without a fact; never before something else; or that a person can be reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from agentgraph.possible.privilege import Privilege, Privileges

Kind = Literal["never", "fact", "after", "person"]


class Guarantee(Struct, frozen=True, order=True):
    """One thing that can be relied on.

    never: `what` does not happen. fact: not without the fact `other`. after: not before `other` has happened. person: where `what`
    is entered, a person can be reached.
    """

    what: str
    kind: Kind
    other: str = ""

    @property
    def is_of_agent(self) -> bool:
        """Whether it is about an agent that is entered, rather than a tool that is called."""
        return self.what.startswith("enter ")

    @property
    def name(self) -> str:
        """Of the agent or the tool that it is about."""
        return name_in(self.what)

    @property
    def other_name(self) -> str:
        """The fact; or the name of the agent or the tool that came before."""
        return name_in(self.other) if self.kind == "after" else self.other

    def __str__(self) -> str:
        match self.kind:
            case "never":
                return f"never {self.what}"
            case "fact":
                return f"no {self.what} without the fact {self.other}"
            case "after":
                return f"no {self.what} before {self.other}"
        return f"from {self.name} a person can be reached"


def name_in(what: str) -> str:
    """The name in what happens: "enter Billing" is about Billing."""
    return what.partition(" ")[2]


class Moved(NamedTuple):
    """Guarantees that are gone, guarantees that are new, and what is there only now, or no longer."""

    loosened: tuple[Guarantee, ...]
    tightened: tuple[Guarantee, ...]
    come: tuple[str, ...]
    gone: tuple[str, ...]


def moved(old: Privileges, new: Privileges) -> Moved:
    """What became of the guarantees. Of what is not there, or never happens, nothing is guaranteed but that. O(what is guaranteed)."""
    return Moved(
        tuple(sorted(_lost(old, new))),
        tuple(sorted(_lost(new, old))),
        tuple(what for what in new.of if what not in old.of),
        tuple(what for what in old.of if what not in new.of),
    )


def _lost(before: Privileges, now: Privileges) -> Iterator[Guarantee]:
    """The guarantees of `before` that `now` does not give, of what both have."""
    for what in before.of.keys() & now.of.keys():
        was, is_now = before.of[what], now.of[what]
        if is_now is None:
            continue
        if was is None:
            yield Guarantee(what, "never")
            continue
        yield from (Guarantee(what, "fact", fact) for fact in was.facts - is_now.facts)
        yield from (Guarantee(what, "after", other) for other in was.after - is_now.after if not before.begins_all(other))
    happens = {what for what, privilege in now.of.items() if privilege is not None}
    yield from (Guarantee(f"enter {name}", "person") for name in before.to_people - now.to_people if f"enter {name}" in happens)


def told_together(guarantees: Iterable[Guarantee]) -> Iterator[tuple[Kind, str, tuple[str, ...]]]:
    """Those that are alike but for what they are about, as one: (kind, other, what)."""
    alike: dict[tuple[Kind, str], list[str]] = {}
    for each in guarantees:
        alike.setdefault((each.kind, each.other), []).append(each.what)
    yield from ((kind, other, tuple(whats)) for (kind, other), whats in sorted(alike.items()))


def directly(of: Privilege, all_of: Privileges) -> tuple[str, ...]:
    """What has always happened before, without what follows: A before B, and B before this, say all."""
    following = {far for near in of.after if (there := all_of.of.get(near)) is not None for far in there.after}
    return tuple(sorted(other for other in of.after - following if not all_of.begins_all(other)))
