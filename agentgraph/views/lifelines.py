"""Who takes part in a sequence: a lifeline for each agent or closed group, and what each is called in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.views.display import one_line, shortened
from agentgraph.views.ids import ShortIds
from agentgraph.views.picture import Participant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.graph.edge import Group
    from agentgraph.machine.machine import Machine

MOST = 60
USER = Participant("U", "User", "user")
RUNNER = Participant("AR", "Runner", "runner")
MODEL = Participant("LLM", "LLM Provider", "model")
TOOLS = Participant("T", "Tools", "tools")
_AGENT = "agent"


class Lifelines:
    """The agents of one sequence, in the order in which they come."""

    def __init__(self, agents: Iterable[str], machine: Machine, collapse: Collection[str] = (), *, titled: bool) -> None:
        self.agents = tuple(dict.fromkeys(agents))
        self._group_of = outermost(machine, collapse)
        self._of: dict[str, Participant] = {}
        alone = titled and len(self.agents) == 1 and self.agents[0] not in self._group_of
        names = {agent: self._group_of.get(agent, agent) for agent in self.agents}
        labels = _labels(dict.fromkeys(name for agent, name in names.items() if agent not in self._group_of), titled=titled)
        ids = ShortIds()
        for agent, name in names.items():
            if agent in self._group_of:
                self._of[agent] = Participant(ids("G", name), shortened(one_line(name), MOST), "group")
            elif alone:
                self._of[agent] = Participant("A", "Agent")
            else:
                self._of[agent] = Participant(ids("A", name), labels[name])
        self.alone = alone

    def of(self, agent: str) -> Participant:
        """The lifeline of `agent`."""
        return self._of[agent]

    def in_one_group(self, agent: str, other: str) -> bool:
        """Whether both are one lifeline, since they lie in a closed group."""
        return agent in self._group_of and self._group_of[agent] == self._group_of.get(other)

    def is_first(self, agent: str) -> bool:
        """Whether the sequence begins with it."""
        return self.agents[:1] == (agent,)

    def all(self) -> tuple[Participant, ...]:
        """Each once, in order."""
        return tuple(dict.fromkeys(self._of.values()))


def outermost(machine: Machine, collapse: Collection[str]) -> Mapping[str, str]:
    """For each agent in one of the groups of `collapse`, the outermost of them that holds it.

    Raises:
        DefinitionError: for a group that there is not.
    """
    for name in collapse:
        if name not in machine.groups:
            raise DefinitionError(f"{machine.name!r} has no group {name!r:.60} to collapse; it has {listed(machine.groups)}")
    found: dict[str, str] = {}
    for name in sorted(collapse, key=lambda name: _depth(machine.groups, name)):
        for agent in _within(machine.groups, name):
            found.setdefault(agent, name)
    return found


def _depth(groups: Mapping[str, Group], name: str) -> int:
    parent = groups[name].parent
    return 0 if parent is None else 1 + _depth(groups, parent)


def _within(groups: Mapping[str, Group], name: str) -> Iterable[str]:
    for member in groups[name].members:
        if member in groups and groups[member].parent == name:
            yield from _within(groups, member)
        else:
            yield member


def _labels(names: Iterable[str], *, titled: bool) -> Mapping[str, str]:
    """What each is called: "Billing Agent" for "Billing", unless two would be called alike."""
    every = list(names)
    labels = {name: agent_title(name) if titled else one_line(name) for name in every}
    taken = Counter(labels.values())
    return {name: shortened(label if taken[label] == 1 else one_line(name), MOST) for name, label in labels.items()}


def agent_title(name: str) -> str:
    """What an agent is called where others are not agents.

    >>> agent_title("Billing"), agent_title("Billing Agent")
    ('Billing Agent', 'Billing Agent')
    """
    shown = one_line(name)
    return shown if shown.casefold().endswith(_AGENT) else f"{shown} Agent"


def short_name(name: str) -> str:
    """What an agent is called where everybody knows that it is one.

    >>> short_name("Billing Agent"), short_name("Agent")
    ('Billing', 'Agent')
    """
    shown = one_line(name)
    short = shown[: -len(_AGENT)].rstrip(" _-") if shown.casefold().endswith(_AGENT) else shown
    return shortened(short or shown, MOST)
