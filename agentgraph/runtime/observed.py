"""What a step looks like from outside: a projection of what happened in it, so every way of running is seen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.engine.effects import CallModel, Finish, RunTool
from agentgraph.engine.events import AttemptFailed, AttemptLost, ModelReplied, ToolReturned
from agentgraph.engine.wording import OUTCOME_UNKNOWN
from agentgraph.runtime.observations import (
    AgentCompleted,
    AgentHandoff,
    AgentThinking,
    LLMCallComplete,
    Observation,
    ToolCompleted,
    ToolRefused,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.engine.events import Event
    from agentgraph.engine.turn import Step


def observed(before: Context, event: Event, step: Step, seconds: float, within: tuple[str, ...]) -> Iterator[Observation]:
    """What is to be told of the step from `before` by `event`, in order. `seconds` is what a tool that came back has taken."""
    after, agent = step.context, before.agent or ""
    if isinstance(event, ModelReplied):
        yield LLMCallComplete(agent=agent, reply=event.reply, context=after, within=within)
    elif isinstance(event, ToolReturned | AttemptFailed | AttemptLost) and not goes_on(event.call_id, step):
        value = event.value if isinstance(event, ToolReturned) else None
        error = OUTCOME_UNKNOWN if isinstance(event, AttemptLost) else event.error
        call = _called(before, event.call_id)
        yield ToolCompleted(agent=agent, call=call, value=value, error=error, seconds=seconds, within=within)
    for happening in step.happened:
        if happening.kind in ("refusal", "skip"):
            call = _called(before if before.progress is not None and before.progress.calls else after, happening.call_id)
            yield ToolRefused(agent=agent, call=call, reason=happening.reason, within=within)
    for happening in step.happened:
        if happening.kind == "handoff" and after.handed is not None:
            yield AgentCompleted(agent=happening.agent, context=after, within=within)
            yield AgentHandoff(source=happening.agent, target=after.handed.target, reason=happening.reason, context=after, within=within)
    for effect in step.effects:
        if isinstance(effect, CallModel):
            yield AgentThinking(agent=effect.agent, context=after, within=within)
        elif isinstance(effect, Finish):
            yield AgentCompleted(agent=after.agent or "", output=effect.output, error=effect.error, context=after, within=within)


def goes_on(call_id: str, step: Step) -> bool:
    """Whether the call is executed once more after one that failed, or of which nothing is known."""
    return any(type(effect) is RunTool and effect.call.id == call_id for effect in step.effects)


def _called(context: Context, call_id: str) -> ToolCall:
    """The call with this id, of those that `context` has in hand or were asked for last."""
    for pending in context.progress.calls if context.progress is not None else ():
        if pending.call.id == call_id:
            return pending.call
    asked = next(message for message in reversed(context.messages) if message.tool_calls)
    return next(call for call in asked.tool_calls if call.id == call_id)
