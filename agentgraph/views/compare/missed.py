"""Guarantees that are gone, said in a picture where they are missed: at the agent; of a tool, at it and at the agents that have it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, TypeVar

from agentgraph.views.compare.painter import Fate, Fates
from agentgraph.views.display import one_line, shortened
from agentgraph.views.topology_view import MOST

if TYPE_CHECKING:
    from agentgraph.possible.loosened import Guarantee, Kind
    from agentgraph.views.compare.difference import Difference

K = TypeVar("K", bound=Hashable)
_MOST_LINES = 3
_WORDS: Mapping[Kind, str] = {
    "never": "reachable now",
    "fact": "without {}",
    "after": "without {}",
    "person": "no way to a person",
}


def with_loosened(difference: Difference, fates: Fates) -> Fates:
    """`fates`, with what became looser. O(agents + tools + guarantees)."""
    having: dict[str, list[str]] = {}
    for name, agent in difference.new.agents.items():
        for tool in agent.tools:
            having.setdefault(tool.name, []).append(name)
    at_agents: dict[str, dict[str, None]] = {}
    at_tools: dict[tuple[str, str], dict[str, None]] = {}
    for gone in difference.loosened:
        if gone.is_of_agent:
            if gone.name in difference.new.agents:  # rather than inside a tool
                at_agents.setdefault(gone.name, {})[_said(gone)] = None
            continue
        for name in having.get(gone.name, ()):
            at_agents.setdefault(name, {})[f"loosened: {_short(gone.name)}"] = None
            at_tools.setdefault((name, gone.name), {})[_said(gone)] = None
    return Fates(_saying(fates.agents, at_agents), fates.handoffs, _saying(fates.tools, at_tools), fates.groups)


def _said(gone: Guarantee) -> str:
    return f"loosened: {_WORDS[gone.kind].format(_short(gone.other_name))}"


def _short(name: str) -> str:
    return shortened(one_line(name), MOST)


def _saying(fates: Mapping[K, Fate | None], lines: Mapping[K, Mapping[str, None]]) -> dict[K, Fate | None]:
    """The fates, with a few lines more."""
    said = dict(fates)
    for at, each in lines.items():
        few = [*each][:_MOST_LINES] + ([f"and {len(each) - _MOST_LINES:,} more"] if len(each) > _MOST_LINES else [])
        fate = said.get(at)
        said[at] = Fate("changed", tuple(few)) if fate is None else Fate(fate.mark, (*fate.lines, *few))
    return said
