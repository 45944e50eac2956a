"""Models behind litellm: a string names one, such as "openai/gpt-5-mini". What litellm says is read here alone.

What was found by trying, and is guarded against here: its synchronous streams deadlock when abandoned, and its clients belong to
a loop, so every call runs on one background loop; it retries in several places, so it is told not to, and
`persistence.py` does; it takes a stream that was cut short for an answer, so the finish signal is looked for.

One signal cannot be had: litellm reports "stop" at the end of any stream of Gemini's, also of one whose connection was
closed in the middle. So a request with tools is never streamed there: half an answer could drive a tool. A request without
tools is, and of that a clean end in the middle of the text passes for the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.message import Message, ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.secret import Secret
from agentgraph.conversation.usage import Usage
from agentgraph.errors import DefinitionError, FailureReason, ProviderError
from agentgraph.runtime.loop import LOOP
from agentgraph.runtime.models.failure import failure, texts_of
from agentgraph.runtime.models.litellm_library import litellm, prepared

if TYPE_CHECKING:
    from agentgraph.definition.model import ModelRequest

_SLACK = 0.05  # seconds by which litellm's own timer may be before ours
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


class LiteLLMModel:
    """A model of any provider that litellm knows.

    `timeout` is the total seconds of one call: over all attempts, the pauses between them and the fallbacks, streamed or
    not. `retries` is how often one provider is asked again after a failure that may pass (too many requests, a server error,
    a lost connection, a stream that was cut short): after half a second, then twice as long each time, and never sooner
    than its Retry-After says. A stream is not begun again once text of it was shown. `fallbacks`, names or models, are
    asked in turn when one has failed for good; each may use its share of the time that is left, and no more than its own `timeout`.

    An answer that stopped at the output limit is an error, unless `accept_truncated` and it is text alone. Further keyword
    arguments, such as `api_base` and `api_key`, go with every call of this model, not of its fallbacks; the request's own
    params win.

    Raises:
        DefinitionError: for an option that cannot mean anything.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: float = 120.0,
        retries: int = 2,
        fallbacks: Iterable[str | LiteLLMModel] = (),
        accept_truncated: bool = False,
        **params: Any,
    ) -> None:
        called: Any = name
        if not isinstance(called, str) or not called.strip():
            raise DefinitionError(f"a litellm model is called {name!r:.60}; give a name such as 'openai/gpt-5-mini'")
        if type(timeout) not in (int, float) or not 0 < timeout < inf:
            raise DefinitionError(f"LiteLLMModel({name!r}) has timeout={timeout!r:.60}; give seconds, more than 0 and finite")
        if type(retries) is not int or retries < 0:
            raise DefinitionError(f"LiteLLMModel({name!r}) has retries={retries!r:.60}; give a whole number, 0 or more")
        if type(accept_truncated) is not bool:
            raise DefinitionError(f"LiteLLMModel({name!r}) has accept_truncated={accept_truncated!r:.60}; give True or False")
        if not isinstance(fallbacks, Iterable):
            raise DefinitionError(
                f"LiteLLMModel({name!r}) has fallbacks={fallbacks!r:.60}; give a list of litellm model names, or of LiteLLMModels"
            )
        self.name = name
        self.timeout = timeout
        self.retries = retries
        self.accept_truncated = accept_truncated
        self.fallbacks = tuple(self._fallback(given) for given in ([fallbacks] if isinstance(fallbacks, str) else fallbacks))
        self._params: Mapping[str, Any] = params

    def _fallback(self, given: Any) -> LiteLLMModel:
        if isinstance(given, str):
            return LiteLLMModel(given, timeout=self.timeout, retries=self.retries, accept_truncated=self.accept_truncated)
        if isinstance(given, LiteLLMModel):
            return given
        raise DefinitionError(f"LiteLLMModel({self.name!r}) has the fallback {given!r:.60}; give a litellm model name, or a LiteLLMModel")

    @property
    def _line(self) -> tuple[LiteLLMModel, ...]:
        """Who is asked, in order."""
        return (self, *(model for fallback in self.fallbacks for model in fallback._line))  # noqa: SLF001 - its own class

    async def reply(self, request: ModelRequest) -> Reply:
        """Ask the provider.

        Raises:
            ModelError: when litellm is not installed.
            ProviderError: when neither this model nor a fallback answers.
        """
        await prepared()
        return await LOOP.await_(self._reply(request))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | Reply, None]:
        """Ask the provider; the text as it is written, then the whole reply. Raises as `reply` does."""
        await prepared()
        items = LOOP.aiterate(self._stream(request))
        try:
            async for item in items:
                yield item
        finally:
            await items.aclose()

    async def _reply(self, request: ModelRequest) -> Reply:
        from agentgraph.runtime.models.persistence import answered

        async def ask(model: LiteLLMModel, until: float) -> Reply:
            return await model._asked(request, until)

        return await answered(self._line, ask, self._deadline())

    async def _stream(self, request: ModelRequest) -> AsyncGenerator[str | Reply, None]:
        from agentgraph.runtime.models.persistence import answered

        async def begin(model: LiteLLMModel, until: float) -> _Writing | Reply:
            return await model._begun(request, until)

        deadline = self._deadline()
        begun = await answered(self._line, begin, deadline)
        if isinstance(begun, Reply):
            if begun.text:
                yield begun.text
            yield begun
            return
        try:
            while (text := await begun.text(deadline)) is not None:
                yield text
            yield begun.reply()
        finally:
            await begun.close()

    # -- one attempt -----------------------------------------------------------------------------------------------

    async def _asked(self, request: ModelRequest, until: float) -> Reply:
        return self._read(await self._answer(litellm().acompletion(**self._question(request)), request, until))

    async def _begun(self, request: ModelRequest, until: float) -> _Writing | Reply:
        """The stream, when its first text has come; or the whole reply, where nothing was to be shown."""
        if request.tools and self._has_no_signal:
            return await self._asked(request, until)
        question = {**self._question(request), "stream": True, "stream_options": {"include_usage": True}}
        writing = _Writing(self, request, await self._answer(litellm().acompletion(**question), request, until))
        try:
            if await writing.look_ahead(until):
                return writing
            reply = None if writing.is_refusal else writing.reply()
        except BaseException:
            await writing.close()
            raise
        await writing.close()
        return reply if reply is not None else await self._asked(request, until)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.timeout

    async def _answer(self, answer: Awaitable[Any], request: ModelRequest, until: float, *, begun: bool = False) -> Any:
        """Await `answer` until then. Around each wait of a stream, not around the stream: every step of it is a task of its own.

        Raises:
            ProviderError: raised where no other is being handled, since an exception that holds a key must not hang on to it.
        """
        try:
            async with asyncio.timeout_at(until):
                return await answer
        except TimeoutError:
            failed = ProviderError(f"{self.name!r} did not answer in time; it has {self.timeout:g} seconds at most", "timeout")
        except Exception as error:  # noqa: BLE001 - litellm raises many kinds, and not only its own
            question = {**self._params, **request.params}
            secrets = texts_of(question, request.headers, question.get("extra_headers"))
            late = asyncio.get_running_loop().time() > until - _SLACK
            failed = failure(self.name, error, secrets, begun=begun, late=late)
        raise failed

    @property
    def _has_no_signal(self) -> bool:
        """Whether a stream of this model does not say that it has come to its end."""
        try:
            _, provider, *_ = litellm().get_llm_provider(self.name)
        except Exception:  # noqa: BLE001 - a provider that litellm cannot tell is not Gemini
            return False
        return provider in _WITHOUT_SIGNAL and "claude" not in self.name

    def _question(self, request: ModelRequest) -> dict[str, Any]:
        question: dict[str, Any] = _plain({**self._params, **request.params})
        question |= {
            "model": self.name,
            "messages": [_wire(message) for message in request.messages],
            "timeout": self.timeout,  # the same every time: litellm keeps a client, and its connections, for each
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

    def _read(self, response: Any) -> Reply:
        """The reply that a response gives.

        Raises:
            ProviderError: when it has none, or one that is not whole.
        """
        if response is None or not response.choices:
            raise ProviderError(f"{self.name!r} sent a response without choices", "unreadable")
        choice = response.choices[0]
        calls = tuple(
            ToolCall(call.id or "", call.function.name or "", call.function.arguments or "{}") for call in choice.message.tool_calls or ()
        )
        text = choice.message.content or getattr(choice.message, "refusal", None) or None
        said = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
        reason = _NOT_FINISHED.get(str(said)) or _NOT_FINISHED.get(choice.finish_reason)
        if reason is not None and not (reason == "truncated" and self.accept_truncated and text and not calls):
            raise ProviderError(f"the answer of {self.name!r} {_WHY_NOT[reason]} ({said or choice.finish_reason})", reason)
        return Reply(text, calls, _usage(response), choice.finish_reason)

    def __repr__(self) -> str:
        return f"LiteLLMModel({self.name!r})"


class _Writing:
    """One answer while it is written."""

    def __init__(self, model: LiteLLMModel, request: ModelRequest, pieces: Any) -> None:
        self._model, self._request, self._pieces = model, request, pieces
        self._chunks: list[Any] = []
        self._ahead: str | None = None
        self.is_refusal = False
        """Whether the model refuses in the field that OpenAI has for it, of which litellm keeps only the first piece of a stream."""

    async def look_ahead(self, until: float) -> bool:
        """Wait for the first text; whether there is any. The next `text` gives it."""
        self._ahead = await self.text(until)
        return self._ahead is not None

    async def text(self, until: float) -> str | None:
        """The next piece of text; None at the end."""
        if self._ahead is not None:
            text, self._ahead = self._ahead, None
            return text
        while (chunk := await self._next(until)) is not None:
            self._chunks.append(chunk)
            if chunk.choices:
                delta = chunk.choices[0].delta
                _name_calls(delta.tool_calls or ())
                self.is_refusal = self.is_refusal or bool(getattr(delta, "refusal", None))
                if delta.content:
                    return str(delta.content)
        return None

    async def _next(self, until: float) -> Any:
        return await self._model._answer(anext(self._pieces, None), self._request, until, begun=bool(self._chunks))  # noqa: SLF001 - its own file

    def reply(self) -> Reply:
        """The whole answer, when all of it has come.

        Raises:
            ProviderError: when it ended without saying that it was finished.
        """
        finished = getattr(self._pieces, "received_finish_reason", None)
        if finished is None and self._model._has_no_signal:  # noqa: SLF001 - its own file
            finished = getattr(self._pieces, "intermittent_finish_reason", None)
        if finished is None:
            raise ProviderError(
                f"the stream of {self._model.name!r} was cut short: it ended without saying that it was finished", "cut_short"
            )
        return self._model._read(litellm().stream_chunk_builder(self._chunks))  # noqa: SLF001 - its own file

    async def close(self) -> None:
        """Let go of the connection."""
        await self._pieces.aclose()


def _wire(message: Message) -> dict[str, Any]:
    """A message for a provider: names of agents stay here, since some providers refuse blanks in them."""
    said = message.to_openai()
    return {key: said[key] for key in ("role", "content", "tool_calls", "tool_call_id") if key in said}


def _name_calls(calls: Iterable[Any]) -> None:
    """Give ids to calls that came without one: litellm drops those when it puts the pieces together."""
    for call in calls:
        if call.function is not None and call.function.name and not call.id:
            call.id = f"call_{call.index}"


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
