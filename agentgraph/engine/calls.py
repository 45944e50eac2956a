"""The calls of one reply, from the model's asking to the last answer.

They take effect in call order, up to and including the first handoff. What can start at once does; results that arrive
early wait for their turn. A handoff is a border: nothing behind it starts before it is decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agentgraph.conversation.context import Context, Handed, Pending, Returned
from agentgraph.conversation.frozen import FrozenDict, thaw
from agentgraph.conversation.message import Message, ToolCall
from agentgraph.conversation.text import as_json, as_text
from agentgraph.definition.shape import Mismatch
from agentgraph.engine.effects import AskApproval, Effect, HandleOutput, RunTool
from agentgraph.engine.limits import no_handoff_left, no_tool_left
from agentgraph.engine.view import INTERRUPTED, unused_id
from agentgraph.errors import IllegalEvent
from agentgraph.machine.fsm import missing

if TYPE_CHECKING:
    from agentgraph.conversation.reply import Reply
    from agentgraph.conversation.usage import Usage
    from agentgraph.engine.events import Approved, OutputHandled, ToolReturned
    from agentgraph.graph.topology import Edge
    from agentgraph.machine.machine import Machine, Offer

_HANDED_OFF = "not executed: the conversation was handed off"
_ENDED = "not executed: the run ended with the output of an earlier call"
_ENDED_LATE = "not executed to an effect here: the run ended with the output of an earlier call, and what this one gave was not used"


class Output:
    """A value that ends the run."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(slots=True)
class Acted:
    """How far the calls have come within one step: the context so far, and what is newly asked of the outside."""

    machine: Machine
    context: Context
    calls: list[Pending]
    at: int
    started: int
    """Tools started in this run so far."""
    effects: list[Effect] = field(default_factory=list)
    final: Output | None = None
    offer: Offer = field(init=False)
    """What the agent that asked for these calls offers."""

    def __post_init__(self) -> None:
        self.offer = self.machine.offer(self.context.agent or "")


# -- the ways in -------------------------------------------------------------------------------------------------------


def taken_up(machine: Machine, context: Context, reply: Reply) -> Acted:
    """A reply with calls: it enters the history with ids and arguments that every provider accepts."""
    taken: set[str] = set()
    asked: list[ToolCall] = []
    pending: list[Pending] = []
    history = context.messages
    for position, call in enumerate(reply.tool_calls):
        call_id = unused_id(call.id, len(history) + position, lambda i: i in taken or history.has_call(i))
        taken.add(call_id)
        wrong = call.malformed
        clean = call if call_id == call.id and call.text is None else ToolCall(call_id, call.name, call.arguments)
        asked.append(clean)
        error = Returned(error=f"the arguments are not a JSON object: {wrong}", failed=True) if wrong else None
        pending.append(Pending(clean, "returned", returned=error) if error else Pending(clean))
    said = Message("assistant", reply.text, agent=context.agent, tool_calls=tuple(asked))
    return _go_on(Acted(machine, replace(context, messages=history.add(said)), pending, 0, _started(context)))


def returned(machine: Machine, context: Context, event: ToolReturned) -> Acted:
    """A tool came back."""
    acted, i = _found(machine, context, event, event.call_id, "started")
    failed = event.error is not None
    back = Returned(event.value, event.error, failed, event.updates, event.facts, event.usage)
    acted.calls[i] = replace(acted.calls[i], state="returned", returned=back)
    return _go_on(acted)


def handled(machine: Machine, context: Context, event: OutputHandled) -> Acted:
    """The handlers have decided about an output."""
    acted, i = _found(machine, context, event, event.call_id, "handling")
    pending = acted.calls[i]
    back = pending.returned or Returned()
    if event.decision != "forward":
        back = replace(back, value=event.value, error=None)
    acted.calls[i] = replace(pending, state="handled", returned=back)
    if event.decision == "final":
        _commit(acted)
        return _ended(acted, event.value)
    return _go_on(acted)


def approved(machine: Machine, context: Context, event: Approved) -> Acted:
    """A person has allowed a call, or not."""
    acted, i = _found(machine, context, event, event.call_id, "asked")
    if event.approved:
        acted.calls[i] = replace(acted.calls[i], state="held", approved=True)
    else:
        because = f": {event.reason}" if event.reason else ""
        acted.calls[i] = replace(acted.calls[i], state="returned", returned=Returned(error=f"not approved{because}", failed=True))
    return _go_on(acted)


