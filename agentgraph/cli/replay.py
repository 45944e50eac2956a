"""`agentgraph replay`: would recorded conversations go the same way in this graph?"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import asdict

from agentgraph.cli.recordings import UNREADABLE, Recorded, recordings
from agentgraph.cli.render import print_plain
from agentgraph.cli.target import runner_at
from agentgraph.cli.visible import one_line, visible
from agentgraph.engine.divergence import Divergence, Replayed
from agentgraph.engine.foreign import names_in, walked
from agentgraph.engine.replaying import replayed
from agentgraph.engine.trace import Trace
from agentgraph.errors import ContextError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentgraph.machine.machine import Machine

DIVERGED = 1
_KINDS, _NAMED = 3, 5
"""Kinds of divergence in the first line, and recordings of each kind that are named; JSON has all."""


def show_replay(given: Sequence[str], target: str, reaches: str | None, *, as_json: bool) -> int:
    """Replay what lies in the files, folders and stores of `given` against `target`, and print what came of it. The exit code.

    Raises:
        DefinitionError: when there is nothing to replay, and for an agent that neither the graph nor a recording knows.
        StoreError: when a store cannot be opened.
    """
    machine, counted = runner_at(target).machine, Counted(reaches=reaches)
    for recording in recordings(given):
        counted.add(machine, recording)
    if reaches is not None and not counted.reached and not _agents(machine, reaches):
        known = ", ".join(map(repr, machine.agents))
        raise DefinitionError(f"no recording reaches {reaches!r}, and the graph has no such agent or group; it has {known}")
    print_plain(f"{json.dumps(counted.to_dict()) if as_json else visible(str(counted))}\n")
    return UNREADABLE if counted.unreadable else DIVERGED if counted.diverged else 0


class Counted(Struct, kw_only=True):
    """What came of some recordings, by their names."""

    reaches: str | None = None
    same: int = 0
    diverged: dict[str, Divergence] = {}
    unreadable: dict[str, ContextError] = {}
    reached: dict[str, bool] = {}
    """The recordings that reach `reaches`, and whether they still do."""

    def add(self, machine: Machine, recording: Recorded) -> None:
        """Replay one more."""
        if isinstance(recording.held, ContextError):
            self.unreadable[recording.name] = recording.held
            return
        names, now = _followed(machine, recording.held)
        if now.divergence is None:
            self.same += 1
        else:
            self.diverged[recording.name] = now.divergence
        if self.reaches is not None:
            meant = {self.reaches, *_agents(machine, self.reaches)}
            if meant & names:
                self.reached[recording.name] = bool(meant & set(now.path))

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        said: dict[str, Any] = {
            "conversations": self.same + len(self.diverged) + len(self.unreadable),
            "same": self.same,
            "diverged": [{"recording": name, **asdict(divergence)} for name, divergence in self.diverged.items()],
            "unreadable": [{"recording": name, "why": str(why)} for name, why in self.unreadable.items()],
        }
        if self.reaches is not None:
            lost = [name for name, still in self.reached.items() if not still]
            said["reaches"] = {"name": self.reaches, "recorded": len(self.reached), "still": len(self.reached) - len(lost), "lost": lost}
        return said

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        count = self.same + len(self.diverged) + len(self.unreadable)
        kinds = Counter((divergence.kind, divergence.name) for divergence in self.diverged.values())
        told = [f"{self.same} the same"]
        told += [f"{n} diverge{'s' if n == 1 else ''} at {_place(*kind)}" for kind, n in kinds.most_common(_KINDS)]
        told += [f"{n} elsewhere"] if (n := sum(n for _, n in kinds.most_common()[_KINDS:])) else []
        told += [f"{len(self.unreadable)} cannot be read"] if self.unreadable else []
        yield f"{count} conversation{'s' if count != 1 else ''}: {', '.join(told)}"
        for kind, number in kinds.most_common():
            alike = [(name, d) for name, d in self.diverged.items() if (d.kind, d.name) == kind]
            yield from (f"  {name}: {divergence}" for name, divergence in alike[:_NAMED])
            if number > _NAMED:
                yield f"  and {number - _NAMED} more at {_place(*kind)}"
        yield from (f"  {name}: {one_line(str(why), 300)}" for name, why in self.unreadable.items())
        if self.reaches is not None:
            still = sum(self.reached.values())
            yield f"{len(self.reached)} reached {self.reaches!r} when they were recorded; {still} still do{_but(len(self.reached) - still)}"


def _but(lost: int) -> str:
    return f", {lost} diverge{'s' if lost == 1 else ''} before" if lost else ""


def _place(kind: str, name: str) -> str:
    """Where that is, in words.

    >>> _place("handoff gone", "Billing"), _place("may not finish", "Triage"), _place("arguments", "pay")
    ("a handoff to 'Billing' (gone)", "'Triage', which may not finish", "the arguments of 'pay'")
    """
    what, _, how = kind.partition(" ")
    match what:
        case "handoff":
            return f"a handoff to {name!r} ({how})"
        case "tool" | "agent":
            return f"the {what} {name!r} ({how})"
        case "another":
            return f"another agent than {name!r}"
        case "may":
            return f"{name!r}, which {kind}"
    return f"the {kind} of {name!r}"


def _followed(machine: Machine, held: Any) -> tuple[set[str], Replayed]:
    """The agents of the recording, and what comes of it."""
    if isinstance(held, Trace):
        return {context.agent for context in held.contexts if context.agent is not None}, replayed(machine, held)
    return names_in(held), walked(machine, held)


def _agents(machine: Machine, name: str) -> set[str]:
    """The agents that `name` means: itself, or those in the group of that name."""
    if name in machine.agents:
        return {name}
    group = machine.groups.get(name)
    return set().union(*(_agents(machine, member) for member in group.members)) if group is not None else set()
