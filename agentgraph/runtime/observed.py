"""What a step looks like from outside, read off its two snapshots: so every way of running is seen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.engine.effects import CallModel, Finish
from agentgraph.engine.events import ModelReplied, ToolReturned
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
    elif isinstance(event, ToolReturned):
        call = next(p.call for p in (before.progress.calls if before.progress else ()) if p.call.id == event.call_id)
        yield ToolCompleted(agent=agent, call=call, value=event.value, error=event.error, seconds=seconds, within=within)
    for call, reason in _refused(before, after):
        yield ToolRefused(agent=agent, call=call, reason=reason, within=within)
    if after.handed is not before.handed and after.handed is not None:
        handed = after.handed
        yield AgentCompleted(agent=handed.source, context=after, within=within)
        yield AgentHandoff(source=handed.source, target=handed.target, reason=handed.reason or "", context=after, within=within)
    for effect in step.effects:
        if isinstance(effect, CallModel):
            yield AgentThinking(agent=effect.agent, context=after, within=within)
        elif isinstance(effect, Finish):
            yield AgentCompleted(agent=after.agent or "", output=effect.output, error=effect.error, context=after, within=within)


def _refused(before: Context, after: Context) -> Iterator[tuple[ToolCall, str]]:
    """The calls that this step answered without their having run, and with what."""
    new = after.messages[len(before.messages) :]
    asked = {call.id: call for message in new for call in message.tool_calls}
    asked |= {p.call.id: p.call for p in (before.progress.calls if before.progress else ()) if not p.ran}
    for message in new:
        if message.role == "tool" and message.agent is None and message.tool_call_id in asked:
            yield asked[message.tool_call_id], message.text
