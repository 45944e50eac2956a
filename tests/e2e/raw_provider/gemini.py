"""Gemini's generateContent. A call comes in one piece, so the middle of its arguments is the middle of an event."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.raw_provider.saying import INPUT_TOKENS, OUTPUT_TOKENS, Called, Saying, Streamed, event, halves

MODEL = "gemini/gemini-2.5-flash"
BASE = "/v1beta"

_ENDED = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_USAGE = {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS, "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS}


def whole(saying: Saying) -> bytes:
    """The reply as one body."""
    text = [{"text": saying.text}] if saying.text else []
    return json.dumps(_said([*text, *map(_part, saying.calls)], _ENDED.get(saying.ended, saying.ended))).encode()


def streamed(saying: Saying) -> Streamed:
    """The reply as a stream."""
    finish = [event(_said([{"text": ""}], _ENDED.get(saying.ended, saying.ended)))]
    first, second = ([event(_said([{"text": text}]))] if text else [] for text in halves(saying.text))
    if not saying.calls:
        return Streamed(first, second, finish)
    *calls, last = (event(_said([_part(call)])) for call in saying.calls)
    cut = last.index(b'"args"') + len(b'"args": {"am')
    return Streamed([*first, *second, *calls, last[:cut]], [last[cut:]], finish)


def failure(status: int) -> bytes:
    """The body of an error."""
    return json.dumps(_error(status)).encode()


def failure_event() -> bytes:
    """An error in the middle of a stream."""
    return event(_error(503))


def _said(parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": _USAGE, "modelVersion": "gemini-2.5-flash"}


def _part(call: Called) -> dict[str, Any]:
    return {"functionCall": {"name": call.name, "args": call.value}}


def _error(status: int) -> dict[str, Any]:
    return {"error": {"code": status, "message": f"the provider says {status}", "status": "UNAVAILABLE"}}
