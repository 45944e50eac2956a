"""Kept conversations as text and as JSON. Values in, text out; what is for a terminal has still to be made `visible`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from agentgraph.cli.chat.readout import number
from agentgraph.cli.telling import WIDEST, arguments_of
from agentgraph.cli.visible import one_line, visible
from agentgraph.conversation.context import Phase
from agentgraph.conversation.text import as_json

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import Message
    from agentgraph.conversation.store import Stored

_STANDS = {
    Phase.WAITING: "it is the user's turn",
    Phase.THINKING: "left while a model was asked",
    Phase.ACTING: "left while calls were pending",
}


def json_text(value: Any) -> str:
    """One line of JSON that a terminal can show."""
    return visible(json.dumps(value, ensure_ascii=False))


def listed(it: Stored) -> dict[str, Any]:
    """A conversation as a row of a list. Its state is that of its turn: over, under way (somebody has it), or unfinished."""
    held = it.leased is not None and it.leased > 0
    state = "under way" if held else "unfinished" if it.under_way else "over"
    return {"id": it.id, "seq": it.seq, "state": state, "updated": datetime.fromtimestamp(it.updated, UTC).isoformat(timespec="seconds")}


def as_data(id: str, contexts: Sequence[Context]) -> dict[str, Any]:
    """A conversation; `contexts` are those after each of its steps, from the first."""
    now = contexts[-1]
    return {
        "id": id,
        "seq": len(contexts) - 1,
        "phase": now.phase.name.lower(),
        "agent": now.agent,
        "turn": now.turn,
        "steps": [{"seq": seq, "messages": [message.to_openai() for message in said]} for seq, said in _said(contexts)],
        "data": as_json(now.data),
        "facts": sorted(now.facts),
        "pending": [{"id": call.id, "name": call.name, "arguments": as_json(call.arguments)} for call in now.pending],
    }


def lines(contexts: Sequence[Context]) -> Iterator[str]:
    """A conversation for people: what was said and called at which step, and where it stands."""
    now = contexts[-1]
    wide = len(str(len(contexts) - 1))
    for seq, said in _said(contexts):
        for i, line in enumerate(line for message in said for line in _lines(message, contexts[seq])):
            yield f"{seq if i == 0 else '':>{wide}}  {line}"
    yield f"{number(len(contexts) - 1, 'step')}, {number(now.turn, 'turn')}; {_STANDS[now.phase]}"
    for call in now.pending:
        yield f"{'':>{wide}}  pending: {call.name}({arguments_of(call)}), id {one_line(call.id, WIDEST)}"


def _said(contexts: Sequence[Context]) -> Iterator[tuple[int, Sequence[Message]]]:
    """The steps that added messages, with those."""
    had = 0
    for seq, context in enumerate(contexts):
        if len(context.messages) > had:
            yield seq, context.messages[had:]
        had = len(context.messages)


def _lines(message: Message, after: Context) -> Iterator[str]:
    match message.role:
        case "assistant":
            agent = message.agent or "assistant"
            if message.text:
                yield from _indented(f"{agent}: ", message.text)
            for call in message.tool_calls:
                yield f"[{agent}] calls {call.name}({arguments_of(call)})"
        case "tool":
            name = next(
                (call.name for earlier in reversed(after.messages) for call in earlier.tool_calls if call.id == message.tool_call_id), ""
            )
            yield f"{name} -> {one_line(message.text, WIDEST)}"
        case role:
            yield from _indented(f"{role}: ", message.text or "(no text)")


def _indented(begin: str, text: str) -> Iterator[str]:
    """Every line of `text` below the first begins with space, so that no text can look like another speaker."""
    first, *others = text.splitlines() or [""]
    yield begin + first
    yield from (" " * len(begin) + line for line in others)
