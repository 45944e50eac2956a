"""Chat completions."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.raw_provider.saying import INPUT_TOKENS, OUTPUT_TOKENS, Called, Saying, Streamed, event, halves

MODEL = "openai/gpt-4o"
BASE = "/v1"
DONE = event("[DONE]")

_USAGE = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS, "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS}


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """One server-sent event of a streamed completion."""
    return _chunk([{"index": 0, "delta": delta, "finish_reason": finish_reason}])


def completion(message: dict[str, Any], finish_reason: str) -> bytes:
    """A whole completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish_reason}
    said = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice], "usage": _USAGE}
    return json.dumps(said).encode()


def whole(saying: Saying) -> bytes:
    """The reply as one body."""
    calls = [_call(call) for call in saying.calls]
    return completion({"content": saying.text or None, **({"tool_calls": calls} if calls else {})}, saying.ended)


def streamed(saying: Saying) -> Streamed:
    """The reply as a stream."""
    begun = chunk({"role": "assistant", "content": ""})
    usage = _chunk([], usage=_USAGE)
    first, second = ([chunk({"content": text})] if text else [] for text in halves(saying.text))
    if not saying.calls:
        return Streamed([begun, *first], second, [chunk({}, saying.ended), usage, DONE])
    pieces = [piece for index, call in enumerate(saying.calls) for piece in _call_pieces(index, call)]
    return Streamed([begun, *first, *second, *pieces[:-1]], pieces[-1:], [chunk({}, saying.ended), usage, DONE])


def failure(status: int) -> bytes:
    """The body of an error."""
    return json.dumps(_error(status)).encode()


def failure_event() -> bytes:
    """An error in the middle of a stream."""
    return event(_error(503))


def _chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    return event({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": choices, **more})


def _call(call: Called) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _call_pieces(index: int, call: Called) -> list[bytes]:
    first, second = halves(call.arguments)
    return [
        chunk({"tool_calls": [{"index": index, **_call(call._replace(arguments=""))}]}),
        chunk({"tool_calls": [{"index": index, "function": {"arguments": first}}]}),
        chunk({"tool_calls": [{"index": index, "function": {"arguments": second}}]}),
    ]


def _error(status: int) -> dict[str, Any]:
    return {"error": {"message": f"the provider says {status}", "type": "server_error", "param": None, "code": None}}
