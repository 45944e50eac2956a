"""One reading of everything that records a run: who spoke, what was called and ran, who handed over to whom.

A result, a trace, a context, a history, a list of messages, a dictionary with "messages": all become one `Recording`. The index of
a moment is that of its message in the conversation, for traces too, so that every form of one run says the same place. A call and
its answer are one moment, at the message that asked. What only a topology can tell (which calls are handoffs) is said in `along.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import NO_FACTS, Context, Pending
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.history import History
from agentgraph.conversation.message import CallOutcome, Message, ToolCall
from agentgraph.engine.events import ToolReturned
from agentgraph.engine.happened import heard
from agentgraph.engine.trace import Trace
from agentgraph.errors import ContextError, DefinitionError

Answered = Literal["given", "unset", "failed", "refused", "skipped", "unknown", "none", "open", "running", "held"]
"""What is recorded of a call's answer. unset: it was given, and sets nothing; none: nothing, and the conversation went on; open: nothing,
and the turn is over; running and held: nothing yet, since the run is under way."""

_WORDS = get_args(CallOutcome)
Outcomes = Callable[[Message], CallOutcome | None]
"""What became of the call that a message answers, where the message itself does not say; None is read as given."""


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
    """Set inside the tool, where the record says just that."""
    succeeded: frozenset[str] | None = None
    """The tools that gave their output inside; None where it is not recorded what went on there."""
    earlier: tuple[Literal["failed", "unknown"], ...] = ()
    """What became of the attempts of the call before its last."""
    ends: bool | None = None
    """Whether the turn ends with these words, or with what the call gave; None where that is not recorded."""
    happening: Happening | None = None
    """What happened inside, where the record says just that."""

    @property
    def ran(self) -> bool:
        """Whether the call was carried out, as far as is recorded, or may have been."""
        return self.answer in ("given", "unset", "failed", "none", "running", "unknown")


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
    left: str = ""
    """Who holds the conversation in the end, by its own state: an agent that was asked and never answered is in no message."""


def _not_said(_: Message) -> None:
    return None


class _Known(Struct):
    """What a trace or a context knows of its calls and their answers do not say, by call id."""

    pending: Mapping[str, Pending] = {}
    """The calls that are not answered yet."""
    facts: Mapping[str, frozenset[str]] = {}
    apart: Mapping[str, Trace] = {}
    outcome: Outcomes = _not_said


def recording_of(run: Any, outcome: Outcomes | None = None) -> Recording:
    """What `run` records; `outcome` says what became of a call where its answer does not. O(messages + events).

    Raises:
        DefinitionError: for what is no record of a run.
        ContextError: for a message that is none, saying which.
    """
    if outcome is not None and not callable(outcome):
        raise DefinitionError(f"outcome is {outcome!r:.60}; give a function of a message that gives None or one of {', '.join(_WORDS)}")
    result = getattr(run, "result", run) if not isinstance(run, Mapping) else run
    record = getattr(result, "trace", result)
    if isinstance(record, Trace):
        return _of_trace(record, outcome)
    if isinstance(record, Recording):
        return record
    if isinstance(record, Context):
        ours = record.fingerprint is not None or record.progress is not None
        moments = _moments(tuple(record.messages), _known(record, outcome))
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
        read = recording_of(record["messages"], outcome)
        return replace(read, start=entry) if isinstance(entry, str) else read
    if isinstance(record, Sequence) and not isinstance(record, str | bytes):
        messages = messages_of(record)
        return Recording(_moments(messages, _known(None, outcome)), last=len(messages) - 1)
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


def _of_trace(trace: Trace, outcome: Outcomes | None = None) -> Recording:
    last = trace.contexts[-1]
    messages = tuple(last.messages)
    start, since = trace.start, len(trace.start.messages)
    return Recording(
        _moments(messages, _known(last, outcome, trace), since),
        start="" if since else start.agent or "",
        facts=start.facts,
        held=last.facts,
        since=since,
        holder=start.agent or "",
        is_ours=True,
        has_insides=True,
        last=len(messages) - 1,
        left=last.agent or "",
    )


def _known(context: Context | None, outcome: Outcomes | None, trace: Trace | None = None) -> _Known:
    known = _Known() if outcome is None else _Known(outcome=outcome)
    if context is not None and context.progress is not None:
        known.pending = {pending.call.id: pending for pending in context.progress.calls}
    if trace is not None:
        known.apart = trace.apart
        known.facts = {event.call_id: event.facts for event in trace.events if isinstance(event, ToolReturned)}
    return known


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
            found += _reply(
                index, message, answers, known if index >= since else _Known(outcome=known.outcome), "open" if closed else "none"
            )
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
        earlier = answer.earlier if answer is not None else known.pending[call.id].earlier if call.id in known.pending else ()
        ends, facts = answer.ends if answer is not None else None, known.facts.get(call.id, NO_FACTS)
        pending = known.pending.get(call.id)
        inside = answer.inside if answer is not None else pending.told if pending is not None else ()
        succeeded = frozenset(one.name for one in inside if one.kind == "success") if inside else None
        yield Moment(index, "call", agent, call.name, "", _answered(call, answer, known, unanswered), facts, succeeded, earlier, ends)
        for happening in heard(inside):
            yield Moment(index, "inside", happening.agent, happening.name, happening=happening)
        if call.id in known.apart:
            yield from _inside(index, known.apart[call.id])
    if handed is not None:
        yield handed
    elif not message.tool_calls:
        yield Moment(index, "speech", agent)


def _answered(call: ToolCall, answer: Message | None, known: _Known, unanswered: Answered) -> Answered:
    if answer is None:
        pending = known.pending.get(call.id)
        return unanswered if pending is None else "running" if pending.attempt else "held"
    outcome = answer.outcome or known.outcome(answer)
    if outcome is not None and outcome not in _WORDS:
        raise DefinitionError(f"outcome(message) gave {outcome!r:.60}; it gives None or one of {', '.join(_WORDS)}")
    if outcome in (None, "handed_off"):
        return "given"
    if outcome == "unknown" and answer.inside:  # something inside is; that it was begun is known
        return "failed"
    return "unset" if outcome == "given" and answer.unset else outcome  # type: ignore[return-value]


def _inside(index: int, trace: Trace) -> Iterator[Moment]:
    entered, recording = "", _of_trace(trace)
    for moment in recording.moments:
        if moment.agent and moment.agent != entered:
            entered = moment.agent
            yield Moment(index, "inside", entered)
        if moment.kind in ("call", "inside") and moment.name and moment.ran:
            yield Moment(index, "inside", moment.agent, moment.name, answer=moment.answer, earlier=moment.earlier)
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
