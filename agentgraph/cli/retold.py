"""`agentgraph replay` where no graph is given: what was recorded, and whether it can be read."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agentgraph.cli.recordings import UNREADABLE, recordings
from agentgraph.cli.render import print_plain
from agentgraph.cli.visible import one_line, visible
from agentgraph.engine.trace import Trace
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgraph.conversation.message import Message

_NAMED = 5
"""Recordings of each path that are named; JSON has all."""

Way = tuple[str, ...]
"""Who held a conversation, one after the other."""


def show_recorded(given: Sequence[str], reaches: str | None, *, as_json: bool) -> int:
    """Print which way the conversations in the files, folders and stores of `given` went. The exit code.

    Raises:
        DefinitionError: when there is nothing to read.
        StoreError: when a store cannot be opened.
    """
    went: dict[str, Way] = {}
    unreadable: dict[str, ContextError] = {}
    for recording in recordings(given):
        if isinstance(recording.held, ContextError):
            unreadable[recording.name] = recording.held
        else:
            went[recording.name] = _path(recording.held)
    told = json.dumps(_as_json(went, unreadable, reaches)) if as_json else visible("\n".join(_lines(went, unreadable, reaches)))
    print_plain(f"{told}\n")
    print("agentgraph: --against TARGET says where they would go otherwise", file=sys.stderr)
    return UNREADABLE if unreadable else 0


def _path(held: Trace | tuple[Message, ...]) -> Way:
    if isinstance(held, Trace):
        holders = [context.agent for context in held.contexts]
    else:
        holders = [message.agent for message in held if message.role == "assistant"]
    return tuple(agent for agent, _ in groupby(holders) if agent is not None)


def _as_json(went: Mapping[str, Way], unreadable: Mapping[str, ContextError], reaches: str | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "conversations": len(went) + len(unreadable),
        "read": [{"recording": name, "path": path} for name, path in went.items()],
        "unreadable": [{"recording": name, "why": str(why)} for name, why in unreadable.items()],
    }
    return said if reaches is None else {**said, "reaches": {"name": reaches, "recorded": _reached(went, reaches)}}


def _lines(went: Mapping[str, Way], unreadable: Mapping[str, ContextError], reaches: str | None) -> Iterator[str]:
    alike: dict[Way, list[str]] = defaultdict(list)
    for name, path in went.items():
        alike[path].append(name)
    count = len(went) + len(unreadable)
    yield f"{count} conversation{'s' if count != 1 else ''}: {len(went)} can be read{f', {len(unreadable)} cannot' if unreadable else ''}"
    for path, names in sorted(alike.items(), key=lambda found: -len(found[1])):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"  {len(names)} went {' -> '.join(path) or 'to nobody'}: {', '.join(names[:_NAMED])}{more}"
    yield from (f"  {name}: {one_line(str(why), 300)}" for name, why in unreadable.items())
    if reaches is not None:
        yield f"{_reached(went, reaches)} reached {reaches!r}"


def _reached(went: Mapping[str, Way], agent: str) -> int:
    return sum(agent in path for path in went.values())
