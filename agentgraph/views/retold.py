"""A trace -> its moments, read off the events and the snapshots on both sides of each. Nothing is run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.conversation.message import Message
from agentgraph.engine.answer import Unusable as CannotEnd, read_answer
from agentgraph.engine.events import ModelFailed, ModelReplied, OutputHandled, UserSaid
from agentgraph.views.moments import (
    Answered,
    Asked,
    Ended,
    ModelFell,
    Moment,
    Requested,
    Resumed,
    Selected,
    Spoke,
    TookOver,
    Unusable,
    UserSpoke,
    Words,
)
from agentgraph.views.retold_calls import Round, words_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.frozen import Json
    from agentgraph.conversation.happening import Happening
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.tool import Tool
    from agentgraph.engine.effects import Finish
    from agentgraph.engine.events import Event
    from agentgraph.engine.trace import Trace
    from agentgraph.machine.machine import Machine, Offer


def retold(trace: Trace, machine: Machine) -> tuple[Moment, ...]:
    """What happened in `trace`, a run of `machine`. O(its events and messages)."""
    return _Retelling(trace, machine).told()


class _Retelling:
    def __init__(self, trace: Trace, machine: Machine) -> None:
        self._trace, self._machine = trace.outermost, machine
        self._children = self._trace.children
        self._told: list[Moment] = []
        self._round: Round | None = None

    def told(self) -> tuple[Moment, ...]:
        before = self._trace.start
        if len(self._trace) and not isinstance(self._trace[0][0], UserSaid):
            self._take_up(before)
        for (event, after), happened, finish in zip(self._trace, self._trace.happened, self._trace.finishes, strict=True):
            self._follow(before, event, after, happened, finish)
            before = after
        self._close_round()
        return tuple(self._told)

    def _take_up(self, context: Context) -> None:
        agent, progress = context.agent or "", context.progress
        self._told += [Resumed(), Selected(agent)]
        if progress is not None and progress.calls:
            self._open_round(agent).take_up(progress.calls)
            self._notice(context, ())
        else:
            self._told.append(Asked(agent))

    def _follow(self, before: Context, event: Event, after: Context, happened: tuple[Happening, ...], finish: Finish | None) -> None:
        new, agent = after.messages[len(before.messages) :], before.agent or ""
        if isinstance(event, UserSaid):
            self._notice(before, new)
            self._close_round()
            self._told += [UserSpoke(_said(event)), Selected(after.agent or ""), Asked(after.agent or "")]
            return
        if isinstance(event, ModelReplied):
            self._reply(agent, event, new)
        elif isinstance(event, ModelFailed):
            self._told.append(ModelFell(agent, event.error))
        if self._round is not None:
            self._round.happen(event, happened)
        self._notice(after, new)
        if after.progress is None or not after.progress.calls:
            self._close_round()
        handed = after.handed
        if handed is not None and handed != before.handed:
            self._told.append(TookOver(handed.source, handed.target, handed.reason or ""))
        if after.progress is None:
            self._told.append(self._ending(event, after, new, finish))
        elif not after.progress.calls:
            self._told.append(self._asked_next(after.agent or ""))

    def _reply(self, agent: str, event: ModelReplied, new: Sequence[Message]) -> None:
        said = next((message for message in new if message.role == "assistant"), None)
        if said is not None and said.tool_calls:
            self._told.append(Spoke(agent, event.reply.text or "", tuple(call.name for call in said.tool_calls)))
            self._open_round(agent).take(said.tool_calls)
        elif said is not None:
            self._told.append(Answered(agent))
        else:
            self._told.append(Unusable(agent, self._fault(agent, event)))

    def _fault(self, agent: str, event: ModelReplied) -> str:
        offer = self._offer(agent)
        read = read_answer(offer.agent, event.reply.text) if offer is not None else None
        return read.why if isinstance(read, CannotEnd) else "gave an answer that could not be used"

    def _asked_next(self, agent: str) -> Asked:
        match self._told[-1]:
            case Unusable():
                return Asked(agent, "again")
            case TookOver() | Requested():
                return Asked(agent)
            case _:
                return Asked(agent, "results")

    def _ending(self, event: Event, after: Context, new: Sequence[Message], finish: Finish | None) -> Ended:
        agent = after.agent or ""
        if isinstance(event, ModelReplied) and new and new[-1].role == "assistant":
            return Ended(agent, Words(new[-1].text))
        if isinstance(event, OutputHandled) and event.decision == "final":
            return Ended(agent, _output(event.value), by_handler=True)
        if finish is not None and finish.error is None:
            return Ended(agent, _output(finish.output))
        return Ended(agent, error=str(finish.error) if finish is not None else "the run ended without an answer")

    # -- rounds ----------------------------------------------------------------------------------------------------

    def _offer(self, agent: str) -> Offer | None:
        return self._machine.offer(agent) if agent in self._machine.agents else None

    def _open_round(self, agent: str) -> Round:
        self._round = Round(agent, self._offer(agent), self._inside)
        return self._round

    def _inside(self, call: ToolCall, tool: Tool | None) -> tuple[Moment, ...]:
        child = self._children.get(call.id)
        return retold(child, self._machine.nested(tool)) if child is not None and tool is not None and tool.agent is not None else ()

    def _notice(self, context: Context, new: Sequence[Message]) -> None:
        if self._round is not None:
            self._round.notice(context.progress, new)

    def _close_round(self) -> None:
        if self._round is not None:
            self._told += self._round.told()
            self._round = None


def _said(event: UserSaid) -> Words:
    message = Message("user", event.content)
    if message.text.strip():
        return Words(message.text)
    kinds = [str(part.get("type", "part")) for part in event.content if isinstance(part, dict)]
    return Words(f"({', '.join(kinds) or 'nothing'})", own=False)


def _output(value: Json) -> Words:
    """What the user is given: said by the runner, so also JSON stands in quotes."""
    return Words(words_for(value).text, own=value is not None)
