"""Replaying a trace against a graph that may have changed: the same as recorded, or the first place where it is not.

    replay_against(machine, trace) -> Divergence | None

No model and no tool is needed: what they did is in the events. Compared after each event is what makes a difference to the
conversation: who holds it, what is known, which calls ran, waited or were refused, and how the turn ended; not how a refusal
is worded, nor which graph it was. Behind the first divergence a recording means nothing, so nothing is said of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from msgspec import Struct

from agentgraph.conversation.context import Context, Phase
from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.text import as_text
from agentgraph.definition.shape import Mismatch, Shape
from agentgraph.engine.continuity import FAILED
from agentgraph.engine.events import Event, ModelReplied, ToolReturned, UserSaid
from agentgraph.engine.turn import step
from agentgraph.errors import ContextError, IllegalEvent

if TYPE_CHECKING:
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.engine.trace import Trace
    from agentgraph.machine.machine import Machine, Offer

Kind = Literal[
    "agent gone",
    "another agent",
    "handoff gone",
    "handoff elsewhere",
    "handoff refused",
    "handoff permitted",
    "tool gone",
    "tool refused",
    "tool permitted",
    "arguments",
    "approval",
    "handler",
    "order",
    "may not finish",
    "answer",
    "facts",
    "data",
    "end",
    "history",
    "event",
]
_TOLD = 300
"""Characters of what was recorded, and of what came instead, that are told."""


class Divergence(Struct, frozen=True, kw_only=True):
    """The first place where a graph does something else than was recorded."""

    kind: Kind
    event: int | None
    """Which of the trace's events; None in a recording that is messages alone."""
    message: int
    """Which message of the conversation."""
    agent: str
    """Who held the conversation."""
    name: str = ""
    """What it is about: the agent that a handoff led to, the tool, or the agent that answered."""
    recorded: str
    found: str
    within: tuple[str, ...] = ()
    """The calls of the agents used as tools around it, outermost first; `event` and `message` are of the trace inside."""

    def __str__(self) -> str:
        """One line."""
        where = f"message {self.message}" if self.event is None else f"event {self.event}, message {self.message}"
        inside = f" inside {' > '.join(self.within)}" if self.within else ""
        said = f"{where}{inside}, {self.agent!r}: {self.kind}: {self.name!r}; recorded: {self.recorded}; now: {self.found}"
        return " ".join(said.split())


class Replayed(NamedTuple):
    """What came of a recording: the agents that held the conversation while all was as recorded, and where it no longer was."""

    path: tuple[str, ...]
    divergence: Divergence | None


def replay_against(machine: Machine, trace: Trace) -> Divergence | None:
    """The first place where `machine` does something else than `trace` has; None when it does the same. O(events)."""
    return replayed(machine, trace).divergence


def replayed(machine: Machine, trace: Trace) -> Replayed:
    """As `replay_against`, with the agents that were reached on the way."""
    now, path = trace.start, list[str]()
    for at, (event, recorded) in enumerate(trace):
        divergence = _inside(machine, now, event, trace)
        if divergence is None:
            try:
                found, _ = step(machine, now, event)
            except Exception as wrong:  # noqa: BLE001 - what a file holds was not necessarily made by steps
                divergence = _stuck(machine, now, event, at, wrong)
            else:
                divergence = _compared(machine, _Followed(at, event, now, recorded, found))
                now = found
        if divergence is not None:
            return Replayed(tuple(path), divergence)
        if now.agent is not None and path[-1:] != [now.agent]:
            path.append(now.agent)
    return Replayed(tuple(path), None)


def _inside(machine: Machine, now: Context, event: Event, trace: Trace) -> Divergence | None:
    """Where the run inside the tool that comes back here diverges, if it was an agent and still is."""
    if not isinstance(event, ToolReturned) or event.call_id not in trace.children or now.agent not in machine.agents:
        return None
    name = next((call.name for call in now.pending if call.id == event.call_id), "")
    tool = machine.offer(now.agent).tools.get(name)  # type: ignore[arg-type]
    if tool is None or tool.agent is None:
        return None
    found = replay_against(machine.nested(tool), trace.children[event.call_id])
    return found and Divergence(
        **{field: getattr(found, field) for field in found.__struct_fields__} | {"within": (event.call_id, *found.within)}
    )


