"""Anthropic's messages: content blocks, and a stream of named events that opens and closes each."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.raw_provider.saying import INPUT_TOKENS, OUTPUT_TOKENS, Called, Saying, Streamed, event, halves

MODEL = "anthropic/claude-sonnet-4-5"
BASE = ""

_ENDED = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "stop_sequence": None}


def whole(saying: Saying) -> bytes:
    """The reply as one body."""
    text = [{"type": "text", "text": saying.text}] if saying.text else []
    said = {
        **_MESSAGE,
        "content": [*text, *({**_block(call), "input": call.value} for call in saying.calls)],
        "stop_reason": _ENDED.get(saying.ended, saying.ended),
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }
    return json.dumps(said).encode()


def streamed(saying: Saying) -> Streamed:
    """The reply as a stream."""
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    pieces = [_event("message_start", message={**_MESSAGE, "content": [], "stop_reason": None, "usage": usage})]
    blocks = [_pieces(0, {"type": "text", "text": ""}, "text_delta", "text", saying.text)] if saying.text else []
    for call in saying.calls:
        blocks.append(_pieces(len(blocks), {**_block(call), "input": {}}, "input_json_delta", "partial_json", call.arguments))
    pieces += [piece for block in blocks for piece in block]
    half = max(len(pieces) - 2, 1)  # without the second half of the last block, and its end
    ended = _event(
        "message_delta",
        delta={"stop_reason": _ENDED.get(saying.ended, saying.ended), "stop_sequence": None},
        usage={"output_tokens": OUTPUT_TOKENS},
    )
    return Streamed(pieces[:half], pieces[half:], [ended, _event("message_stop")])


def failure(status: int) -> bytes:
    """The body of an error."""
    return json.dumps(_error(_KINDS.get(status, "api_error"), f"the provider says {status}")).encode()


def failure_event() -> bytes:
    """An error in the middle of a stream."""
    return event(_error("overloaded_error", "Overloaded"), "error")


def _event(kind: str, **said: Any) -> bytes:
    return event({"type": kind, **said}, kind)


def _block(call: Called) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name}


def _pieces(index: int, block: dict[str, Any], kind: str, key: str, text: str) -> list[bytes]:
    deltas = [_event("content_block_delta", index=index, delta={"type": kind, key: half}) for half in halves(text)]
    return [_event("content_block_start", index=index, content_block=block), *deltas, _event("content_block_stop", index=index)]


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
