"""Acted: how far the calls of one reply have come within one step, and writing down what they came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agentgraph.conversation.context import Context, Pending, Returned
from agentgraph.conversation.frozen import FrozenDict
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.message import CallOutcome, Message
from agentgraph.conversation.text import as_text
from agentgraph.engine.effects import Effect
from agentgraph.engine.inside import followed_by, lent, told_within
from agentgraph.engine.watch import Breach, followed, may_have_run, moved
from agentgraph.engine.wording import ENDED, ENDED_LATE, INTERRUPTED, error as as_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.conversation.message import ToolCall
    from agentgraph.conversation.usage import Usage
    from agentgraph.machine.machine import Machine, Offer


class Output:
    """A value that ends the run."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(slots=True)
class Acted:
    """How far the calls have come within one step: the context so far, what is newly asked of the outside, and what happened."""

    machine: Machine
    context: Context
    calls: list[Pending]
    at: int
    started: int
    """Executions of tools started in this run so far."""
    effects: list[Effect] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    final: Output | None = None
    offer: Offer = field(init=False)
    """What the agent that asked for these calls offers."""

    def __post_init__(self) -> None:
        self.offer = self.machine.offer(self.context.agent or "")

    def tell(self, happening: Happening) -> None:
        """Say that this happened. Monitors follow, whatever it breaks: what can be refused was asked before."""
        self.happened.append(happening)
        if self.machine.monitors:
            self.context = replace(self.context, watched=moved(self.machine, self.context.watched, (happening,)))

    def has_handler(self, call: ToolCall) -> bool:
        """Whether a handler is to see the output of `call` before the model does."""
        if call.name in self.offer.handoffs:
            return False
        progress = self.context.progress
        return self.offer.agent.on_tool_output is not None or (progress is not None and progress.settings.handled)

    def commit(self, *, ends: bool = False, instead: str | None = None) -> None:
        """Write the result of the call whose turn it is into the history, with what it changed.

        `ends`: the turn ends with it. `instead`: what the model is shown, where no handler has seen the output.
        """
        pending, progress = self.calls[self.at], self.context.progress
        assert progress is not None
        back, name, agent = pending.returned or Returned(), pending.call.name, self.context.agent or ""
        tool = self.offer.tools.get(name)
        if tool is not None and tool.agent is not None and back.outcome == "given":
            back = self._held_back(back, name, agent)
        facts = back.facts if tool is None or back.outcome != "given" or back.unset else back.facts | tool.sets
        if back.updates or facts:
            context = self.context
            data = FrozenDict({**context.data, **back.updates}) if back.updates else context.data
            self.context = replace(context, data=data, facts=context.facts | facts)
        if back.usage.requests:
            self.use(back.usage)
        if back.watched and self.machine.monitors:
            self.context = replace(self.context, watched=FrozenDict(self.context.watched | back.watched))
        limit = progress.settings.tool_output
        text = instead or (as_text(back.value, limit) if back.error is None else as_error(as_text(back.error, limit)))
        stays = tool is not None and tool.final and back.outcome == "given"
        self.answer(text, back.outcome, unset=back.unset, ends=True if ends else False if stays else None)
        if back.outcome == "given" and not back.unset:
            self.tell(Happening("success", name, agent, (), (), pending.call.id))
        elif back.outcome in ("given", "failed"):
            self.tell(Happening("failure", name, agent, (), (), pending.call.id))
        elif back.outcome == "refused":
            self.tell(Happening("refusal", name, agent, call_id=pending.call.id, reason=back.error or text))
        else:
            self.doubt(pending)

    def _held_back(self, back: Returned, name: str, agent: str) -> Returned:
        """What came back from an agent that is used as a tool. It has failed where a monitor forbids that it succeeds."""
        if not self.machine.monitors:
            return back
        breach = followed(self.machine, FrozenDict(self.context.watched | back.watched), Happening("success", name, agent))
        if not isinstance(breach, Breach):
            return back
        return replace(back, value=None, error=f"{name!r} gave no answer: {breach}", outcome="failed")

    def doubt(self, pending: Pending) -> None:
        """Nobody will hear of the last attempt of `pending`: monitors may be where they were before it, or where it has led."""
        self.happened.append(Happening("failure", pending.call.name, self.context.agent or "", call_id=pending.call.id, sure=False))
        if self.machine.monitors:
            watched = may_have_run(self.machine, self.context, pending)
            self.context = replace(self.context, watched=watched)

    def answer(self, text: str, outcome: CallOutcome, agent: str | None = None, *, unset: bool = False, ends: bool | None = None) -> None:
        """Write the answer to the call whose turn it is; `agent` is who holds the conversation from here on, if that changes."""
        pending, context = self.calls[self.at], self.context
        answer = Message("tool", text, agent, (), pending.call.id, None, outcome)
        if unset or ends is not None or pending.arguments is not None or pending.earlier or pending.told:
            answer = replace(answer, unset=unset, arguments=pending.arguments, earlier=pending.earlier, ends=ends, inside=pending.told)
        self.context = replace(context, messages=context.messages.add(answer))
        self.calls[self.at] = Pending(pending.call, "done")
        self.at += 1

    def refuse(self, why: str) -> None:
        """Answer the handoff whose turn it is: it is not carried out."""
        call, agent = self.calls[self.at].call, self.context.agent or ""
        self.answer(as_error(why), "refused")
        self.tell(Happening("refusal", call.name, agent, call_id=call.id, reason=why))

    def use(self, usage: Usage) -> None:
        """Count what an agent that was used as a tool has used."""
        context, progress = self.context, self.context.progress
        assert progress is not None
        self.context = replace(context, usage=context.usage + usage, progress=replace(progress, usage=progress.usage + usage))

    def close(self, why: str, agent: str, ran: str = INTERRUPTED) -> None:
        """Answer every call of `agent`'s that is left, since nothing more is done for any of them: `why` is told of those that never ran.

        What has come back is committed. But no handler is bypassed: an output that one has to see first is withheld, and `ran` is told
        of it, as of a call that was started and has not come back.
        """
        while self.at < len(self.calls):
            pending = self.calls[self.at]
            if pending.inside is not None:
                outcome: CallOutcome = "unknown" if self.cut_off(self.at, why, ran) else "failed"
                self.answer(ran, outcome)
                self.tell(Happening("failure", pending.call.name, agent, call_id=pending.call.id))
            elif pending.stage == "started":
                self.answer(ran, "unknown")
                self.doubt(pending)
            elif pending.attempt and pending.returned is not None:
                is_seen = pending.stage == "handled" or not self.has_handler(pending.call)
                self.commit(instead=None if is_seen else ran)
            else:
                self.answer(why, "skipped")
                self.tell(Happening("skip", pending.call.name, agent, call_id=pending.call.id, reason=why))

    def cut_off(self, i: int, why: str, ran: str = INTERRUPTED) -> bool:
        """Answer every call inside call `i`, which nothing more is done for. Returns whether nobody will hear of one of them."""
        pending = self.calls[i]
        assert pending.inside is not None
        tool = self.offer.tools.get(pending.call.name)
        if tool is None or tool.agent is None:
            self.calls[i] = replace(pending, stage="started", inside=None)
            return _is_at_work(pending.inside)
        before = lent(self.context, pending.inside)
        progress = before.progress
        if progress is None:
            return False
        inner = Acted(self.machine.nested(tool), before, list(progress.calls), progress.at, progress.tool_calls)
        inner.close(why, before.agent or "", ran)
        self.heard(i, inner.happened)
        self.context = followed_by(self.context, pending.inside, before, inner.context, ())
        self.calls[i] = replace(self.calls[i], inside=None)
        return any(happening.kind == "failure" and not happening.sure for happening in inner.happened)

    def heard(self, i: int, happened: Iterable[Happening]) -> None:
        """Note what has happened inside call `i`. Monitors have followed it."""
        if told := told_within(self.calls[i].call.id, happened):
            self.calls[i] = replace(self.calls[i], told=(*self.calls[i].told, *told))
            self.happened.extend(told)

    def end(self, value: Any) -> Acted:
        """The run ends with `value`; the calls behind are closed."""
        agent = self.context.agent or ""
        self.close(ENDED, agent, ENDED_LATE)
        self.final = Output(value)
        if not self.machine.is_inside:
            self.tell(self.machine.ending(agent))
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


def _is_at_work(context: Context) -> bool:
    """Whether a tool is being executed in it, or inside it."""
    calls = context.progress.calls if context.progress is not None else ()
    return any(pending.stage == "started" if pending.inside is None else _is_at_work(pending.inside) for pending in calls)
