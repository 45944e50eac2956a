"""The calls of one reply, from the model's asking to the last answer.

They take effect in call order, up to and including the first handoff. What can start at once does; results that arrive
early wait for their turn. A handoff is a border: nothing behind it starts before it is decided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.conversation.context import Context, Handed, Pending, Progress, Returned, Seen
from agentgraph.conversation.frozen import EMPTY, FrozenDict, thaw
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.message import CallOutcome, Message, ToolCall
from agentgraph.conversation.text import as_json, as_text, longer_than
from agentgraph.definition.shape import Mismatch
from agentgraph.engine.acted import Acted
from agentgraph.engine.answer import may_not_end
from agentgraph.engine.effects import AskApproval, CallModel, Extract, Finish, HandleOutput, RunTool
from agentgraph.engine.inside import begun, changes, followed_by, gained, given_back, told_within
from agentgraph.engine.limits import no_handoff_left, no_tool_left
from agentgraph.engine.view import unused_id
from agentgraph.engine.watch import Breach, followed, must_wait, would_break
from agentgraph.engine.wording import OUTCOME_UNKNOWN, TOOL_GONE, behind_handoff, handed_off, used_up
from agentgraph.errors import IllegalEvent
from agentgraph.machine.fsm import missing

if TYPE_CHECKING:
    from agentgraph.conversation.frozen import Json
    from agentgraph.conversation.reply import Reply
    from agentgraph.conversation.usage import Usage
    from agentgraph.definition.tool import Tool
    from agentgraph.engine.events import Approved, AttemptFailed, AttemptLost, OutputHandled, ToolReturned
    from agentgraph.engine.turn import Step
    from agentgraph.graph.edge import Edge
    from agentgraph.machine.machine import Machine

    OfCall = ToolReturned | AttemptFailed | AttemptLost | OutputHandled | Approved


# -- the ways in -------------------------------------------------------------------------------------------------------


def taken_up(machine: Machine, context: Context, reply: Reply, usage: Usage, progress: Progress) -> Acted:
    """A reply with calls: it enters the history with ids and arguments that every provider accepts. `usage` and `progress` have counted it."""
    taken: set[str] = set()
    asked: list[ToolCall] = []
    pending: list[Pending] = []
    history = context.messages
    for position, call in enumerate(reply.tool_calls):
        call_id = unused_id(call.id, len(history) + position, lambda i: i in taken or history.has_call(i))
        taken.add(call_id)
        error = _unusable(call, progress.settings.arguments)
        clean = call if call_id == call.id and call.text is None else ToolCall(call_id, call.name, call.arguments)
        if error is None:
            pending.append(Pending(clean))
        else:
            clean = ToolCall(call_id, call.name, EMPTY)
            pending.append(Pending(clean, "returned", returned=Returned(error=error, outcome="refused")))
        asked.append(clean)
    said = Message("assistant", reply.text, agent=context.agent, tool_calls=tuple(asked))
    now = replace(context, messages=history.add(said), usage=usage, progress=progress)
    return _go_on(Acted(machine, now, pending, 0, progress.tool_calls))


def _unusable(call: ToolCall, most: int) -> str | None:
    """Why nothing can be done with the arguments of `call`, whatever it calls; they may have `most` characters."""
    wrong = call.malformed
    if len(call.text) > most if call.text is not None else longer_than(call.arguments, most):
        return f"the arguments of {call.name!r} have more than {most:,} characters"
    return f"the arguments are not a JSON object: {wrong}" if wrong else None


def returned(machine: Machine, context: Context, event: ToolReturned) -> Acted:
    """A tool came back, or its output was made of what an agent in it has answered."""
    acted, i = _found(machine, context, event, "started", "extracting")
    value, error, unset = event.value, event.error, event.unset
    if acted.calls[i].stage == "extracting":
        _answered_inside(acted, i, value, error)
        return _go_on(acted)
    if value is None or value is False:
        tool = acted.offer.tools.get(acted.calls[i].call.name)
        unset = unset or (tool is not None and bool(tool.sets))
    outcome: CallOutcome = "given" if error is None else "failed"
    back = Returned(value, error, outcome, event.updates, event.facts, event.usage, event.watched, unset and error is None)
    _came_back(acted, i, back)
    return _go_on(acted)


def attempt_failed(machine: Machine, context: Context, event: AttemptFailed) -> Acted:
    """One execution has failed: it is tried again as often as the tool allows, and nothing forbids it."""
    acted, i = _found(machine, context, event, "started")
    pending = acted.calls[i]
    tool = acted.offer.tools.get(pending.call.name)
    if tool is not None and len(pending.earlier) < tool.retries and not isinstance(_judged(acted, pending.call), str):
        _attempt(acted, i, replace(pending, earlier=(*pending.earlier, "failed")))
    else:
        _came_back(acted, i, Returned(error=event.error, outcome="failed"))
    return _go_on(acted)


def attempt_lost(machine: Machine, context: Context, event: AttemptLost) -> Acted:
    """Nobody knows what an execution did: it is begun again where that does no more than once, and nothing forbids it."""
    acted, i = _found(machine, context, event, "started")
    pending = acted.calls[i]
    tool = acted.offer.tools.get(pending.call.name)
    if pending.inside is not None:
        lost = acted.cut_off(i, TOOL_GONE)
        error = f"there is no tool {pending.call.name!r} any more"
        if lost:
            error = f"{error}, and what was begun in it was {OUTCOME_UNKNOWN}"
        _came_back(acted, i, Returned(error=error, outcome="unknown" if lost else "failed"))
        return _go_on(acted)
    if tool is not None and tool.idempotent:
        watched = acted.context.watched
        acted.doubt(pending)
        if not isinstance(_judged(acted, pending.call), str):
            _attempt(acted, i, replace(pending, earlier=(*pending.earlier, "unknown")))
            return _go_on(acted)
        acted.context = replace(acted.context, watched=watched)  # what is doubted is doubted once: when the answer is written
    gone = f"there is no tool {pending.call.name!r} any more, and it was {OUTCOME_UNKNOWN}"
    _came_back(acted, i, Returned(error=OUTCOME_UNKNOWN if tool is not None else gone, outcome="unknown"))
    return _go_on(acted)


def handled(machine: Machine, context: Context, event: OutputHandled) -> Acted:
    """The handlers have decided about an output."""
    acted, i = _found(machine, context, event, "handling")
    pending = acted.calls[i]
    back = pending.returned or Returned()
    if event.decision != "forward":
        back = replace(back, value=event.value, error=None)
    acted.calls[i] = replace(pending, stage="handled", returned=back)
    if event.decision == "final":
        acted.commit(ends=True)
        return acted.end(event.value)
    return _go_on(acted)


def approved(machine: Machine, context: Context, event: Approved) -> Acted:
    """A person has allowed a call, or not."""
    acted, i = _found(machine, context, event, "asked")
    pending = acted.calls[i]
    if event.approved:
        acted.calls[i] = replace(pending, stage="held", approved=True)
    else:
        because = f": {event.reason}" if event.reason else ""
        _came_back(acted, i, Returned(error=f"not approved{because}", outcome="refused"))
        name, agent = pending.call.name, acted.context.agent or ""
        acted.tell(Happening("denial", name, agent, call_id=pending.call.id, reason=event.reason))
    return _go_on(acted)


def abandoned(machine: Machine, context: Context, why: str) -> tuple[Context, tuple[Happening, ...]]:
    """`context` with every pending call answered, since the turn is over; `why` is told of those that never ran. And what happened."""
    progress = context.progress
    if progress is None:
        return context, ()
    acted = Acted(machine, context, list(progress.calls), progress.at, progress.tool_calls)
    acted.close(why, context.agent or "")
    return replace(acted.context, progress=None), tuple(acted.happened)


def stepped_inside(machine: Machine, context: Context, i: int, before: Context, after: Step) -> Acted:
    """The conversation inside call `i` has taken a step: `before` is what it was lent. The call came back, if it is over."""
    progress = context.progress
    assert progress is not None
    pending = progress.calls[i]
    assert pending.inside is not None
    around = followed_by(context, pending.inside, before, after.context, after.happened)
    assert around.progress is not None
    acted = Acted(machine, around, list(progress.calls), progress.at, around.progress.tool_calls)
    acted.calls[i] = replace(pending, inside=given_back(after.context, pending.inside))
    acted.heard(i, after.happened)
    finish = after.effects[-1] if after.effects and after.context.progress is None else None
    if not isinstance(finish, Finish):
        acted.effects.extend(replace(effect, within=(pending.call.id, *effect.within)) for effect in after.effects)  # type: ignore[union-attr]
        return acted.kept()
    tool = acted.offer.tools[pending.call.name]
    if finish.error is None and tool.output_extractor is not None:
        inside = acted.calls[i].inside
        assert inside is not None
        ended = Returned(as_json(finish.output))
        acted.calls[i] = replace(acted.calls[i], stage="extracting", returned=ended)
        acted.effects.append(Extract(acted.context.agent or "", pending.call, inside, ended))
    else:
        _answered_inside(acted, i, *answer_inside(tool.name, finish))
    return _go_on(acted)


def answer_inside(tool: str, finish: Finish) -> tuple[Json, str | None]:
    """What a call of an agent gives, whose conversation has ended so; or why it gives nothing."""
    return (None, f"{tool!r} gave no answer: {finish.error}") if finish.error is not None else (as_json(finish.output), None)


def _answered_inside(acted: Acted, i: int, value: Json, error: str | None) -> None:
    """What call `i` comes to, whose conversation inside is over: what that has changed is committed with it, also when it has failed."""
    pending = acted.calls[i]
    assert pending.inside is not None
    seen, outcome = seen_by(acted.context, pending.call), "given" if error is None else "failed"
    back = Returned(value, error, outcome, changes(seen, pending.inside), gained(seen, pending.inside))  # type: ignore[arg-type]
    acted.calls[i] = replace(pending, stage="returned", returned=back, inside=None)


def _found(machine: Machine, context: Context, event: OfCall, *stages: str) -> tuple[Acted, int]:
    progress = context.progress
    assert progress is not None
    for i, pending in enumerate(progress.calls):
        if pending.call.id == event.call_id and pending.stage in stages:
            return Acted(machine, context, list(progress.calls), progress.at, progress.tool_calls), i
    open_ids = [p.call.id for p in progress.calls if p.stage in stages]
    raise IllegalEvent(event, f"call ids {', '.join(map(repr, open_ids))}" if open_ids else "no such answer now")


def _came_back(acted: Acted, i: int, back: Returned) -> None:
    acted.calls[i] = replace(acted.calls[i], stage="returned", returned=back, inside=None)


# -- going on ----------------------------------------------------------------------------------------------------------


def _go_on(acted: Acted) -> Acted:
    """Commit what can be committed, in call order, and start what can be started."""
    while acted.at < len(acted.calls):
        pending = acted.calls[acted.at]
        match pending.stage:
            case "held":
                edge = acted.offer.handoffs.get(pending.call.name)
                if edge is not None:
                    if _handed_over(acted, edge, pending.call):
                        return acted
                    continue
                _start(acted, acted.at)
                if acted.calls[acted.at].stage != "returned":
                    break
            case "returned" if acted.has_handler(pending.call):
                acted.calls[acted.at] = replace(pending, stage="handling")
                acted.effects.append(HandleOutput(acted.context.agent or "", pending.call, pending.returned or Returned()))
                break
            case "returned" | "handled":
                if _ends(acted, pending):
                    return acted.end(pending.returned.value if pending.returned is not None else None)
            case _:
                break
    _start_others(acted)
    return acted.kept()


def _ends(acted: Acted, pending: Pending) -> bool:
    """Commit the call whose turn it is; whether the turn ends with it, since it is of a final tool that has succeeded."""
    tool, back = acted.offer.tools.get(pending.call.name), pending.returned
    if tool is None or not tool.final or back is None or back.error is not None or back.unset:
        acted.commit()
        return False
    if acted.machine.monitors and isinstance(breach := _end_after(acted, pending), Breach):
        acted.commit()
        acted.note(may_not_end(breach).note)
        return False
    acted.commit(ends=True)
    return True


def _end_after(acted: Acted, pending: Pending) -> FrozenDict | Breach | None:
    """What the turn's end with this call comes to for the monitors."""
    machine, back, agent = acted.machine, pending.returned or Returned(), acted.context.agent or ""
    if machine.is_inside:
        return None
    committed = Happening("success" if back.outcome == "given" else "failure", pending.call.name, agent)
    return followed(machine, FrozenDict(acted.context.watched | back.watched), committed, machine.ending(agent))


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
        if pending.stage == "held" and (tool is None or not (tool.requires or tool.final or must_wait(acted.machine, tool))):
            _start(acted, i)
            _note_early(acted, i)
        if tool is not None and tool.final:
            return


