"""Who answers the next turn: the agent that holds the conversation, as the history records it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.conversation.history import NOTHING_SAID
from agentgraph.conversation.migrate import obstacle
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import Message
    from agentgraph.machine.machine import Machine


def holder(machine: Machine, context: Context) -> tuple[str, str]:
    """The agent that answers next, and why it does: "continued", or why the entry agent does instead.

    A context of ours says it. Of a foreign history, the last message that names an agent does, and a handoff that was
    carried out counts even if its target never spoke. O(messages since then).
    """
    if context.agent in machine.agents:
        return context.agent, "continued"  # type: ignore[return-value]
    said = context.agent or (_recorded(machine, context) if context.messages is not NOTHING_SAID else None)
    if said is None:
        return machine.entry, "new conversation" if not context.messages else "the history names no agent"
    agent = said if said in machine.agents else None
    return (agent, "continued") if agent else (machine.entry, f"unknown agent {said!r}")


def _recorded(machine: Machine, context: Context) -> str | None:
    answers: dict[str, Message] = {}
    for message in reversed(context.messages):
        if message.role == "tool":
            answers[message.tool_call_id or ""] = message
            if message.agent is not None:
                return message.agent
        elif message.role == "assistant" and message.agent is not None:
            return _handed_to(machine, message, answers) or message.agent
    return None


def _handed_to(machine: Machine, message: Message, answers: dict[str, Message]) -> str | None:
    """Whom this message handed over to: by an extra key of an imported dictionary, or by the first handoff that was carried out."""
    told = declared(machine, message)
    if told is not None:
        return told
    if message.agent is None or message.agent not in machine.agents:
        return None
    handoffs = machine.offer(message.agent).handoffs
    for call in message.tool_calls:
        answer = answers.get(call.id)
        if call.name in handoffs and answer is not None and carried_out(answer):
            return handoffs[call.name].target
    return None


def carried_out(answer: Message) -> bool:
    """Whether the handoff that `answer` answers was carried out. Where its outcome is not recorded, it is believed to have been."""
    return answer.outcome in (None, "handed_off", "given")


def declared(machine: Machine, message: Message) -> str | None:
    """The agent that an imported dictionary says it hands over to, in an extra key."""
    told = message.source.get("handoff_to") if message.source is not None else None
    return told if isinstance(told, str) and told in machine.agents else None


def refuse_stranger(machine: Machine, context: Context) -> None:
    """Refuse a context of another topology that has lost its agent or a pending call.

    Raises:
        ContextError: saying which, and how to repair it.
    """
    bound = context.fingerprint is not None or context.progress is not None
    why = obstacle(context, machine) if bound else None
    if why is not None:
        message = f"this context belongs to another topology ({context.fingerprint}, not {machine.fingerprint}): {why}; repair it with context.migrate(graph, rename={{...}})"
        raise ContextError(message, context)
