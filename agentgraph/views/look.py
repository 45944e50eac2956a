"""How a graph is to be looked at: the options of `graph.diagram()`, checked where they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct

from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.views.picture import Direction

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology

View = Literal["topology", "architecture", "full", "machine"]
Tools = Literal["badge", "box", "none"]
OnLarge = Literal["collapse", "error", "all"]
Ids = Literal["name", "short"]
Groups = Literal["open", "closed"] | int | Mapping[str, str]


class Look(Struct, frozen=True, kw_only=True):
    """How to look at a graph.

    Raises:
        DefinitionError: for what there is not, with what there is.
    """

    view: View = "topology"
    direction: Direction | None = None
    groups: Groups = "open"
    tools: Tools | None = None
    """None: boxes in the architecture and full views, badges elsewhere."""
    focus: str | None = None
    hops: int = 1
    title: str | None = None
    ids: Ids | None = None
    """None: short in the architecture and full views, by name elsewhere."""
    on_large: OnLarge = "collapse"
    run: Any = None
    """A result, a trace, a context, or several: what they visited is marked."""
    step: int | None = None
    """How far into the trace of one run; None for all of it."""

    def __post_init__(self) -> None:
        choices = {"view": View, "direction": Direction, "tools": Tools, "ids": Ids, "on_large": OnLarge}
        for option, kind in choices.items():
            given, possible = getattr(self, option), get_args(kind)
            if given not in possible and not (given is None and option in ("direction", "tools", "ids")):
                raise DefinitionError(f"a diagram was given {option}={given!r:.60}; give {' or '.join(map(repr, possible))}")
        if type(self.hops) is not int or self.hops < 0:
            raise DefinitionError(f"a diagram was given hops={self.hops!r:.60}; give a whole number, 0 or more")
        if self.title is not None and not isinstance(self.title, str):
            raise DefinitionError(f"a diagram was given title={self.title!r:.60}; give text")
        if self.step is not None and self.run is None:
            raise DefinitionError(f"a diagram was given step={self.step!r:.60} and no run; give run=result, too")

    @property
    def tools_shown(self) -> Tools:
        """How tools are to be shown, by the view where it was not said."""
        return self.tools or ("box" if self.view in ("architecture", "full") else "badge")


def look_at(**options: Any) -> Look:
    """The look that these options mean.

    Raises:
        DefinitionError: for an option that there is not.
    """
    unknown = [name for name in options if name not in Look.__struct_fields__]
    if unknown:
        raise DefinitionError(f"a diagram has no option {unknown[0]!r}; it has {', '.join(Look.__struct_fields__)}, theme")
    return Look(**options)


def closed_by(topology: Topology, groups: Any) -> frozenset[str]:
    """The groups that are one box each: all outermost, those that lie so deep, or those that are named.

    Raises:
        DefinitionError: for a group that there is not.
    """
    if groups == "open":
        return frozenset()
    if groups == "closed":
        groups = 0
    if isinstance(groups, int) and not isinstance(groups, bool) and groups >= 0:
        return frozenset(name for name in topology.groups if len(topology.path_of(name)) == groups + 1)
    if isinstance(groups, Mapping):
        for name, state in groups.items():
            if name not in topology.groups:
                raise DefinitionError(f"graph {topology.name!r} has no group {name!r}; it has {listed(topology.groups)}")
            if state not in ("open", "closed"):
                raise DefinitionError(f"the group {name!r} is to be {state!r:.40}; give 'open' or 'closed'")
        return frozenset(name for name, state in groups.items() if state == "closed")
    raise DefinitionError(
        f"a diagram was given groups={groups!r:.60}; give 'open', 'closed', a depth, or a dict from group to one of these"
    )