def _note_early(acted: Acted, i: int) -> None:
    """Keep what a call that starts before its turn sees, so that it sees the same when the run is resumed."""
    pending, progress, context = acted.calls[i], acted.context.progress, acted.context
    if i == acted.at or pending.stage != "started":
        return
    acted.calls[i] = replace(pending, early=True)
    assert progress is not None
    if not _has_early(acted, i):
        seen = Seen(context.data, context.facts, len(context.messages))
        acted.context = replace(context, progress=replace(progress, seen=seen))


def _has_early(acted: Acted, i: int) -> bool:
    """Whether another call than `i` that has started early is not answered yet: what those see is kept once."""
    return any(other.early and other.stage != "done" for j, other in enumerate(acted.calls) if j != i)


def seen_by(context: Context, call: ToolCall) -> Context:
    """The snapshot that a call sees: of the moment it was started."""
    progress = context.progress
    if progress is None or progress.seen is None:
        return context
    early = any(pending.early and pending.call.id == call.id for pending in progress.calls)
    seen = progress.seen
    return replace(context, data=seen.data, facts=seen.facts, messages=context.messages.first(seen.messages)) if early else context


def _start(acted: Acted, i: int) -> None:
    """Start call `i`, or find out why it cannot run."""
    pending = acted.calls[i]
    arguments = _judged(acted, pending.call)
    if isinstance(arguments, str):
        _came_back(acted, i, Returned(error=arguments, outcome="refused"))
    elif acted.offer.tools[pending.call.name].needs_approval and not pending.approved:
        acted.calls[i] = replace(pending, stage="asked")
        acted.effects.append(AskApproval(acted.context.agent or "", pending.call))
    else:
        _attempt(acted, i, pending if arguments is pending.call.arguments else replace(pending, arguments=arguments))