def abandoned(machine: Machine, context: Context, unstarted: str) -> Context:
    """`context` with every pending call answered: by its result if it has one, else by what is known of it."""
    progress = context.progress
    if progress is None:
        return context
    acted = Acted(machine, context, list(progress.calls), progress.at, progress.tool_calls)
    for i in range(progress.at, len(acted.calls)):
        acted.at = i
        match acted.calls[i].state:
            case "returned" | "handling" | "handled":
                _commit(acted)
            case "started":
                _answer(acted, INTERRUPTED)
            case "held" | "asked":
                _answer(acted, unstarted)
    return replace(acted.context, progress=None)


def _started(context: Context) -> int:
    return context.progress.tool_calls if context.progress else 0


def _found(
    machine: Machine, context: Context, event: ToolReturned | OutputHandled | Approved, call_id: str, state: str
) -> tuple[Acted, int]:
    progress = context.progress
    assert progress is not None
    for i, pending in enumerate(progress.calls):
        if pending.call.id == call_id and pending.state == state:
            return Acted(machine, context, list(progress.calls), progress.at, progress.tool_calls), i
    open_ids = [p.call.id for p in progress.calls if p.state == state]
    raise IllegalEvent(event, f"call ids {', '.join(map(repr, open_ids))}" if open_ids else "no such answer now")


# -- going on ----------------------------------------------------------------------------------------------------------


def _go_on(acted: Acted) -> Acted:
    """Commit what can be committed, in call order, and start what can be started."""
    while acted.at < len(acted.calls):
        pending = acted.calls[acted.at]
        match pending.state:
            case "held":
                edge = acted.offer.handoffs.get(pending.call.name)
                if edge is not None:
                    if _handed_over(acted, edge, pending.call):
                        return acted
                    continue
                _start(acted, acted.at)
                if acted.calls[acted.at].state != "returned":
                    break
            case "returned" if _has_handler(acted, pending.call):
                acted.calls[acted.at] = replace(pending, state="handling")
                acted.effects.append(HandleOutput(acted.context.agent or "", pending.call, pending.returned or Returned()))
                break
            case "returned" | "handled":
                tool = acted.offer.tools.get(pending.call.name)
                _commit(acted)
                if tool is not None and tool.final and pending.returned is not None and pending.returned.error is None:
                    return _ended(acted, pending.returned.value)
            case _:
                break
    _start_others(acted)
    return _kept(acted)


def _start_others(acted: Acted) -> None:
    """Start the calls behind the one whose turn it is that need not wait: none behind a border or a final tool."""
    progress = acted.context.progress
    if acted.at >= len(acted.calls) or (progress is not None and not progress.settings.parallel):
        return
    offer = acted.offer
    for i in range(acted.at, len(acted.calls)):
        pending = acted.calls[i]
        if pending.call.name in offer.handoffs:
            return
        tool = offer.tools.get(pending.call.name)
        if pending.state == "held" and (tool is None or not tool.requires):
            _start(acted, i)
        if tool is not None and tool.final:
            return


def _start(acted: Acted, i: int) -> None:
    """Start call `i`, or find out why it cannot run."""
    pending, agent = acted.calls[i], acted.context.agent or ""
    error = _obstacle(acted, pending.call)
    if error is not None:
        acted.calls[i] = replace(pending, state="returned", returned=Returned(error=error, failed=True))
    elif acted.offer.tools[pending.call.name].needs_approval and not pending.approved:
        acted.calls[i] = replace(pending, state="asked")
        acted.effects.append(AskApproval(agent, pending.call))
    else:
        acted.started += 1
        acted.calls[i] = replace(pending, state="started", ran=True)
        acted.effects.append(RunTool(agent, pending.call))


def _obstacle(acted: Acted, call: ToolCall) -> str | None:
    tool = acted.offer.tools.get(call.name)
    if tool is None:
        names = acted.offer.names
        return f"there is no tool {call.name!r}; available: {', '.join(names) or 'none'}"
    if not tool.requires <= acted.context.facts:
        return f"{call.name!r} was not run: {missing(tool.requires, acted.context.facts)}"
    try:
        tool.arguments.check(thaw(call.arguments))
    except Mismatch as wrong:
        return f"the arguments of {call.name!r} do not fit: {wrong}"
    progress = acted.context.progress
    if progress is not None and no_tool_left(progress, acted.started):
        _exceed(acted, "tool_calls")
        return f"{call.name!r} was not executed: the tool calls that this run may make are used up"
    return None


def _exceed(acted: Acted, budget: str) -> None:
    progress = acted.context.progress
    assert progress is not None
    acted.context = replace(acted.context, progress=replace(progress, exceeded=budget))


