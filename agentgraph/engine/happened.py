"""What happened in a conversation, read back from its messages: who was entered, what ran and what came of it, where turns ended.

For a conversation of ours it is what monitors were shown while it ran. Of a foreign
one it is the most that can have happened: a call without an answer may have run, and who speaks without a handoff has been entered.
Calls that ran beside each other are told one after the other, as they were committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from agentgraph.conversation.happening import Happening
from agentgraph.engine.continuity import carried_out, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from agentgraph.conversation.context import Context, Pending
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.machine.machine import Machine, Offer


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
                if answer is not None and answer.outcome in ("refused", "skipped"):
                    yield self.at, Happening("refusal" if answer.outcome == "refused" else "skip", call.name, speaker)
                if handed or answer is None or not carried_out(answer):
                    continue
                target = offer.handoffs[call.name].target
            if target is not None:
                handed = True
                yield self.at, Happening("handoff", call.name, speaker)
                yield from self._entered(target)
                continue
            for happening in self._came_of(call, speaker, answer):
                yield self.at, happening
            ended = ended or (answer is not None and self._ends(answer, call.name, offer))
        told = declared(self.machine, message)
        if told is not None:
            yield from self._held_by(told)
        elif self._is_over(after) and (ended if message.tool_calls else message.content):
            yield self.at, self.machine.ending(speaker)

    def _came_of(self, call: ToolCall, speaker: str, answer: Message | None) -> Iterator[Happening]:
        """What a call came to; of an agent that was used as a tool, with what went on inside, where that is recorded."""
        pending = self._attempts(call)
        told = answer.inside if answer is not None else pending.told if pending is not None else ()
        if not told:
            return came_of(call.name, speaker, answer, pending, self.machine.calling)
        if answer is not None and answer.outcome == "unknown":  # something inside is; that it was begun is known
            answer = replace(answer, outcome="failed")
        own = list(came_of(call.name, speaker, answer, pending, lambda agent, tool: (Happening("call", tool, agent),)))
        at = next((i for i, one in enumerate(own) if one.kind in ("success", "failure")), len(own))
        return iter((*own[:at], *heard(told), *own[at:]))

    def _ends(self, answer: Message, name: str, offer: Offer) -> bool:
        """Whether the turn ended with this answer to a call. Where nothing is said, the success of a final tool ends it."""
        if answer.ends is not None:
            return answer.ends
        return name in offer.tools and offer.tools[name].final and answer.outcome in (None, "given")

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

    def _attempts(self, call: ToolCall) -> Pending | None:
        """What our own context knows of a call that is not answered yet."""
        pending = self.context.progress.calls if self.context.progress is not None else ()
        return next((p for p in pending if p.call.id == call.id), None)

    def _is_over(self, after: int) -> bool:
        """Whether the turn is over where the conversation goes on `after` this."""
        return self.messages[after].role == "user" if after < len(self.messages) else self.context.progress is None


def heard(told: tuple[Happening, ...]) -> Iterator[Happening]:
    """What happened inside a call, as it was told. Where nobody heard what came of an execution, it is not sure that there was one."""
    unheard: set[tuple[tuple[str, ...], str]] = set()
    read: list[Happening] = []
    for happening in reversed(told):
        key = happening.within, happening.call_id
        if happening.kind == "failure" and not happening.sure:
            unheard.add(key)
            continue
        is_sure = happening.kind != "call" or key not in unheard
        if not is_sure:
            unheard.discard(key)
        read.append(happening if is_sure else replace(happening, sure=False))
    return reversed(read)


def came_of(
    name: str, agent: str, answer: Message | None, pending: Pending | None, calling: Callable[[str, str], tuple[Happening, ...]]
) -> Iterator[Happening]:
    """What a call of `agent`'s came to, by its answer, or by what is `pending` of it: executions of `name`, and their success.

    A call of others' that nobody has answered may have run, so it counts as one that did.
    """
    earlier = answer.earlier if answer is not None else pending.earlier if pending is not None else ()
    if answer is None:
        word: CameTo = "running" if pending is None or pending.attempt else "held"
    elif answer.unset and answer.outcome == "given":
        word = "failed"
    else:
        word = "given" if answer.outcome in (None, "handed_off") else answer.outcome  # type: ignore[assignment]
    return executions(calling(agent, name), earlier, word)


CameTo = Literal["given", "failed", "refused", "skipped", "unknown", "running", "held"]
"""What a call came to, as far as specs go: one that was given and sets nothing has failed to them."""


def executions(called: tuple[Happening, ...], earlier: Iterable[str], came_to: CameTo) -> Iterator[Happening]:
    """What happened of a call: its attempts, each `called` (the call, and an agent that it enters), and what came of the last.

    `earlier` is what became of those before the last, "failed" or "unknown".
    """
    unsure = tuple(replace(happening, sure=False) for happening in called)
    for attempt in earlier:
        yield from called if attempt == "failed" else unsure
    call = called[0]
    match came_to:
        case "given" | "failed":
            yield from called
            yield Happening("success" if came_to == "given" else "failure", call.name, call.agent)
        case "running":
            yield from called
        case "unknown":
            yield from unsure
        case "refused" | "skipped":
            yield Happening("refusal" if came_to == "refused" else "skip", call.name, call.agent)