def _attempt(acted: Acted, i: int, pending: Pending) -> None:
    """Begin an execution of call `i`: nothing forbids it."""
    agent, call, attempt, before = acted.context.agent or "", pending.call, pending.attempt + 1, acted.context.watched
    acted.started += 1
    if pending.approved and attempt == 1:
        acted.tell(Happening("approval", call.name, agent, call_id=call.id))
    acted.tell(Happening("call", call.name, agent, (), (), call.id, attempt))
    tool = acted.offer.tools[call.name]
    if tool.agent is not None:
        _begin_inside(acted, i, replace(pending, stage="started", attempt=attempt), tool)
        return
    after = acted.context.watched
    moved = EMPTY if after is before else FrozenDict({demand: state for demand, state in before.items() if after[demand] != state})
    acted.calls[i] = replace(pending, stage="started", attempt=attempt, watched=moved)
    acted.effects.append(RunTool(agent, call, attempt))


def _begin_inside(acted: Acted, i: int, pending: Pending, tool: Tool) -> None:
    """Begin the conversation inside call `i`, of an agent that is used as a tool."""
    progress, seen, call_id = acted.context.progress, acted.context, pending.call.id
    assert progress is not None
    if i != acted.at and progress.seen is not None and _has_early(acted, i):
        seen = replace(seen, data=progress.seen.data, facts=progress.seen.facts)
    machine, arguments = acted.machine.nested(tool), pending.call.arguments if pending.arguments is None else pending.arguments
    entering = told_within(call_id, (machine.entering(machine.entry),))
    acted.tell(entering[0])
    acted.calls[i] = replace(pending, inside=begun(machine, seen, tool, arguments["input"], progress.settings), told=entering)
    acted.effects.append(CallModel(machine.entry, (call_id,)))


