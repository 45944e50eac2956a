"""The calls of one reply as moments: which ran, beside which others, what they gave, and which were answered without being run.

They are told in the order in which they were called; those that were started before any of them came back stand side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentgraph.conversation.text import NO_OUTPUT
from agentgraph.engine.events import Approved, AttemptFailed, AttemptLost, OutputHandled, ToolReturned
from agentgraph.engine.wording import OUTCOME_UNKNOWN
from agentgraph.views.moments import ApprovalAsked, Called, Decided, Refused, Requested, SideBySide, Words

if TYPE_CHECKING:
    from agentgraph.conversation.context import Pending, Progress
    from agentgraph.conversation.frozen import Json
    from agentgraph.conversation.happening import Happening
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.definition.tool import Tool
    from agentgraph.engine.events import Event
    from agentgraph.machine.machine import Offer
    from agentgraph.views.moments import Moment


@dataclass(slots=True)
class _Fate:
    """What became of one call so far. `batch` counts the returns before it was started, or answered without that."""

    call: ToolCall
    batch: int = 0
    asked: bool = False
    started: bool = False
    decided: Approved | None = None
    returned: ToolReturned | None = None
    handled: OutputHandled | None = None
    answer: Message | None = None
    obstacle: str | None = None
    """Why it was not run, where that was known before it was answered."""
    earlier: list[str] = field(default_factory=list)
    why: str | None = None
    """Why it was not run, once it was answered."""


@dataclass(slots=True)
class Round:
    """The calls of one reply, while they are under way."""

    agent: str
    offer: Offer | None
    inside: Callable[[ToolCall, Tool | None], tuple[Moment, ...]]
    """What happened inside of a call of an agent that is a tool."""
    _fates: dict[str, _Fate] = field(default_factory=dict)
    _batch: int = 0

    def take(self, calls: Iterable[ToolCall]) -> None:
        """These are its calls."""
        self._fates.update({call.id: _Fate(call) for call in calls})

    def take_up(self, pending: Iterable[Pending]) -> None:
        """These are what is left of its calls, in a run that is taken up."""
        for one in pending:
            if one.stage == "done":
                continue
            fate = self._fates[one.call.id] = _Fate(one.call)
            back = one.returned
            if back is not None and one.attempt:
                fate.returned = ToolReturned(one.call.id, back.value, back.error)

    def happen(self, event: Event, happened: Iterable[Happening]) -> None:
        """Something came from outside, and this happened then."""
        for happening in happened:
            if happening.kind in ("refusal", "skip") and happening.call_id in self._fates:
                self._fates[happening.call_id].why = happening.reason
        fate = self._fates.get(getattr(event, "call_id", ""))
        if fate is None:
            return
        match event:
            case ToolReturned():
                fate.returned = event
                self._batch += 1
            case AttemptFailed() | AttemptLost():
                error = event.error if isinstance(event, AttemptFailed) else OUTCOME_UNKNOWN
                if any(happening.kind == "call" and happening.call_id == event.call_id for happening in happened):
                    fate.earlier.append(error)
                else:
                    fate.returned = ToolReturned(event.call_id, error=error)
                    self._batch += 1
            case OutputHandled():
                fate.handled = event
            case Approved():
                fate.decided = event
                fate.batch = self._batch

    def notice(self, progress: Progress | None, answers: Iterable[Message]) -> None:
        """See which calls were started, asked about or answered."""
        for pending in progress.calls if progress is not None else ():
            fate = self._fates.get(pending.call.id)
            if fate is None:
                continue
            if pending.attempt and not fate.started:
                fate.started, fate.batch = True, self._batch
            if pending.stage == "asked" and not fate.asked:
                fate.asked, fate.batch = True, self._batch
            if pending.returned is not None and not pending.attempt and fate.obstacle is None:
                fate.obstacle, fate.batch = pending.returned.error, self._batch
        for message in answers:
            fate = self._fates.get(message.tool_call_id or "")
            if fate is not None and message.role == "tool":
                fate.answer = message
                if not fate.started and fate.decided is None and fate.obstacle is None:
                    fate.batch = self._batch

    def told(self) -> Iterator[Moment]:
        """All of it, in the order of the calls."""
        left = sorted(self._fates.values(), key=lambda fate: fate.batch)  # stable, so calls of one batch keep their order
        told: set[int] = set()
        for fate in left:
            if id(fate) in told:
                continue
            together = [other for other in left if other.started and other.batch == fate.batch] if fate.started else [fate]
            told.update(map(id, together))
            for one in together:
                yield from self._approval(one)
            if fate.started:
                ran = tuple(map(self._ran, together))
                yield SideBySide(ran) if len(ran) > 1 else ran[0]
            elif fate.answer is not None:
                yield self._not_run(fate, fate.answer)
            elif fate.obstacle is not None:
                yield Refused(self.agent, fate.call.name, fate.obstacle)

    def _approval(self, fate: _Fate) -> Iterator[Moment]:
        if fate.asked or fate.decided is not None:
            yield ApprovalAsked(self.agent, fate.call.name)
        if fate.decided is not None:
            yield Decided(self.agent, fate.call.name, fate.decided.approved, fate.decided.reason)

    def _not_run(self, fate: _Fate, answer: Message) -> Moment:
        name, why = fate.call.name, fate.obstacle or fate.why or answer.text
        edge = self.offer.handoffs.get(name) if self.offer is not None else None
        if edge is not None:
            return Requested(self.agent, name, edge.handoff.target_name, edge.target, why if answer.agent is None else None)
        if answer.agent is not None:
            return Requested(self.agent, name, answer.agent, answer.agent)
        return Refused(self.agent, name, why, _rewritten(fate))

    def _ran(self, fate: _Fate) -> Called:
        tool = self.offer.tools.get(fate.call.name) if self.offer is not None else None
        back, answer, decision = fate.returned, fate.answer, fate.handled.decision if fate.handled is not None else "forward"
        failed = back.error if back is not None else OUTCOME_UNKNOWN if answer is not None else None
        gave = words_for(back.value, tool) if back is not None and failed is None else None
        rewritten = _rewritten(fate)
        is_last = tool is not None and tool.final and (failed is None or rewritten is not None)
        return Called(
            self.agent,
            fate.call.name,
            gave,
            failed,
            rewritten,
            "handler" if decision == "final" else "tool" if is_last and answer is not None else "",
            self.inside(fate.call, tool),
            tuple(fate.earlier),
        )


def _rewritten(fate: _Fate) -> Words | None:
    """What a handler put in the place of what was given."""
    return words_for(fate.handled.value) if fate.handled is not None and fate.handled.decision == "rewrite" else None


def words_for(value: Json, tool: Tool | None = None) -> Words:
    """What a tool gave, as it is told: its text, what its docstring says that it returns, or JSON."""
    if isinstance(value, str):
        return Words(value)
    if value is None:
        return Words(NO_OUTPUT, own=False)
    if tool is not None and tool.returns:
        return Words(tool.returns.removesuffix("."), own=False)
    return Words(json.dumps(value, ensure_ascii=False, separators=(",", ":")), own=False)
