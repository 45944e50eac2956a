"""The conversation inside a pending call: an agent, or a group, that is used as a tool.

It is given `input` alone and no history, but the shared data and facts as its call sees them. It is stepped as any other is. What is the
whole run's, where monitors stand and what of the budget is used, lies in the outermost context and is lent to it for the step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.context import NO_FACTS, Context, Progress, Settings
from agentgraph.conversation.frozen import EMPTY, FrozenDict
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.text import as_json
from agentgraph.engine.events import ModelReplied
from agentgraph.engine.limits import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agentgraph.conversation.context import Pending
    from agentgraph.conversation.happening import Happening
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.tool import Tool
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Machine

Address = tuple[str, ...]
"""The ids of the calls around a conversation, outermost first."""
_LONGEST_ID = 64


def begun(machine: Machine, seen: Context, tool: Tool, said: str, settings: Settings) -> Context:
    """The conversation inside a call of `tool`, before its first model call. `seen` is what the call sees, `settings` are those around it."""
    own = replace(settings, max_turns=tool.max_turns, handled=False, budget=None if tool.timeout is None else Budget(seconds=tool.timeout))
    return Context(
        machine.entry, History((Message("user", said),)), seen.data, seen.facts, 1, fingerprint=machine.fingerprint, progress=Progress(own)
    )


# -- what is the run's -------------------------------------------------------------------------------------------------------


def lent(around: Context, inside: Context) -> Context:
    """`inside`, with what is the run's, as it is in the conversation `around` it."""
    run, own = around.progress, inside.progress
    if around.watched is not inside.watched:
        inside = replace(inside, watched=around.watched)
    if run is None or own is None or run.settings.budget is None:
        return inside
    limits, seconds = run.settings.budget, own.settings.budget.seconds if own.settings.budget is not None else None
    if limits.tokens is None and limits.cost is None and limits.tool_calls is None:
        return inside
    budget = Budget(tokens=limits.tokens, cost=limits.cost, tool_calls=limits.tool_calls, seconds=seconds)
    return replace(
        inside,
        progress=replace(own, settings=replace(own.settings, budget=budget), usage=run.usage, tool_calls=run.tool_calls),
    )


def given_back(inside: Context, before: Context) -> Context:
    """`inside` after a step, without what it was lent; `before` is what it was before."""
    if inside.watched is not EMPTY:
        inside = replace(inside, watched=EMPTY)
    now, own = inside.progress, before.progress
    if now is None or own is None or now.settings is own.settings:
        return inside
    kept = replace(now, settings=own.settings, usage=own.usage, tool_calls=own.tool_calls, largest_tokens=0, largest_cost=0.0)
    return replace(inside, progress=kept)


def followed_by(around: Context, before: Context, lent_before: Context, after: Context, happened: Iterable[Happening]) -> Context:
    """The conversation `around`, once the one inside has gone from `before` to `after`: with what the run has used, and where monitors stand."""
    if after.watched is not lent_before.watched:
        around = replace(around, watched=after.watched)
    run = around.progress
    assert run is not None
    started = sum(happening.kind == "call" for happening in happened)
    if after.usage is not before.usage:
        used = after.usage - before.usage
        around = replace(around, usage=around.usage + used, progress=counted(run, used))
    if started:
        assert around.progress is not None
        around = replace(around, progress=replace(around.progress, tool_calls=around.progress.tool_calls + started))
    return around


def changes(seen: Context, inside: Context) -> FrozenDict:
    """The shared data that the conversation inside has changed, of what its call has `seen`."""
    if inside.data is seen.data:
        return EMPTY
    return FrozenDict(as_json({key: value for key, value in inside.data.items() if key not in seen.data or seen.data[key] is not value}))


def gained(seen: Context, inside: Context) -> frozenset[str]:
    """The facts that were set inside."""
    return inside.facts - seen.facts if inside.facts is not seen.facts else NO_FACTS


def told_within(call_id: str, happened: Iterable[Happening]) -> tuple[Happening, ...]:
    """What happened inside a call, as the conversation around it says it."""
    return tuple(replace(happening, within=(call_id, *happening.within)) for happening in happened)


# -- addresses ---------------------------------------------------------------------------------------------------------------


def call_of(context: Context, call_id: str) -> tuple[int, Pending] | None:
    """The pending call with this id that has a conversation inside, and which it is."""
    if context.progress is not None:
        for i, pending in enumerate(context.progress.calls):
            if pending.call.id == call_id and pending.inside is not None:
                return i, pending
    return None


def conversation_at(context: Context, within: Address) -> Context | None:
    """The conversation inside these calls; None where there is none any more. O(calls in hand around it)."""
    for call_id in within:
        found = call_of(context, call_id)
        if found is None or found[1].inside is None:
            return None
        context = found[1].inside
    return context


def machine_at(machine: Machine, context: Context, within: Address) -> tuple[Machine | None, Address]:
    """The machine of the conversation inside these calls; where one of the tools is no agent any more, None and how far that is."""
    for depth, call_id in enumerate(within, 1):
        found = call_of(context, call_id)
        assert found is not None
        pending = found[1]
        tool = machine.offer(context.agent or "").tools.get(pending.call.name)
        if tool is None or tool.agent is None:
            return None, within[:depth]
        assert pending.inside is not None
        machine, context = machine.nested(tool), pending.inside
    return machine, within


class Open(NamedTuple):
    """A conversation that is under way."""

    within: Address
    context: Context


def conversations(context: Context, within: Address = ()) -> Iterator[Open]:
    """Those under way in `context`: itself, and those inside its calls, each before those inside it, in call order."""
    if context.progress is None:
        return
    yield Open(within, context)
    for pending in context.progress.calls:
        if pending.inside is not None:
            yield from conversations(pending.inside, (*within, pending.call.id))


# -- ids ---------------------------------------------------------------------------------------------------------------------


def with_ids(context: Context, event: Event) -> Event:
    """A reply inside, with calls whose ids no other call in hand anywhere in the run has, nor any in its own conversation."""
    if not isinstance(event, ModelReplied) or not event.reply.tool_calls:
        return event
    inside = conversation_at(context, event.within)
    if inside is None:
        return event
    taken: set[str] = {call.id for call in context.pending}
    calls: list[ToolCall] = []
    for position, call in enumerate(event.reply.tool_calls, len(inside.messages)):
        given = call.id
        if not given or len(given) > _LONGEST_ID or given in taken or inside.messages.has_call(given):
            stem, number = event.within[-1][: _LONGEST_ID - 12], position
            while (given := f"{stem}-{number}") in taken or inside.messages.has_call(given):
                number += 1
        taken.add(given)
        calls.append(call if given == call.id else replace(call, id=given))
    return replace(event, reply=replace(event.reply, tool_calls=tuple(calls)))