def _stuck(machine: Machine, now: Context, event: Event, at: int, wrong: Exception) -> Divergence:
    """The event could not be followed at all."""
    gone = isinstance(wrong, ContextError) and now.agent is not None and now.agent not in machine.agents
    kind: Kind = "agent gone" if gone else "tool gone" if isinstance(wrong, ContextError) else "event"
    found = str(wrong) if isinstance(wrong, ContextError | IllegalEvent) else f"it cannot be followed: {type(wrong).__name__}"
    name = (now.agent or "") if gone else ", ".join(call.name for call in now.pending) if kind == "tool gone" else type(event).__name__
    return Divergence(
        kind=kind,
        event=at,
        message=len(now.messages),
        agent=now.agent or "",
        name=name,
        recorded=type(event).__name__,
        found=found[:_TOLD],
    )


class _Followed(NamedTuple):
    """One event, the context before it, and the one after it, as recorded and as found."""

    at: int
    event: Event
    before: Context
    recorded: Context
    found: Context

    def diverges(self, kind: Kind, name: str, recorded: str, found: str, message: int | None = None) -> Divergence:
        """The divergence that this is."""
        return Divergence(
            kind=kind,
            event=self.at,
            message=len(self.before.messages) if message is None else message,
            agent=self.before.agent or self.found.agent or "",
            name=name,
            recorded=recorded[:_TOLD],
            found=found[:_TOLD],
        )


def _compared(machine: Machine, it: _Followed) -> Divergence | None:
    recorded, found, event = it.recorded, it.found, it.event
    if isinstance(event, UserSaid) and recorded.agent != found.agent:
        gone = recorded.agent not in machine.agents
        return it.diverges(
            "agent gone" if gone else "another agent", recorded.agent or "", f"{recorded.agent!r} answers", f"{found.agent!r} answers"
        )
    for call in _calls(it):
        before, after = _Fate(recorded, call, len(it.before.messages)), _Fate(found, call, len(it.before.messages))
        if before.key != after.key:
            asked = next((i for i, m in _latest(found) if any(c.id == call.id for c in m.tool_calls)), len(it.before.messages))
            offer = machine.offer(it.before.agent or "")
            return it.diverges(
                _cause(offer, it.before, call, before, after), before.target or after.target or call.name, before.text, after.text, asked
            )
    if isinstance(event, ModelReplied) and not event.reply.tool_calls and _shown(recorded) != _shown(found):
        agent = machine.agents[it.before.agent or ""]
        kind: Kind = "may not finish" if not agent.may_finish and recorded.progress is None else "answer"
        return it.diverges(kind, agent.name, _ending(recorded), _ending(found))
    return _differing(it)


def _differing(it: _Followed) -> Divergence | None:
    recorded, found = it.recorded, it.found
    agent = recorded.agent or ""
    if recorded.agent != found.agent:
        return it.diverges("another agent", agent, f"{agent!r} holds it", f"{found.agent!r} holds it")
    if recorded.facts != found.facts:
        return it.diverges("facts", agent, _listed(recorded.facts), _listed(found.facts))
    if recorded.data != found.data:
        return it.diverges("data", agent, as_text(recorded.data, _TOLD), as_text(found.data, _TOLD))
    if _shown(recorded) != _shown(found):
        return it.diverges("end", agent, _ending(recorded), _ending(found))
    since = len(it.before.messages)
    said, says = list(map(_kept, recorded.messages[since:])), list(map(_kept, found.messages[since:]))
    return it.diverges("history", agent, str(said), str(says)) if said != says else None


# -- calls -----------------------------------------------------------------------------------------------------------


def _calls(it: _Followed) -> tuple[ToolCall, ...]:
    """The calls that this event may have moved: those that were pending, and those that it brought."""
    since = len(it.before.messages)
    return (*it.before.pending, *(call for message in it.recorded.messages[since : since + 1] for call in message.tool_calls))


def _latest(context: Context) -> list[tuple[int, Message]]:
    """The messages with their places, from the last one back to the user's."""
    latest: list[tuple[int, Message]] = []
    for i in range(len(context.messages) - 1, -1, -1):
        latest.append((i, context.messages[i]))
        if context.messages[i].role == "user":
            break
    return latest


