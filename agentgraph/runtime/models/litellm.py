"""Models behind litellm: a string names one, such as "openai/gpt-5-mini". The only file that speaks to litellm.

What was found by trying, and is guarded against here: litellm is slow to import and reads files and the network when it
is, so it is imported on first use, prepared; its synchronous streams deadlock when abandoned, and its clients belong to
a loop, so every call runs on one background loop; it retries in several places, so it is told not to; it takes a stream
that was cut short for an answer, so the finish signal is looked for.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.message import Message, ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.usage import Usage
from agentgraph.errors import DefinitionError, ModelError
from agentgraph.runtime.loop import LOOP

if TYPE_CHECKING:
    from agentgraph.definition.model import ModelRequest

_INSTALL = 'pip install "agentgraph-fsm[litellm]"'


class LiteLLMModel:
    """A model of any provider that litellm knows.

    `timeout` is the total seconds of one call, streamed or not. Further keyword arguments, such as `api_base` and
    `api_key`, go with every call; the request's own params win.
    """

    def __init__(self, name: str, *, timeout: float = 120.0, **params: Any) -> None:
        if not name.strip():
            raise DefinitionError(f"a litellm model is called {name!r}; give a name such as 'openai/gpt-5-mini'")
        if not timeout > 0:
            raise DefinitionError(f"LiteLLMModel({name!r}) has timeout={timeout!r}; give seconds above 0")
        self.name = name
        self.timeout = timeout
        self._params: Mapping[str, Any] = params

    async def reply(self, request: ModelRequest) -> Reply:
        """Ask the provider.

        Raises:
            ModelError: when litellm is not installed, or the answer was cut short.
            Exception: whatever litellm raises for a failed call.
        """
        await _prepared()
        return await LOOP.await_(self._reply(request))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | Reply, None]:
        """Ask the provider; the text as it is written, then the whole reply. Raises as `reply` does."""
        await _prepared()
        items = LOOP.aiterate(self._stream(request))
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    async def _reply(self, request: ModelRequest) -> Reply:
        return self._read(await self._before(self._deadline(), _litellm().acompletion(**self._question(request))))

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[str | Reply, None]:
        chunks: list[Any] = []
        deadline = self._deadline()
        question = {**self._question(request), "stream": True, "stream_options": {"include_usage": True}}
        pieces = await self._before(deadline, _litellm().acompletion(**question))
        try:
            while (chunk := await self._before(deadline, anext(pieces, None))) is not None:
                chunks.append(chunk)
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    yield text
        finally:
            await pieces.aclose()
        if getattr(pieces, "received_finish_reason", None) is None and not self.name.startswith(("gemini/", "vertex_ai/")):
            raise ModelError(f"the stream of {self.name!r} was cut short: it ended without saying that it was finished")
        yield self._read(_litellm().stream_chunk_builder(chunks))

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.timeout

    async def _before(self, deadline: float, answer: Awaitable[Any]) -> Any:
        """Await `answer` until `deadline`. Around each wait of a stream, not around the stream: every step of it is a task of its own."""
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except TimeoutError as late:
            raise ModelError(f"{self.name!r} did not answer within {self.timeout:g} seconds") from late

    def _question(self, request: ModelRequest) -> dict[str, Any]:
        question: dict[str, Any] = _plain({**self._params, **request.params})
        question |= {
            "model": self.name,
            "messages": [_wire(message) for message in request.messages],
            "timeout": self.timeout,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
        }
        question.pop("stream", None)  # whether it is streamed is not a param: `reply` and `stream` say so
        if request.tools:
            question["tools"] = [_plain(tool) for tool in request.tools]
        if request.headers:
            question["extra_headers"] = {**question.get("extra_headers", {}), **request.headers}
        if request.output is not None:
            schema = {"name": _schema_name(request.output.name), "schema": _plain(request.output.schema)}
            question["response_format"] = {"type": "json_schema", "json_schema": schema}
        return question

    def _read(self, response: Any) -> Reply:
        if response is None or not response.choices:
            raise ModelError(f"{self.name!r} sent a response without choices")
        choice = response.choices[0]
        calls = tuple(
            ToolCall(call.id or "", call.function.name or "", call.function.arguments or "{}") for call in choice.message.tool_calls or ()
        )
        return Reply(choice.message.content or None, calls, _usage(response), choice.finish_reason)

    def __repr__(self) -> str:
        return f"LiteLLMModel({self.name!r})"


def _wire(message: Message) -> dict[str, Any]:
    """A message for a provider: names of agents stay here, since some providers refuse blanks in them."""
    said = message.to_openai()
    return {key: said[key] for key in ("role", "content", "tool_calls", "tool_call_id") if key in said}


def _plain(value: Any) -> Any:
    """A deep, plain copy: litellm changes what it is given."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _schema_name(name: str) -> str:
    return "".join(ch if ch.isascii() and (ch.isalnum() or ch in "_-") else "_" for ch in name)[:64] or "output"


def _usage(response: Any) -> Usage:
    used = getattr(response, "usage", None)
    try:
        cost = float(_litellm().completion_cost(completion_response=response))
    except Exception:  # noqa: BLE001 - litellm raises several kinds for a model without a price
        cost = None
    return Usage(1, getattr(used, "prompt_tokens", 0) or 0, getattr(used, "completion_tokens", 0) or 0, cost)


_module: Any = None


def _litellm() -> Any:
    """litellm, imported once, after it was told to leave the network, the .env files and the console alone."""
    global _module  # noqa: PLW0603 - it takes two seconds
    if _module is None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        try:
            import litellm
        except ImportError as missing:
            raise ModelError(
                f"a model is named by a string, which needs litellm, and it cannot be imported ({missing}); install it: {_INSTALL}"
            ) from missing
        litellm.suppress_debug_info = True
        _module = litellm
    return _module


async def _prepared() -> None:
    if _module is None:
        await asyncio.to_thread(_litellm)