def _judged(acted: Acted, call: ToolCall) -> FrozenDict | str:
    """The arguments that `call` runs with, as JSON; or why it cannot run."""
    tool = acted.offer.tools.get(call.name)
    if tool is None:
        names = acted.offer.names
        return f"there is no tool {call.name!r}; available: {', '.join(names) or 'none'}"
    if not tool.requires <= acted.context.facts:
        return f"{call.name!r} was not run: {missing(tool.requires, acted.context.facts)}"
    try:
        arguments = tool.arguments.record(tool.arguments.check(thaw(call.arguments)), call.arguments)
    except Mismatch as wrong:
        return f"the arguments of {call.name!r} do not fit: {wrong}"
    if acted.machine.monitors and (breach := would_break(acted.machine, acted.context, tool)) is not None:
        return f"{call.name!r} was not run: {breach}"
    progress = acted.context.progress
    if progress is not None and no_tool_left(progress, acted.started):
        acted.exceed("tool_calls")
        return f"{call.name!r} was not executed: {used_up('tool calls')}"
    return arguments


def _handed_over(acted: Acted, edge: Edge, call: ToolCall) -> bool:
    """Carry out the handoff if its payload and its guard allow; else answer why not, and the agent keeps the conversation."""
    shape, payload = edge.handoff.payload_shape, None
    if shape is not None:
        try:
            payload = FrozenDict(as_json(shape.check(thaw(call.arguments))))
        except Mismatch as wrong:
            acted.refuse(f"the payload of {call.name!r} does not fit: {wrong}")
            return False
    verdict = acted.machine.verdict(edge.source, call.name, acted.context)
    if not verdict.permitted:
        acted.refuse(f"{call.name!r} was refused: {verdict.reason}")
        return False
    reason = call.arguments.get("reason")
    reason = reason if isinstance(reason, str) else None
    handoff = Happening("handoff", call.name, edge.source, call_id=call.id, reason=reason or "")
    entering = acted.machine.entering(verdict.target)
    if acted.machine.monitors and isinstance(breach := followed(acted.machine, acted.context.watched, handoff, entering), Breach):
        acted.refuse(f"{call.name!r} was refused: {breach}")
        return False
    progress = acted.context.progress
    assert progress is not None
    limit = no_handoff_left(progress, verdict.target)
    if limit is not None:
        acted.exceed(limit)
        acted.refuse(used_up(limit))
        return False
    acted.answer(handed_off(edge.handoff.target_name, as_text(payload, 100_000) if payload else ""), "handed_off", verdict.target)
    acted.tell(handoff)
    acted.tell(entering)
    acted.close(behind_handoff(edge.handoff.target_name), edge.source)
    handed = Handed(edge.source, verdict.target, call.name, len(acted.context.messages), reason, payload)
    visits = (
        FrozenDict({**progress.visits, verdict.target: progress.visits.get(verdict.target, 0) + 1})
        if progress.settings.budget is not None and progress.settings.budget.visits is not None
        else progress.visits
    )
    onward = replace(progress, calls=(), at=0, seen=None, handoffs=progress.handoffs + 1, tool_calls=acted.started, visits=visits)
    acted.context = replace(acted.context, agent=verdict.target, handed=handed, progress=onward)
    return True
