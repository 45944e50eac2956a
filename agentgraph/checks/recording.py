"""One reading of everything that records a run: who spoke, what was called and ran, who handed over to whom.

A result, a trace, a context, a history, a list of messages, a dictionary with "messages": all become one `Recording`. The index of
a moment is that of its message in the conversation, for traces too, so that every form of one run says the same place. A call and
its answer are one moment, at the message that asked. What only a topology can tell (which calls are handoffs) is said in `along.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import NO_FACTS, Context
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message, ToolCall
from agentgraph.engine.continuity import FAILED
from agentgraph.engine.events import ToolReturned
from agentgraph.engine.trace import Trace
from agentgraph.errors import ContextError, DefinitionError

Answered = Literal["given", "failed", "refused", "none", "open", "running", "held"]
"""What is recorded of a call's answer. none: nothing, and the conversation went on; open: nothing, and the turn is over; running and
held: nothing yet, since the run is under way."""

_REFUSED = re.compile(
    r"not executed|error: (there is no tool|not approved|the (arguments|payload) (of|are) |'.*' was (not run|not executed|refused):?)",
    re.DOTALL,
)


class Moment(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that is recorded. `inside` is what an agent did that was used as a tool: it was entered, or called `name`."""

    index: int
    kind: Literal["user", "speech", "call", "handoff", "inside"]
    agent: str = ""
    """Who spoke, called or handed over; nothing where the message names nobody."""
    name: str = ""
    """The tool."""
    target: str = ""
    """Who holds the conversation from here on."""
    answer: Answered = "none"
    facts: frozenset[str] = NO_FACTS
    """Set inside the tool."""
    ends: bool = False
    """Whether the turn ends with these words."""

    @property
    def ran(self) -> bool:
        """Whether the call was carried out, as far as is recorded."""
        return self.answer in ("given", "failed", "none", "running")


class Recording(Struct, frozen=True):
    """What is recorded of a run, in order."""

    moments: tuple[Moment, ...]
    start: str = ""
    """Who held the conversation before; nothing where that is not recorded: a list of messages may be an excerpt."""
    facts: frozenset[str] = NO_FACTS
    """Known to be true from the beginning."""
    held: frozenset[str] = NO_FACTS
    """Known to be true in the end."""
    since: int = 0
    """The message with which the run began: what is before is the conversation it went on from."""
    holder: str = ""
    """Who held the conversation when the run began, where it went on from another."""
    is_ours: bool = False
    """Whether its own state says how it ended: a run that a limit has cut off is not one that ended in the middle."""
    has_insides: bool = False
    """Whether what went on inside tools that are agents is recorded too."""
    last: int = -1
    """The last message."""
    ended: int | None = None
    """The message with which it ended without words: by the output of a tool."""
    left: str = ""
    """Who holds the conversation in the end, by its own state: an agent that was asked and never answered is in no message."""


class _Known(Struct):
    """What a trace knows of its calls and their answers do not say, by call id."""

    ran: dict[str, bool]
    facts: dict[str, frozenset[str]]
    inside: Mapping[str, Trace]
    otherwise: bool | None
    """Whether calls ran that are not among these. A trace has all that ran; our own messages say what did not; others' do not say."""


def recording_of(run: Any) -> Recording:
    """What `run` records. O(messages + events).

    Raises:
        DefinitionError: for what is no record of a run.
        ContextError: for a message that is none, saying which.
    """
    result = getattr(run, "result", run) if not isinstance(run, Mapping) else run
    record = getattr(result, "trace", result)
    if isinstance(record, Trace):
        return _of_trace(record, ended=bool(getattr(result, "succeeded", False)))
    if isinstance(record, Recording):
        return record
    if isinstance(record, Context):
        ours = record.fingerprint is not None or record.progress is not None
        moments = _moments(tuple(record.messages), _known((record,), otherwise=True if ours else None))
        last, left = len(record.messages) - 1, (record.agent or "") if ours else ""
        return Recording(moments, held=record.facts, is_ours=ours, last=last, left=left)
    if isinstance(record, Mapping):
        if "messages" not in record:
            raise DefinitionError(
                f"a run was given as a dictionary of {', '.join(map(repr, list(record)[:6])) or 'nothing'}; give one with 'messages'"
            )
        if isinstance(record["messages"], Mapping):
            raise DefinitionError("the 'messages' of a run were given as a dictionary; give a list of messages")
        entry = record.get("entry")
        read = recording_of(record["messages"])
        return replace(read, start=entry) if isinstance(entry, str) else read
    if isinstance(record, Sequence) and not isinstance(record, str | bytes):
        messages = messages_of(record)
        return Recording(_moments(messages, _known(())), last=len(messages) - 1)
    raise DefinitionError(
        f"a run was given as {_shown(record)}; give a result, a trace, a context, a list of messages, or a dictionary with 'messages'"
    )


def messages_of(given: Iterable[Any]) -> tuple[Message, ...]:
    """`given` as messages.

    Raises:
        ContextError: for one that is none, saying which.
    """
    return tuple(given) if isinstance(given, History) else tuple(_message(index, each) for index, each in enumerate(given))


def _message(index: int, given: Any) -> Message:
    if isinstance(given, Message):
        return given
    try:
        return Message.from_openai(given)
    except ContextError as wrong:
        raise ContextError(f"message {index}: {wrong}", given) from None
    except RecursionError:
        raise ContextError(f"message {index}: it is nested too deeply, or holds itself; give plain JSON", given) from None


