"""Trace <-> lines of JSON: a header, then an event a line with what it changed in the context, then an end.

    {"agentgraph_trace": 2, "graph": "support", "fingerprint": "5c0f...", "start": {...}}
    {"event": {"type": "UserSaid", ...}, "then": {"agent": "Triage", "messages": [...], ...}, "happened": [{"kind": "enter", ...}]}
    {"event": {"type": "ModelReplied", ...}, "then": {...}, "happened": [{"kind": "final", ...}], "finish": {"reason": "completed"}}
    {"end": 3}

A trace comes back equal, and no machine is needed for it. `messages` are those that were added, `history` is all of them where
the former ones are not kept. What goes on inside a call is part of the context, and an event says where it happened: {"within": ["c1"]}.
Traces of agents used as tools that were kept apart, as version 1 did, follow the events: {"in": ["c1"], "start": {...}} and so on.
Nothing that is read is ever executed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from agentgraph.conversation.context import Context
from agentgraph.conversation.context_json import as_context, as_followed, as_value, plain, plain_changes
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.stored import Form, Upgrade, parsed, upgraded, written
from agentgraph.conversation.version_1 import upgraded_context, upgraded_message
from agentgraph.engine import version_1
from agentgraph.engine.event_json import as_event
from agentgraph.engine.step_json import as_told, plain_told
from agentgraph.engine.trace import Ended, Taken, Trace
from agentgraph.engine.version_1 import upgraded_event
from agentgraph.errors import ContextError


def _upgraded(given: dict[str, Any]) -> dict[str, Any]:
    """A line of version 1."""
    for name in ("start", "then"):
        if name in given:
            changed = given[name]
            if "history" in changed:
                changed = {**changed, "history": [upgraded_message(message) for message in changed["history"]]}
            given = {**given, name: upgraded_context(changed)}
    return {**given, "event": upgraded_event(given["event"])} if "event" in given else given


FORM = Form("agentgraph_trace", "trace", (_upgraded,))


class Header(Struct, frozen=True, omit_defaults=True):
    """What a recording says of the graph that ran. It is told to people, and nothing is looked up by it."""

    graph: str = ""
    fingerprint: str | None = None
    target: str = ""
    """How the command line was told of the graph."""


class StoredTrace(NamedTuple):
    """A trace that was read, and what was written above it."""

    header: Header
    trace: Trace


# -- writing -----------------------------------------------------------------------------------------------------------


def lines_of(trace: Trace, header: Header = Header()) -> Iterator[str]:  # noqa: B008 - it cannot change
    """`trace` as lines, without their ends. O(what happened): what a step left as it was is not written again."""
    yield written({FORM.key: FORM.version, **asdict(header), "start": plain(trace.start)})
    count = 1
    for line in _below(trace, ()):
        yield line
        count += 1
    yield written({"end": count})


def _below(trace: Trace, within: tuple[str, ...]) -> Iterator[str]:
    where = {"in": within} if within else {}
    for before, taken in zip(trace.contexts, trace.taken, strict=False):
        event, after, *_ = taken
        yield written({**where, "event": plain(event), "then": plain_changes(before, after), **plain_told(before, taken)})
    for call_id, child in trace.apart.items():
        inside = (*within, call_id)
        yield written({"in": inside, "start": plain(child.start)})
        yield from _below(child, inside)


# -- reading -----------------------------------------------------------------------------------------------------------


def read_lines(lines: Iterable[bytes], *, partial: bool = False, form: Form = FORM) -> StoredTrace:
    """The trace that `lines_of` wrote. `partial`: where its end is missing or the last line is cut off, as far as it can be read.

    Raises:
        ContextError: with the number of the line that cannot be read, and why.
    """
    reading: _Reading | None = None
    number, left = 0, iter(lines)
    try:
        for number, line in enumerate(left, 1):  # noqa: B007 - told when a line fails
            if reading is None:
                reading = _Reading(line, form)
            else:
                reading.take(line)
        if reading is None:
            raise ContextError("nothing is there; a trace begins with its header")
        if not reading.ended and not partial:
            raise ContextError("the file ends here, before the trace does: it was cut off, or is being written")
    except (ValueError, ContextError, RecursionError) as wrong:
        if partial and reading is not None and next(left, None) is None:
            return reading.recording()
        raise ContextError(f"line {max(number, 1)}: {wrong}") from wrong
    return reading.recording()


class _Part:
    """A trace that is being read."""

    def __init__(self, start: Context) -> None:
        self.start = self.now = start
        self.taken: list[Taken] = []


class _Reading:
    """What the lines so far have said."""

    def __init__(self, line: bytes, form: Form) -> None:
        given = parsed(line)
        if form.key not in given:
            raise ContextError(f'this is no trace: a first line with "{form.key}" is expected')
        version = given.pop(form.key)
        self._upgrades: tuple[Upgrade, ...] = form.since(version)
        self._tells = version != 1
        """Whether steps say what happened."""
        given = upgraded(given, self._upgrades)
        start = _taken(given, "start")
        self._header = as_value(given, Header)
        self._parts: dict[tuple[str, ...], _Part] = {(): _Part(as_context(start))}
        self._lines = 1
        self.ended = False

    def take(self, line: bytes) -> None:
        """One more line."""
        if self.ended:
            raise ContextError("something follows the end of the trace")
        given = upgraded(parsed(line), self._upgrades)
        within = as_value(given.pop("in", ()), tuple[str, ...])
        if "end" in given:
            self._end(given["end"])
        elif "start" in given:
            self._begin(within, _taken(given, "start"))
        else:
            self._follow(within, _taken(given, "event"), _taken(given, "then"), given)
        self._lines += 1

    def _begin(self, within: tuple[str, ...], start: dict[str, Any]) -> None:
        if not within or within in self._parts or within[:-1] not in self._parts:
            raise ContextError(
                f"a trace begins inside {' > '.join(within) or 'nothing'}, which there is already, or inside nothing that is there"
            )
        self._parts[within] = _Part(as_context(start))

    def _follow(self, within: tuple[str, ...], given_event: dict[str, Any], then: dict[str, Any], told: dict[str, Any]) -> None:
        part = self._parts.get(within)
        if part is None:
            raise ContextError(f"an event inside {' > '.join(within)}, where no trace has begun")
        before, event = part.now, as_event(given_event)
        part.now = as_followed(before, then)
        if not self._tells:
            finish = version_1.guessed_finish(event, before, part.now)
            happened, ended = tuple[Happening, ...](), tuple[Ended, ...]()
        else:
            happened, finish, ended = as_told(before, part.now, told)
        part.taken.append((event, part.now, happened, finish, ended))

    def _end(self, lines: object) -> None:
        if type(lines) is not int or lines != self._lines:
            raise ContextError(f"the trace ends after {lines!r:.40} lines, and there were {self._lines}: some are missing, or were added")
        self.ended = True

    def recording(self) -> StoredTrace:
        """What it came to."""
        made: dict[tuple[str, ...], Trace] = {}
        for within, part in reversed(self._parts.items()):  # what lies inside comes later
            inside = {key[-1]: made[key] for key in self._parts if key[:-1] == within and key}
            made[within] = Trace(part.start, (), inside, tuple(part.taken))
        return StoredTrace(self._header, made[()])


def _taken(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.pop(name, None)
    if not isinstance(value, dict):
        raise ContextError(f'"{name}" is {value!r:.40}; an object is expected')
    return value
