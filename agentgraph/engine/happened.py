"""What happened in a conversation, read back from its messages: who was entered, what ran, where turns ended.

For a conversation of ours it is what monitors were shown while it ran, but for two things that no message records: what went on inside
a tool that is an agent, and that a handler ended a turn. Of a foreign one it is the most that can have happened: a call without an
answer may have run, and who speaks without a handoff has been entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.engine.continuity import FAILED, declared
from agentgraph.machine.happening import Happening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.machine.machine import Machine


def happened(machine: Machine, context: Context) -> Iterator[tuple[int, Happening]]:
    """What happened, in order, each with the index of the message it happened by: the user's for who began, the agent's for all else.

    O(messages).
    """
    return _Reading(machine, context).whole()


class _Reading:
    """How far a conversation was read, and who holds it there."""

    def __init__(self, machine: Machine, context: Context) -> None:
        self.machine, self.context = machine, context
        self.messages: Sequence[Message] = tuple(context.messages)
        self.at = 0
        self.began: int | None = None
        """The first message of the user's; whoever answers it was entered there."""
        self.held: str | None = None

    def whole(self) -> Iterator[tuple[int, Happening]]:
        while self.at < len(self.messages):
            message = self.messages[self.at]
            if message.role == "user" and self.began is None:
                self.began = self.at
            elif message.role == "assistant":
                yield from self._spoken(message)
            self.at += 1
        self.at -= 1
        yield from self._held_by(self.context.agent)

    def _held_by(self, agent: str | None) -> Iterator[tuple[int, Happening]]:
        """`agent`, if there is one, holds the conversation: it was entered, unless it held it before."""
        if agent not in self.machine.agents or agent == self.held or agent is None:
            return
        began = self.at if self.held is not None or self.began is None else self.began
        self.held = agent
        yield max(began, 0), self.machine.entering(agent)

    def _spoken(self, message: Message) -> Iterator[tuple[int, Happening]]:
        known = message.agent is not None and message.agent in self.machine.agents
        yield from self._held_by(message.agent if known else self.held or self.machine.entry)
        assert self.held is not None
        speaker, offer, (answers, after) = self.held, self.machine.offer(self.held), self._answers()
        handed = ended = False
        for call in message.tool_calls:
            answer = answers.get(call.id)
            target = answer.agent if answer is not None and answer.agent is not None else None
            if target is None and call.name in offer.handoffs:
                if handed or answer is None or answer.skipped or answer.text.startswith(FAILED):
                    continue
                target = offer.handoffs[call.name].target
            if target is not None:
                handed = True
                yield from self._entered(target)
            elif self._ran(call, answer):
                ended = ended or (call.name in offer.tools and offer.tools[call.name].final and _succeeded(answer))
                for happening in self.machine.calling(speaker, call.name):
                    yield self.at, happening
        told = declared(self.machine, message)
        if told is not None:
            yield from self._held_by(told)
        elif self._is_over(after) and (ended if message.tool_calls else message.content):
            yield self.at, Happening("final", agent=speaker)

    def _entered(self, target: str) -> Iterator[tuple[int, Happening]]:
        """A handoff was carried out; one to the agent itself enters it again."""
        if target in self.machine.agents:
            self.held = target
            yield self.at, self.machine.entering(target)

    def _answers(self) -> tuple[Mapping[str, Message], int]:
        """The answers to the calls of the message that is read, and where the conversation goes on behind them."""
        answers: dict[str, Message] = {}
        for after in range(self.at + 1, len(self.messages)):
            message = self.messages[after]
            if message.role != "tool":
                return answers, after
            answers.setdefault(message.tool_call_id or "", message)
        return answers, len(self.messages)

    def _ran(self, call: ToolCall, answer: Message | None) -> bool:
        """Whether `call` ran, or may have: without an answer only our own context knows that it did not."""
        if answer is not None:
            return not answer.skipped
        pending = self.context.progress.calls if self.context.progress is not None else ()
        return next((p.ran for p in pending if p.call.id == call.id), True)

    def _is_over(self, after: int) -> bool:
        """Whether the turn is over where the conversation goes on `after` this."""
        return self.messages[after].role == "user" if after < len(self.messages) else self.context.progress is None


def _succeeded(answer: Message | None) -> bool:
    return answer is not None and not answer.text.startswith(FAILED)