def _has_handler(acted: Acted, call: ToolCall) -> bool:
    if call.name in acted.offer.handoffs:
        return False
    progress = acted.context.progress
    return acted.offer.agent.on_tool_output is not None or (progress is not None and progress.settings.handled)


def _handed_over(acted: Acted, edge: Edge, call: ToolCall) -> bool:
    """Carry out the handoff if its payload and its guard allow; else answer why not, and the agent keeps the conversation."""
    shape, payload = edge.handoff.payload_shape, None
    if shape is not None:
        try:
            payload = FrozenDict(as_json(shape.check(thaw(call.arguments))))
        except Mismatch as wrong:
            _answer(acted, f"error: the payload of {call.name!r} does not fit: {wrong}")
            return False
    verdict = acted.machine.verdict(edge.source, call.name, acted.context)
    if not verdict.permitted:
        _answer(acted, f"error: {call.name!r} was refused: {verdict.reason}")
        return False
    progress = acted.context.progress
    assert progress is not None
    used_up = no_handoff_left(progress, verdict.target)
    if used_up is not None:
        _exceed(acted, used_up)
        _answer(acted, f"not executed: the {used_up} that this run may make are used up")
        return False
    given = f" It was given: {as_text(payload, 100_000)}" if payload else ""
    _answer(acted, f"The conversation was handed off to {edge.handoff.target_name}.{given}", agent=verdict.target)
    after = f"{_HANDED_OFF} to {edge.handoff.target_name}"
    _close(acted, after, after)
    reason = call.arguments.get("reason")
    handed = Handed(
        edge.source, verdict.target, call.name, len(acted.context.messages), reason if isinstance(reason, str) else None, payload
    )
    visits = (
        FrozenDict({**progress.visits, verdict.target: progress.visits.get(verdict.target, 0) + 1})
        if progress.settings.budget
        else progress.visits
    )
    onward = replace(progress, calls=(), at=0, handoffs=progress.handoffs + 1, tool_calls=acted.started, visits=visits)
    acted.context = replace(acted.context, agent=verdict.target, handed=handed, progress=onward)
    return True


def _ended(acted: Acted, value: Any) -> Acted:
    """The run ends with `value`; the calls behind are answered as not executed."""
    _close(acted, _ENDED, _ENDED_LATE)
    acted.final = Output(value)
    return acted


def _close(acted: Acted, unstarted: str, started: str) -> None:
    while acted.at < len(acted.calls):
        pending = acted.calls[acted.at]
        if pending.returned is not None and pending.returned.usage.requests:
            _use(acted, pending.returned.usage)
        _answer(acted, started if pending.ran else unstarted)


def _commit(acted: Acted) -> None:
    """Write the result of the call whose turn it is into the history, with what it changed."""
    pending, context = acted.calls[acted.at], acted.context
    back, progress = pending.returned or Returned(), context.progress
    assert progress is not None
    tool = acted.offer.tools.get(pending.call.name)
    facts = back.facts if tool is None or back.failed else back.facts | tool.sets
    if back.updates or not facts <= context.facts:
        data = FrozenDict({**context.data, **back.updates}) if back.updates else context.data
        acted.context = replace(context, data=data, facts=context.facts | facts)
    if back.usage.requests:
        _use(acted, back.usage)
    limit = progress.settings.tool_output
    _answer(acted, f"error: {as_text(back.error, limit)}" if back.error is not None else as_text(back.value, limit))


def _use(acted: Acted, usage: Usage) -> None:
    """Count what an agent that was used as a tool has used."""
    context, progress = acted.context, acted.context.progress
    assert progress is not None
    acted.context = replace(context, usage=context.usage + usage, progress=replace(progress, usage=progress.usage + usage))


def _answer(acted: Acted, text: str, agent: str | None = None) -> None:
    pending, context = acted.calls[acted.at], acted.context
    answer = Message("tool", text, agent=agent, tool_call_id=pending.call.id)
    acted.context = replace(context, messages=context.messages.add(answer))
    acted.calls[acted.at] = Pending(pending.call, "done")
    acted.at += 1


def _kept(acted: Acted) -> Acted:
    """Put the calls back into the context: all of them while one is open, none when all are answered."""
    progress = acted.context.progress
    assert progress is not None
    calls, at = (tuple(acted.calls), acted.at) if acted.at < len(acted.calls) else ((), 0)
    acted.context = replace(acted.context, progress=replace(progress, calls=calls, at=at, tool_calls=acted.started))
    return acted
