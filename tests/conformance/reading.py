"""Reading a history and a request as an outsider would: in the chat-completions format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agentgraph import Message, ModelRequest


def offered(request: ModelRequest) -> set[str]:
    """The names of what a model was offered."""
    return {tool["function"]["name"] for tool in request.tools}


def system(request: ModelRequest) -> list[str]:
    """Every system message of a request."""
    return [m.text for m in request.messages if m.role == "system"]


def said(messages: Iterable[Message]) -> list[str]:
    """Every text but the tools' answers."""
    return [m.text for m in messages if m.role != "tool" and m.text]


def answers(messages: Iterable[Message]) -> list[tuple[str, str]]:
    """(tool name, answer) for every call, in the order of the answers; fails unless each call is answered once, in call order."""
    found: list[tuple[str, str]] = []
    seen: set[str] = set()
    wire: list[dict[str, Any]] = [m.to_openai() for m in messages]
    at = 0
    while at < len(wire):
        asked = wire[at].get("tool_calls") or []
        assert wire[at]["role"] != "tool", f"an answer to nobody: {wire[at]}"
        for i, call in enumerate(asked):
            answer = wire[at + 1 + i] if at + 1 + i < len(wire) else {}
            assert answer.get("role") == "tool", f"{call} is followed by {answer}"
            assert answer["tool_call_id"] == call["id"], f"{call} is answered by {answer}"
            assert call["id"], "an empty id"
            assert call["id"] not in seen, f"id {call['id']} twice"
            seen.add(call["id"])
            found.append((call["function"]["name"], answer["content"]))
        at += 1 + len(asked)
    return found


def texts(messages: Iterable[Message]) -> list[str]:
    """The answers alone."""
    return [text for _, text in answers(messages)]
