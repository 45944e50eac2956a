"""A difference as text: a line for each fact."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.possible.loosened import name_in, told_together
from agentgraph.views.display import one_line, shortened

if TYPE_CHECKING:
    from agentgraph.possible.loosened import Guarantee, Kind
    from agentgraph.views.compare.difference import Detail, Difference, HandoffAt
    from agentgraph.views.compare.reach import Reach

_PLAIN = re.compile(r"[\w ./-]+")
_LISTS = ("tools", "members", "needs")
_MOST_SOURCES = 8


def told(difference: Difference) -> Iterator[str]:
    """The lines of `difference`; one that says so, where there are none."""
    if difference.is_empty:
        yield "no difference"
    yield from _agents(difference)
    yield from _handoffs(difference)
    yield from _groups(difference)
    if difference.entries is not None:
        yield f"entry: {_names(difference.entries.gone)} -> {_names(difference.entries.new)}"
    if difference.reach_of_entries is not None:
        yield from _reach("the entries", difference.reach_of_entries)
    for reach in difference.reach:
        yield from _reach(_sources(reach.sources), reach)
    yield from (f"loosened: {words}" for words in in_words(difference.loosened, LOOSER))
    yield from (f"tightened: {words}" for words in in_words(difference.tightened, TIGHTER))
    if difference.wordings:
        yield "besides, in what is no part of the topology:"
        yield from (f"  {one_line(wording.new)}: {wording.part} changed" for wording in difference.wordings)


def _agents(difference: Difference) -> Iterator[str]:
    for name in difference.agents_added:
        yield f"added agent {spoken(name)}" + _inside(difference.new.groups_of(name))
    for name in difference.agents_removed:
        yield f"removed agent {spoken(name)}" + _inside(difference.old.groups_of(name))
    for rename in difference.agents_renamed:
        yield f"renamed agent {spoken(rename.old)} -> {spoken(rename.new)}: {rename.why}"
    moved = [*difference.handoffs_followed, *difference.handoffs_changed]
    tools = dict.fromkeys((c.old.tool, c.new.tool) for c in moved if c.old.tool != c.new.tool and c.old.target != c.new.target)
    yield from (f"renamed tool {old} -> {new}, after the agent that it leads to" for old, new in tools)
    for change in difference.agents_changed:
        yield from (f"changed agent {spoken(change.new)}: {_told(detail)}" for detail in change.details if detail.part != "entry")


def _inside(groups: tuple[str, ...]) -> str:
    return f" in {spoken(groups[-1])}" if groups else ""


def _handoffs(difference: Difference) -> Iterator[str]:
    yield from (f"added handoff {_handoff(handoff)}" for handoff in difference.handoffs_added)
    yield from (f"removed handoff {_handoff(handoff)}" for handoff in difference.handoffs_removed)
    for change in difference.handoffs_changed:
        yield from (f"changed handoff {_handoff(change.new)}: {_told(detail)}" for detail in change.details)


def _handoff(handoff: HandoffAt) -> str:
    from agentgraph.definition.naming import handoff_tool_name

    named = "" if handoff.tool == handoff_tool_name(handoff.target) else f" ({handoff.tool})"
    return f"{spoken(handoff.source)} -> {spoken(handoff.target)}{named}"


def _groups(difference: Difference) -> Iterator[str]:
    """Which agents joined and left is said of the agents."""
    yield from (f"added group {spoken(name)}" for name in difference.groups_added)
    yield from (f"removed group {spoken(name)}" for name in difference.groups_removed)
    for change in difference.groups_changed:
        for detail in change.details:
            if detail.part == "root" or {*detail.gone, *detail.new} - difference.old.agents.keys() - difference.new.agents.keys():
                yield f"changed group {spoken(change.name)}: {_told(detail)}"


def _told(detail: Detail) -> str:
    """What of something changed."""
    if detail.part in _LISTS or detail.part.endswith((" needs", " sets")):
        moved = ([f"{_names(detail.new)} added"] if detail.new else []) + ([f"{_names(detail.gone)} removed"] if detail.gone else [])
        return f"{detail.part}: {', '.join(moved)}"
    return f"{detail.part}: {_names(detail.gone)} -> {_names(detail.new)}"


def _reach(source: str, reach: Reach) -> Iterator[str]:
    for agents, tools, now in ((reach.gained_agents, reach.gained_tools, "now"), (reach.lost_agents, reach.lost_tools, "no longer")):
        things = sorted((*map(spoken, agents), *tools), key=lambda name: (name.casefold(), name))
        if things:
            be = "is" if len(things) == 1 else "are"
            yield f"from {source}: {', '.join(things)} {be} " + ("reachable now" if now == "now" else "no longer reachable")


LOOSER: Mapping[Kind, str] = {
    "never": "{what} can be reached now",
    "fact": "{what} can be reached without the fact {other}",
    "after": "{what} can be reached without {other} before",
    "person": "a person can no longer be reached from {what}",
}
TIGHTER: Mapping[Kind, str] = {
    "never": "{what} can no longer be reached",
    "fact": "{what} cannot be reached without the fact {other}",
    "after": "{what} cannot be reached without {other} before",
    "person": "a person can be reached from {what} now",
}


def in_words(guarantees: Iterable[Guarantee], words: Mapping[Kind, str]) -> Iterator[str]:
    """Guarantees that are gone, or new: LOOSER or TIGHTER. A line for those that differ in whom they are about alone."""
    yield from (sentence(words, kind, other, whats) for kind, other, whats in told_together(guarantees))


def sentence(words: Mapping[Kind, str], kind: Kind, other: str, whats: tuple[str, ...]) -> str:
    """One line of them."""
    return words[kind].format(what=_sources(tuple(map(name_in, whats))), other=spoken(name_in(other) if kind == "after" else other))


def _sources(names: tuple[str, ...]) -> str:
    shown = [spoken(name) for name in names[:_MOST_SOURCES]]
    return ", ".join(shown) + (f" and {len(names) - _MOST_SOURCES:,} more" if len(names) > _MOST_SOURCES else "")


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(spoken, names)) or "none"


def spoken(name: str) -> str:
    """A name in a sentence: in quotes where it could be taken for more than a name.

    >>> spoken("Triage"), spoken("A -> B")
    ('Triage', "'A -> B'")
    """
    shown = shortened(one_line(name), 120)
    return shown if _PLAIN.fullmatch(shown) and " -" not in shown else f"'{shown}'"
