"""Difference: what changed from one topology to another, as a value; as text, as JSON and as a picture.

It is empty exactly when the fingerprints are equal. What is old is called as it was, what is new as it is; everything is
ordered by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from agentgraph.graph.topology import Topology
from agentgraph.possible.loosened import Guarantee
from agentgraph.views.compare.reach import Reach
from agentgraph.views.compare.renames import Rename

if TYPE_CHECKING:
    from agentgraph.views.diagram import Diagram
    from agentgraph.views.theme import Theme

SCHEMA = 1
_BESIDE = ("old", "new", "handoffs_followed", "reach_of_entries", "reach", "loosened", "tightened", "wordings")
"""What is no difference of its own: it follows from the rest, or does not belong to the topology."""


class HandoffAt(Struct, frozen=True, order=True):
    """Which handoff: from whom, to whom, by which tool."""

    source: str
    target: str
    tool: str


class Detail(Struct, frozen=True):
    """What of something changed: what is there no longer, and what is there now."""

    part: str
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


class AgentChange(Struct, frozen=True):
    """An agent of both graphs that is not what it was: tools, what they need and set, may_finish, group, entry."""

    old: str
    new: str
    details: tuple[Detail, ...]


class HandoffChange(Struct, frozen=True):
    """A handoff of both graphs that is not what it was: tool, needs, condition, payload."""

    old: HandoffAt
    new: HandoffAt
    details: tuple[Detail, ...]


class GroupChange(Struct, frozen=True):
    """A group of both graphs that is not what it was: root, members."""

    name: str
    details: tuple[Detail, ...]


class Wording(Struct, frozen=True):
    """What is no part of the topology and changed: texts, and code that has another name. `what` is an agent, "A -> B", or a group."""

    old: str
    new: str
    part: str


class Difference(Struct, frozen=True, kw_only=True):
    """From `old` to `new`. True where there is any difference of the topologies; in a notebook it shows itself."""

    old: Topology
    new: Topology
    agents_added: tuple[str, ...] = ()
    agents_removed: tuple[str, ...] = ()
    agents_renamed: tuple[Rename, ...] = ()
    agents_changed: tuple[AgentChange, ...] = ()
    handoffs_added: tuple[HandoffAt, ...] = ()
    handoffs_removed: tuple[HandoffAt, ...] = ()
    handoffs_changed: tuple[HandoffChange, ...] = ()
    handoffs_followed: tuple[HandoffChange, ...] = ()
    """What is called otherwise because an agent at its ends is, and did not change."""
    groups_added: tuple[str, ...] = ()
    groups_removed: tuple[str, ...] = ()
    groups_changed: tuple[GroupChange, ...] = ()
    entries: Detail | None = None
    reach_of_entries: Reach | None = None
    reach: tuple[Reach, ...] = ()
    loosened: tuple[Guarantee, ...] = ()
    """What never happened, and can: at all, without a fact, before something else; or that a person could be reached, and cannot. Guards count."""
    tightened: tuple[Guarantee, ...] = ()
    """The reverse."""
    wordings: tuple[Wording, ...] = ()
    """What else changed; a difference of these alone is empty."""

    @property
    def is_empty(self) -> bool:
        """Whether the topologies are the same."""
        return not any(getattr(self, field) for field in self.__struct_fields__ if field not in _BESIDE)

    def __bool__(self) -> bool:
        return not self.is_empty

    def __str__(self) -> str:
        from agentgraph.views.compare.telling import told

        return "\n".join(told(self))

    def __repr__(self) -> str:
        return f"Difference({self.old!r}, {self.new!r}, {'empty' if self.is_empty else f'{len(str(self).splitlines())} lines'})"

    def to_dict(self) -> dict[str, Any]:
        """It as JSON values, with the number of their schema."""
        told = {field: getattr(self, field) for field in self.__struct_fields__ if field not in ("old", "new")}
        named = {"old": self.old.name, "new": self.new.name, "is_empty": self.is_empty}
        return {"agentgraph_difference": SCHEMA, **named, **msgspec.to_builtins(told)}

    def diagram(self, *, theme: str | Theme | None = None, **look: Any) -> Diagram:
        """Both topologies in one picture: what is added, removed or changed is marked, and says so. Options as of `graph.diagram`.

        Raises:
            DefinitionError: for an option, a group or an agent that there is not.
        """
        from agentgraph.views.compare.overlay import overlaid
        from agentgraph.views.diagram import Diagram
        from agentgraph.views.look import look_at
        from agentgraph.views.scene import picture_of

        seen = look_at(**look)
        return Diagram(picture_of(overlaid(self, every_tool=seen.tools_shown == "box"), seen), theme)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        return self.diagram()._repr_mimebundle_(**options) | {"text/plain": str(self)}

    def _mime_(self) -> tuple[str, str]:
        """What marimo shows."""
        return self.diagram()._mime_()
