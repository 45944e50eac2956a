"""Acted: how far the calls of one reply have come within one step, and writing down what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agentgraph.conversation.context import Context, Pending, Returned
from agentgraph.conversation.frozen import FrozenDict
from agentgraph.conversation.message import Message
from agentgraph.conversation.text import as_text
from agentgraph.engine.effects import Effect
from agentgraph.engine.watch import ended_regardless

if TYPE_CHECKING:
    from agentgraph.conversation.usage import Usage
    from agentgraph.machine.machine import Machine, Offer

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

    def commit(self) -> None:
        """Write the result of the call whose turn it is into the history, with what it changed."""
        pending, context = self.calls[self.at], self.context
        back, progress = pending.returned or Returned(), context.progress
        assert progress is not None
        tool = self.offer.tools.get(pending.call.name)
        facts = back.facts if tool is None or back.failed else back.facts | tool.sets
        if back.updates or not facts <= context.facts:
            data = FrozenDict({**context.data, **back.updates}) if back.updates else context.data
            self.context = replace(context, data=data, facts=context.facts | facts)
        if back.usage.requests:
            self.use(back.usage)
        if back.watched:
            watched = context.watched | {demand: state for demand, state in back.watched.items() if demand in context.watched}
            self.context = replace(self.context, watched=FrozenDict(watched))
        limit = progress.settings.tool_output
        self.answer(f"error: {as_text(back.error, limit)}" if back.error is not None else as_text(back.value, limit))

    def answer(self, text: str, agent: str | None = None) -> None:
        """Write the answer to the call whose turn it is; `agent` is who holds the conversation from here on, if that changes."""
        pending, context = self.calls[self.at], self.context
        skipped = not pending.ran and agent is None
        answer = Message("tool", text, agent=agent, tool_call_id=pending.call.id, skipped=skipped)
        self.context = replace(context, messages=context.messages.add(answer))
        self.calls[self.at] = Pending(pending.call, "done")
        self.at += 1

    def use(self, usage: Usage) -> None:
        """Count what an agent that was used as a tool has used."""
        context, progress = self.context, self.context.progress
        assert progress is not None
        self.context = replace(context, usage=context.usage + usage, progress=replace(progress, usage=progress.usage + usage))

    def close(self, unstarted: str, started: str) -> None:
        """Answer every call that is left: one text for those that never ran, one for those that did or do."""
        while self.at < len(self.calls):
            pending = self.calls[self.at]
            if pending.returned is not None and pending.returned.usage.requests:
                self.use(pending.returned.usage)
            self.answer(started if pending.ran else unstarted)

    def end(self, value: Any) -> Acted:
        """The run ends with `value`; the calls behind are answered as not executed."""
        self.close(_ENDED, _ENDED_LATE)
        self.final = Output(value)
        if self.machine.monitors:
            self.context = replace(self.context, watched=ended_regardless(self.machine, self.context))
        return self

    def exceed(self, budget: str) -> None:
        """Note the budget that something was refused for; the run ends when these calls are answered."""
        progress = self.context.progress
        assert progress is not None
        self.context = replace(self.context, progress=replace(progress, exceeded=budget))

    def note(self, text: str) -> None:
        """Have the model told `text`, once, when it is asked again."""
        progress = self.context.progress
        assert progress is not None
        self.context = replace(self.context, progress=replace(progress, note=text))

    def kept(self) -> Acted:
        """Put the calls back into the context: all of them while one is open, none when all are answered."""
        progress = self.context.progress
        assert progress is not None
        calls, at = (tuple(self.calls), self.at) if self.at < len(self.calls) else ((), 0)
        seen = progress.seen if calls else None
        self.context = replace(self.context, progress=replace(progress, calls=calls, at=at, seen=seen, tool_calls=self.started))
        return self
