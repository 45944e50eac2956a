"""Replaying a trace against a graph that may have changed: the same as recorded, or the first place where it is not.

    replay_against(machine, trace) -> Divergence | None

No model and no tool is needed: what they did is in the events. Compared after each event is what makes a difference to the
conversation: who holds it, what is known, which calls ran, waited or were refused, and how the turn ended; not how a refusal
is worded, nor which graph it was. Behind the first divergence a recording means nothing, so nothing is said of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agentgraph.conversation.context import Context, Phase
from agentgraph.conversation.text import as_text
from agentgraph.engine.divergence import Divergence, Kind, Replayed
from agentgraph.engine.events import Event, ModelReplied, OutputHandled, ToolReturned, UserSaid
from agentgraph.engine.fate import Fate, cause, compared
from agentgraph.engine.inside import conversation_at, machine_at
from agentgraph.engine.trace import ended_in
from agentgraph.engine.turn import step
from agentgraph.errors import ContextError, IllegalEvent

if TYPE_CHECKING:
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.engine.inside import Address
    from agentgraph.engine.trace import Ended, Trace
    from agentgraph.machine.machine import Machine

NOTHING_OF_ITS_OWN = OutputHandled("")
"""What a conversation sees of an event that is of one inside it."""
_TOLD = 300
"""Characters of what was recorded, and of what came instead, that are told."""


def replay_against(machine: Machine, trace: Trace) -> Divergence | None:
    """The first place where `machine` does something else than `trace` has; None when it does the same. O(events)."""
    return replayed(machine, trace).divergence


def replayed(machine: Machine, trace: Trace) -> Replayed:
    """As `replay_against`, with the agents that were reached on the way."""
    now, path = trace.start, list[str]()
    for at, (event, recorded, _, _, ended) in enumerate(trace.taken):
        divergence = _apart(machine, now, event, trace)
        if divergence is None:
            try:
                found = step(machine, now, event)
            except Exception as wrong:  # noqa: BLE001 - what a file holds was not necessarily made by steps
                divergence = _stuck(machine, now, event, at, wrong)
            else:
                divergence = _first(machine, _Followed(at, event, now, recorded, found.context), trace, ended, ended_in(found))
                now = found.context
        if divergence is not None:
            return Replayed(tuple(path), divergence)
        if now.agent is not None and path[-1:] != [now.agent]:
            path.append(now.agent)
    return Replayed(tuple(path), None)


def _first(machine: Machine, it: _Followed, trace: Trace, recorded: tuple[Ended, ...], found: tuple[Ended, ...]) -> Divergence | None:
    """Where the step of one event differs: in the conversation that it is of, or else in those around it."""
    for depth in range(len(it.event.within), -1, -1):
        within = it.event.within[:depth]
        own = machine if not within else machine_at(machine, it.before, within)[0]
        before, one, other = conversation_at(it.before, within), _after(it.recorded, within, recorded), _after(it.found, within, found)
        if own is None or before is None or (one is None and other is None):
            continue
        if one is None or other is None:
            return it.diverges("end", before.agent or "", _where(one), _where(other)).at(within)
        event = it.event.at(()) if depth == len(it.event.within) else NOTHING_OF_ITS_OWN
        divergence = _compared(own, _Followed(it.at, event, before, one, other), trace)
        if divergence is not None:
            return divergence.at(within)
    return None


def _after(context: Context, within: Address, ended: tuple[Ended, ...]) -> Context | None:
    """The conversation inside these calls after a step, also where it ended with that."""
    over = next((one.context for one in ended if one.within == within), None)
    return over if over is not None else conversation_at(context, within)


def _where(context: Context | None) -> str:
    return "it goes on" if context is not None and context.progress is not None else "it is over"


def _apart(machine: Machine, now: Context, event: Event, trace: Trace) -> Divergence | None:
    """Where the run inside the tool that comes back here diverges, if it was an agent and still is; where such runs are kept apart."""
    if not isinstance(event, ToolReturned) or event.call_id not in trace.apart or now.agent not in machine.agents:
        return None
    name = next((call.name for call in now.pending if call.id == event.call_id), "")
    tool = machine.offer(now.agent).tools.get(name)  # type: ignore[arg-type]
    if tool is None or tool.agent is None:
        return None
    found = replay_against(machine.nested(tool), trace.apart[event.call_id])
    return found and found.at((event.call_id, *found.within))


def _stuck(machine: Machine, now: Context, event: Event, at: int, wrong: Exception) -> Divergence:
    """The event could not be followed at all."""
    now = conversation_at(now, event.within) or now
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
        within=event.within,
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


def _compared(machine: Machine, it: _Followed, trace: Trace) -> Divergence | None:
    recorded, found, event = it.recorded, it.found, it.event
    if isinstance(event, UserSaid) and recorded.agent != found.agent:
        gone = recorded.agent not in machine.agents
        return it.diverges(
            "agent gone" if gone else "another agent", recorded.agent or "", f"{recorded.agent!r} answers", f"{found.agent!r} answers"
        )
    for call in _calls(it):
        before, after = Fate(recorded, call, len(it.before.messages)), Fate(found, call, len(it.before.messages))
        if before.key != after.key:
            asked = next((i for i, m in _latest(found) if any(c.id == call.id for c in m.tool_calls)), len(it.before.messages))
            kind, name = cause(machine.offer(it.before.agent or ""), found.facts, call, before, after), before.target or after.target
            if kind == "tool gone" and (target := _handed_over(trace, call)) is not None:
                kind, name = "handoff gone", target
            return it.diverges(kind, name or call.name, before.text, after.text, asked)
    if isinstance(event, ModelReplied) and not event.reply.tool_calls and _shown(recorded) != _shown(found):
        agent = machine.agents[it.before.agent or ""]
        kind = "may not finish" if not agent.may_finish and recorded.progress is None else "answer"
        return it.diverges(kind, agent.name, _ending(recorded), _ending(found))
    return _differing(it)


def _handed_over(trace: Trace, call: ToolCall) -> str | None:
    """Whom `call` led to, if it turned out to be a handoff: one that waits for the calls before it looks like any other."""
    return next((message.agent for message in trace.contexts[-1].messages if message.tool_call_id == call.id), None)


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
    said, says = list(map(compared, recorded.messages[since:])), list(map(compared, found.messages[since:]))
    return it.diverges("history", agent, str(said), str(says)) if said != says else None


# -- what is compared ------------------------------------------------------------------------------------------------------


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