class _Fate:
    """What has become of one call: `key` is what is compared, `text` what is told."""

    __slots__ = ("failed", "key", "ran", "target", "text")

    def __init__(self, context: Context, call: ToolCall, since: int) -> None:
        self.target: str | None = None
        self.failed = self.ran = False
        pending = (
            next((p for p in context.progress.calls if p.call.id == call.id and p.stage != "done"), None) if context.progress else None
        )
        answer = next((m for m in context.messages[since:] if m.tool_call_id == call.id), None)
        if pending is not None:
            back = pending.returned
            self.failed, self.ran = back is not None and back.failed, pending.ran or pending.stage == "asked"
            self.key: tuple[Any, ...] = (pending.stage, self.failed, pending.ran, pending.approved)
            self.text = f"error: {back.error}" if back is not None and back.error is not None else _STAGES[pending.stage]
        elif answer is None:
            self.key, self.text = ("unanswered",), "it is not answered"
        elif answer.agent is not None:
            self.target, self.text, self.key = answer.agent, f"handed over to {answer.agent!r}", ("handed", answer.agent, _payload(context))
        else:
            self.failed, self.text = answer.text.startswith(FAILED), answer.text
            self.key = ("answered", _kept(answer))
            self.ran = not self.failed


_STAGES = {
    "held": "it waits for the calls before it",
    "asked": "a person is asked first",
    "started": "it runs",
    "returned": "it came back, and waits for the calls before it",
    "handling": "handlers look at its output",
    "handled": "handlers have looked at its output",
}


def _cause(offer: Offer, before: Context, call: ToolCall, recorded: _Fate, found: _Fate) -> Kind:
    """What of the graph has changed, so that one call fares otherwise."""
    if recorded.target is not None:
        return _lost_handoff(offer, call, found)
    if found.target is not None:
        return "handoff permitted" if recorded.failed else "tool gone"
    if found.failed and not recorded.failed:
        return _lost_tool(offer, before, call)
    if recorded.failed and not found.failed:
        return "tool permitted"
    if "asked" in (recorded.key[0], found.key[0]):
        return "approval"
    if "handling" in (recorded.key[0], found.key[0]):
        return "handler"
    return "order"


def _lost_handoff(offer: Offer, call: ToolCall, found: _Fate) -> Kind:
    edge = offer.handoffs.get(call.name)
    if found.target is not None:
        return "handoff elsewhere"
    if edge is None:
        return "handoff gone"
    shape = edge.handoff.payload_shape
    return "handoff refused" if shape is None or _fits(shape, call) else "arguments"


def _lost_tool(offer: Offer, before: Context, call: ToolCall) -> Kind:
    tool = offer.tools.get(call.name)
    if tool is None:
        return "handoff refused" if call.name in offer.handoffs else "tool gone"
    return "tool refused" if not tool.requires <= before.facts or _fits(tool.arguments, call) else "arguments"


def _fits(shape: Shape, call: ToolCall) -> bool:
    try:
        shape.check(thaw(call.arguments))
    except Mismatch:
        return False
    return True


# -- what is compared --------------------------------------------------------------------------------------------------


def _kept(message: Message) -> tuple[Any, ...]:
    """A message without the wording of refusals, which name what is available, and of handoffs, which name a group or its root."""
    text: Any = message.content
    if message.role == "tool":
        text = "" if message.agent is not None else next((beginning for beginning in FAILED if message.text.startswith(beginning)), text)
    return message.role, message.agent, message.tool_calls, message.tool_call_id, text


def _payload(context: Context) -> Any:
    return context.handed and (context.handed.payload, context.handed.reason)


def _shown(context: Context) -> tuple[Any, ...]:
    """Where the turn stands."""
    progress = context.progress
    return context.phase, progress is not None and progress.note is not None, progress and progress.exceeded


def _ending(context: Context) -> str:
    if context.progress is None:
        last = context.messages[-1] if context.messages else None
        return "the turn ends" + (f" with {last.text!r:.200}" if last is not None and last.role == "assistant" else "")
    if context.progress.note is not None:
        return f"it is asked again: {context.progress.note}"
    return "the model is asked" if context.phase is Phase.THINKING else "calls are open"


def _listed(facts: frozenset[str]) -> str:
    return ", ".join(sorted(facts)) or "no facts"
