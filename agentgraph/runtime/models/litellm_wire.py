"""What litellm is asked and what it answers, as our values. What it says is read here and in `litellm_stream.py` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.message import Message, ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.secret import Secret
from agentgraph.conversation.usage import Usage
from agentgraph.errors import FailureReason, ProviderError
from agentgraph.runtime.models.litellm_library import litellm

if TYPE_CHECKING:
    from agentgraph.definition.model import ModelRequest

_NOT_FINISHED: Mapping[str, FailureReason] = {
    "length": "truncated",
    "MAX_TOKENS": "truncated",
    "content_filter": "withheld",
    "MALFORMED_FUNCTION_CALL": "unreadable",
    "UNEXPECTED_TOOL_CALL": "unreadable",
    "TOO_MANY_TOOL_CALLS": "unreadable",
}
"""How an answer ends that is none. litellm has only its own words for it; Gemini's are in the fields beside."""
_WHY_NOT = {
    "truncated": "stopped at its output limit before it was whole; raise max_tokens, ask for less, or give accept_truncated=True",
    "withheld": "was withheld by a content filter",
    "unreadable": "was to be a call, and there is none that can be read",
}
_WITHOUT_SIGNAL = ("gemini", "vertex_ai", "vertex_ai_beta")


def question_of(name: str, timeout: float, params: Mapping[str, Any], request: ModelRequest) -> dict[str, Any]:
    """What litellm is asked: `params` of the model, those of the request, and what it reads."""
    question: dict[str, Any] = _plain({**params, **request.params})
    question |= {
        "model": name,
        "messages": [_wire(message) for message in request.messages],
        "timeout": timeout,  # the same every time: litellm keeps a client, and its connections, for each
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
    }
    question.pop("stream", None)  # whether it is streamed is not a param: `reply` and `stream` say so
    if request.tools:
        question["tools"] = [_plain(tool) for tool in request.tools]
    if request.headers:
        question["extra_headers"] = {**(question.get("extra_headers") or {}), **_plain(dict(request.headers))}
    if request.output is not None:
        schema = {"name": _schema_name(request.output.name), "schema": _plain(request.output.schema)}
        question["response_format"] = {"type": "json_schema", "json_schema": schema}
    return question


def reply_of(name: str, response: Any, *, accept_truncated: bool) -> Reply:
    """The reply that a response gives.

    Raises:
        ProviderError: when it has none, or one that is not whole.
    """
    if response is None or not response.choices:
        raise ProviderError(f"{name!r} sent a response without choices", "unreadable")
    choice = response.choices[0]
    calls = tuple(
        ToolCall(call.id or "", call.function.name or "", call.function.arguments or "{}") for call in choice.message.tool_calls or ()
    )
    text = choice.message.content or getattr(choice.message, "refusal", None) or None
    said = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
    reason = _NOT_FINISHED.get(str(said)) or _NOT_FINISHED.get(choice.finish_reason)
    if reason is not None and not (reason == "truncated" and accept_truncated and text and not calls):
        raise ProviderError(f"the answer of {name!r} {_WHY_NOT[reason]} ({said or choice.finish_reason})", reason)
    return Reply(text, calls, _usage(response), choice.finish_reason)


def says_when_it_ends(name: str) -> bool:
    """Whether a stream of this model does."""
    try:
        _, provider, *_ = litellm().get_llm_provider(name)
    except Exception:  # noqa: BLE001 - a provider that litellm cannot tell is not Gemini
        return True
    return provider not in _WITHOUT_SIGNAL or "claude" in name


def _wire(message: Message) -> dict[str, Any]:
    """A message for a provider: names of agents stay here, since some providers refuse blanks in them."""
    said = message.to_openai()
    return {key: said[key] for key in ("role", "content", "tool_calls", "tool_call_id") if key in said}


def _plain(value: Any) -> Any:
    """A deep, plain copy, secrets revealed: litellm changes what it is given."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _schema_name(name: str) -> str:
    return "".join(ch if ch.isascii() and (ch.isalnum() or ch in "_-") else "_" for ch in name)[:64] or "output"


def _usage(response: Any) -> Usage:
    used = getattr(response, "usage", None)
    try:
        cost = float(litellm().completion_cost(completion_response=response))
    except Exception:  # noqa: BLE001 - litellm raises several kinds for a model without a price
        cost = None
    return Usage(1, getattr(used, "prompt_tokens", 0) or 0, getattr(used, "completion_tokens", 0) or 0, cost)
