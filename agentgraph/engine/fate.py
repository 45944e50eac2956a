"""What becomes of one call: two such fates are compared where a recording is replayed, and where they differ the graph says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import thaw
from agentgraph.definition.shape import Mismatch, Shape

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.engine.divergence import Kind
    from agentgraph.machine.machine import Offer


class Fate:
    """What has become of one call: `key` is what is compared, `text` what is told."""

    __slots__ = ("failed", "key", "ran", "target", "text")

    def __init__(self, context: Context, call: ToolCall, since: int) -> None:
        self.target: str | None = None
        self.failed = self.ran = False
        pending = (
            next((p for p in context.progress.calls if p.call.id == call.id and p.stage != "done"), None) if context.progress else None
        )
        answer = next((m for m in context.messages[since:] if m.tool_call_id == call.id), None)
        if pending is not None:
            back = pending.returned
            outcome = back.outcome if back is not None else None
            self.failed, self.ran = outcome not in (None, "given"), bool(pending.attempt) or pending.stage == "asked"
            self.key: tuple[Any, ...] = (pending.stage, outcome, pending.attempt, pending.approved)
            self.text = f"error: {back.error}" if back is not None and back.error is not None else _STAGES[pending.stage]
        elif answer is None:
            self.key, self.text = ("unanswered",), "it is not answered"
        elif answer.agent is not None:
            self.target, self.text, self.key = answer.agent, f"handed over to {answer.agent!r}", ("handed", answer.agent, _payload(context))
        else:
            self.failed, self.text = answer.outcome not in (None, "given"), answer.text
            self.key = ("answered", compared(answer))
            self.ran = not self.failed


_STAGES = {
    "held": "it waits for the calls before it",
    "asked": "a person is asked first",
    "started": "it runs",
    "returned": "it came back, and waits for the calls before it",
    "handling": "handlers look at its output",
    "handled": "handlers have looked at its output",
}


def cause(offer: Offer, facts: frozenset[str], call: ToolCall, recorded: Fate, found: Fate) -> Kind:
    """What of the graph has changed, so that one call fares otherwise where `facts` are known."""
    if recorded.target is not None:
        return _lost_handoff(offer, call, found)
    if found.target is not None:
        return "handoff permitted" if recorded.failed else "tool gone"
    if found.failed and not recorded.failed:
        return _lost_tool(offer, facts, call)
    if recorded.failed and not found.failed:
        return "tool permitted"
    if "asked" in (recorded.key[0], found.key[0]):
        return "approval"
    if "handling" in (recorded.key[0], found.key[0]):
        return "handler"
    return "order"


def _lost_handoff(offer: Offer, call: ToolCall, found: Fate) -> Kind:
    edge = offer.handoffs.get(call.name)
    if found.target is not None:
        return "handoff elsewhere"
    if edge is None:
        return "handoff gone"
    shape = edge.handoff.payload_shape
    return "handoff refused" if shape is None or _fits(shape, call) else "arguments"


def _lost_tool(offer: Offer, facts: frozenset[str], call: ToolCall) -> Kind:
    tool = offer.tools.get(call.name)
    if tool is None:
        return "handoff refused" if call.name in offer.handoffs else "tool gone"
    return "tool refused" if not tool.requires <= facts or _fits(tool.arguments, call) else "arguments"


def _fits(shape: Shape, call: ToolCall) -> bool:
    try:
        shape.check(thaw(call.arguments))
    except Mismatch:
        return False
    return True


def _payload(context: Context) -> Any:
    return context.handed and (context.handed.payload, context.handed.reason)


def compared(message: Message) -> tuple[Any, ...]:
    """A message without the wording of what its outcome says: refusals name what is available, and handoffs a group or its root."""
    text: Any = message.content if message.outcome in (None, "given") else ""
    return message.role, message.agent, message.tool_calls, message.tool_call_id, message.outcome, text
