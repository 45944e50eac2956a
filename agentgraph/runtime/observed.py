"""What a step looks like from outside: a projection of what happened in it, so every way of running is seen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from agentgraph.engine.calls import answer_inside
from agentgraph.engine.effects import CallModel, Extract, Finish, RunTool
from agentgraph.engine.events import AttemptFailed, AttemptLost, ModelReplied, ToolReturned
from agentgraph.engine.inside import conversation_at
from agentgraph.engine.wording import OUTCOME_UNKNOWN
from agentgraph.runtime.observations import (
    AgentCompleted,
    AgentHandoff,
    AgentThinking,
    LLMCallComplete,
    Observation,
    ToolCompleted,
    ToolRefused,
    ToolStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.engine.events import Event
    from agentgraph.engine.inside import Address
    from agentgraph.engine.turn import Inside, Step


class Clock(Protocol):
    """How long calls take, in seconds."""

    def __call__(self, call_id: str, *, begins: bool = False) -> float:
        """How long a call has taken that came back; or, 0.0, that it `begins`."""
        ...


def observed(before: Context, event: Event, step: Step, seconds: Clock) -> Iterator[Observation]:
    """What is to be told of the step from `before` by `event`, in order: what is furthest inside comes first."""
    yield from _passed(before, event, step, seconds, ())
    for effect in step.effects:
        if isinstance(effect, CallModel):
            context = conversation_at(step.context, effect.within) if effect.within else step.context
            assert context is not None
            yield AgentThinking(agent=effect.agent, context=context, within=effect.within)


def _passed(before: Context, event: Event | None, step: Step, seconds: Clock, within: Address) -> Iterator[Observation]:
    """What has passed in a conversation, after what has passed inside it. `event` is None where it follows from one elsewhere in the run."""
    after, agent, own = step.context, before.agent or "", [happening for happening in step.happened if not happening.within]
    begun = _begun(step)
    for inside in step.inside:
        if inside.call_id not in begun:
            yield from _passed_inside(before, event, step, inside, seconds, within)
    if event is not None and event.within == within:
        yield from _came(before, event, step, seconds, within)
    for happening in own:
        if happening.kind in ("refusal", "skip"):
            call = _called(_with_calls(before, after), happening.call_id)
            yield ToolRefused(agent=agent, call=call, reason=happening.reason, within=within)
    for happening in own:
        if happening.kind == "handoff" and after.handed is not None:
            yield AgentCompleted(agent=happening.agent, context=after, within=within)
            yield AgentHandoff(source=happening.agent, target=after.handed.target, reason=happening.reason, context=after, within=within)
    for call_id in begun:
        seconds(call_id, begins=True)
        yield ToolStarted(agent=agent, call=_called(_with_calls(before, after), call_id), within=within)
    for inside in step.inside:
        if inside.call_id in begun:
            yield from _passed_inside(before, event, step, inside, seconds, within)
    for effect in step.effects:
        if isinstance(effect, Finish):
            yield AgentCompleted(agent=after.agent or "", output=effect.output, error=effect.error, context=after, within=within)


def _begun(step: Step) -> tuple[str, ...]:
    """The calls of agents used as tools that were started in it."""
    if not any(happening.within for happening in step.happened):
        return ()
    entered = {happening.within for happening in step.happened if happening.kind == "enter"}
    return tuple(one.call_id for one in step.happened if one.kind == "call" and not one.within and (one.call_id,) in entered)


def _came(before: Context, event: Event, step: Step, seconds: Clock, within: Address) -> Iterator[Observation]:
    """What the event itself says."""
    agent = before.agent or ""
    if isinstance(event, ModelReplied):
        yield LLMCallComplete(agent=agent, reply=event.reply, context=step.context, within=within)
    elif isinstance(event, ToolReturned | AttemptFailed | AttemptLost) and not _goes_on(event.call_id, step):
        value = event.value if isinstance(event, ToolReturned) else None
        error = OUTCOME_UNKNOWN if isinstance(event, AttemptLost) else event.error
        call = _called(before, event.call_id)
        yield ToolCompleted(agent=agent, call=call, value=value, error=error, seconds=seconds(call.id), within=within)


def _passed_inside(
    before: Context, event: Event | None, step: Step, inside: Inside, seconds: Clock, within: Address
) -> Iterator[Observation]:
    """What has passed inside a call, and that it came back, if it did."""
    there = (*within, inside.call_id)
    yield from _passed(
        inside.before, event if event is not None and event.within[: len(there)] == there else None, inside.step, seconds, there
    )
    yield from _came_back(before, step, inside, seconds, within)


def _came_back(before: Context, step: Step, inside: Inside, seconds: Clock, within: Address) -> Iterator[Observation]:
    """That the call around a conversation came back, if that is over and nothing is to be made of its answer."""
    finish = inside.step.effects[-1] if inside.step.effects else None
    if not isinstance(finish, Finish):
        return
    if any(isinstance(effect, Extract) and effect.call.id == inside.call_id for effect in step.effects):
        return
    call = _called(_with_calls(before, step.context), inside.call_id)
    value, error = answer_inside(call.name, finish)
    yield ToolCompleted(agent=before.agent or "", call=call, value=value, error=error, seconds=seconds(call.id), within=within)


def _goes_on(call_id: str, step: Step) -> bool:
    """Whether the call is executed once more after one that failed, or of which nothing is known."""
    return any(type(effect) is RunTool and effect.call.id == call_id for effect in step.effects)


def _with_calls(before: Context, after: Context) -> Context:
    """Where the calls of a step are to be found: it may have brought them, or answered them."""
    return before if before.progress is not None and before.progress.calls else after


def _called(context: Context, call_id: str) -> ToolCall:
    """The call with this id, of those that `context` has in hand or were asked for last."""
    for pending in context.progress.calls if context.progress is not None else ():
        if pending.call.id == call_id:
            return pending.call
    asked = next(message for message in reversed(context.messages) if message.tool_calls)
    return next(call for call in asked.tool_calls if call.id == call_id)