def _shown(given: Any) -> str:
    return (
        f"the {type(given).__name__} {given!r:.60}" if isinstance(given, str | int | float | bytes | None) else f"a {type(given).__name__}"
    )


# -- traces --------------------------------------------------------------------------------------------------------------


def _of_trace(trace: Trace, *, ended: bool) -> Recording:
    messages = tuple(trace.contexts[-1].messages)
    start, since = trace.start, len(trace.start.messages)
    moments = _moments(messages, _known(trace.contexts, trace), since)
    says_so = ended and not (moments and moments[-1].ends)
    return Recording(
        moments,
        start="" if since else start.agent or "",
        facts=start.facts,
        held=trace.contexts[-1].facts,
        since=since,
        holder=start.agent or "",
        is_ours=True,
        has_insides=True,
        last=len(messages) - 1,
        ended=len(messages) - 1 if says_so and messages else None,
        left=trace.contexts[-1].agent or "",
    )


def _known(contexts: Iterable[Context], trace: Trace | None = None, *, otherwise: bool | None = None) -> _Known:
    known = _Known({}, {}, trace.children if trace is not None else {}, otherwise if trace is None else False)
    for context in contexts:
        for pending in context.progress.calls if context.progress is not None else ():
            known.ran[pending.call.id] = known.ran.get(pending.call.id, False) or pending.ran
    for event in trace.events if trace is not None else ():
        if isinstance(event, ToolReturned):
            known.ran[event.call_id] = True
            known.facts[event.call_id] = event.facts
    return known


_EARLIER = _Known({}, {}, {}, True)
"""Of what was said before a trace of ours began."""


# -- messages ------------------------------------------------------------------------------------------------------------


def _moments(messages: tuple[Message, ...], known: _Known, since: int = 0) -> tuple[Moment, ...]:
    found: list[Moment] = []
    writes_answers = any(message.role == "tool" for message in messages)
    at = 0
    while at < len(messages):
        message, index = messages[at], at
        at += 1
        if message.role == "user":
            found.append(Moment(index, "user"))
        elif message.role == "assistant":
            answers: dict[str, Message] = {}
            while at < len(messages) and messages[at].role == "tool":
                answers.setdefault(messages[at].tool_call_id or "", messages[at])
                at += 1
            is_last = at == len(messages)
            closed = is_last or (messages[at].role == "user" and writes_answers)
            found += _reply(index, message, answers, known if index >= since else _EARLIER, "open" if closed else "none")
            if found[-1].kind == "speech":
                found[-1] = replace(found[-1], ends=is_last or messages[at].role == "user")
    return tuple(_opened(found))


def _reply(index: int, message: Message, answers: Mapping[str, Message], known: _Known, unanswered: Answered) -> Iterator[Moment]:
    """What an assistant's message did: calls in their order and then the handoff, or words alone."""
    agent = message.agent or ""
    told: Mapping[str, Any] = message.source or {}
    target, via = told.get("handoff_to"), told.get("handoff_via")
    target = target if isinstance(target, str) else ""
    handing = next((call for call in message.tool_calls if call.name == via), None)
    if target and handing is None and len(message.tool_calls) == 1 and not isinstance(via, str):
        handing = message.tool_calls[0]
    handed = Moment(index, "handoff", agent, via if isinstance(via, str) else "", target) if target and handing is None else None
    for call in message.tool_calls:
        answer = answers.get(call.id)
        moved = target if call is handing else answer.agent if answer is not None else None
        if moved:
            handed = Moment(index, "handoff", agent, call.name, moved, "given" if answer is not None else "none")
            continue
        yield Moment(index, "call", agent, call.name, "", _answered(call, answer, known, unanswered), known.facts.get(call.id, NO_FACTS))
        if call.id in known.inside:
            yield from _inside(index, known.inside[call.id])
    if handed is not None:
        yield handed
    elif not message.tool_calls:
        yield Moment(index, "speech", agent)


def _answered(call: ToolCall, answer: Message | None, known: _Known, unanswered: Answered) -> Answered:
    ran = known.ran.get(call.id, known.otherwise)
    if answer is None:
        return "held" if ran is False else "running" if call.id in known.ran else unanswered
    if answer.skipped or ran is False or (ran is None and _REFUSED.match(answer.text)):
        return "refused"
    return "failed" if answer.text.startswith(FAILED) else "given"


def _inside(index: int, trace: Trace) -> Iterator[Moment]:
    entered, recording = "", _of_trace(trace, ended=False)
    for moment in recording.moments:
        if moment.agent and moment.agent != entered:
            entered = moment.agent
            yield Moment(index, "inside", entered)
        if moment.kind in ("call", "inside") and moment.name and moment.ran:
            yield Moment(index, "inside", moment.agent, moment.name)
        if moment.kind == "handoff":
            entered = moment.target
            yield Moment(index, "inside", entered)
    if recording.left not in ("", entered):
        yield Moment(index, "inside", recording.left)


def _opened(found: list[Moment]) -> list[Moment]:
    """A handoff at the very end without an answer is open where this recording writes answers to handoffs; else it is believed."""
    answered = any(moment.kind == "handoff" and moment.answer == "given" for moment in found)
    if answered and found[-1].kind == "handoff" and found[-1].answer == "none" and found[-1].name:
        found[-1] = replace(found[-1], answer="open")
    return found
