"""What Anthropic accepts: its own rules about the body that was on the wire, and the common ones about what that body says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e import provider_rules
from tests.e2e.provider_rules import Violation

Block = Mapping[str, Any]


def violations(body: Mapping[str, Any]) -> list[Violation]:
    """Every rule that `body`, of a request for /v1/messages, breaks."""
    return [*_own(body["messages"]), *provider_rules.violations(as_openai(body))]


def as_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `body` says, as a body of chat completions."""
    system = [{"role": "system", "content": _text(_blocks(body.get("system")))}] if "system" in body else []
    tools = [{"type": "function", "function": {"name": tool["name"]}} for tool in body.get("tools") or ()]
    return {"messages": [*system, *(said for message in body["messages"] for said in _said(message))], "tools": tools}


def _own(messages: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    awaited: set[str] = set()
    for at, message in enumerate(messages):
        blocks = _blocks(message["content"])
        kinds = [block["type"] for block in blocks]
        if at and message["role"] == messages[at - 1]["role"]:
            yield Violation("A1", f"message {at} is of {message['role']!r} again")
        if awaited != {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}:
            yield Violation("A2", f"message {at}: {sorted(awaited)} are awaited")
        if "tool_result" in kinds[kinds.count("tool_result") :]:
            yield Violation("A2", f"message {at}: an answer stands behind other blocks")
        for block in blocks:
            if block["type"] == "tool_use" and not isinstance(block["input"], dict):
                yield Violation("A3", f"message {at}: {block['input']!r}")
            if block["type"] == "text" and not block["text"].strip():
                yield Violation("A4", f"message {at}")
        awaited = {block["id"] for block in blocks if block["type"] == "tool_use"}
    if awaited:
        yield Violation("A2", f"nothing follows {sorted(awaited)}")


def _said(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    blocks = _blocks(message["content"])
    uses = [block for block in blocks if block["type"] == "tool_use"]
    results = [block for block in blocks if block["type"] == "tool_result"]
    for result in results:
        yield {"role": "tool", "tool_call_id": result["tool_use_id"], "content": _text(_blocks(result.get("content")))}
    if uses:
        calls = [{"id": use["id"], "function": {"name": use["name"], "arguments": json.dumps(use["input"])}} for use in uses]
        yield {"role": message["role"], "content": _text(blocks) or None, "tool_calls": calls}
    elif not results or any(block["type"] == "text" for block in blocks):
        yield {"role": message["role"], "content": _text(blocks)}


def _blocks(content: Any) -> list[Block]:
    """Text alone is one block of it."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _text(blocks: Sequence[Block]) -> str:
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")
