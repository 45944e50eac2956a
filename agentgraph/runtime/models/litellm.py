"""Models behind litellm: a string names one, such as "openai/gpt-5-mini".

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
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.reply import Reply
from agentgraph.errors import DefinitionError, ProviderError
from agentgraph.runtime.loop import LOOP
from agentgraph.runtime.models.failure import failure, texts_of
from agentgraph.runtime.models.litellm_library import litellm, prepared
from agentgraph.runtime.models.litellm_stream import Writing
from agentgraph.runtime.models.litellm_wire import question_of, reply_of, says_when_it_ends

if TYPE_CHECKING:
    from agentgraph.definition.model import ModelRequest

_SLACK = 0.05  # seconds by which litellm's own timer may be before ours


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

        async def begin(model: LiteLLMModel, until: float) -> Writing | Reply:
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
        response = await self._answer(request, litellm().acompletion(**self._question(request)), until)
        return reply_of(self.name, response, accept_truncated=self.accept_truncated)

    async def _begun(self, request: ModelRequest, until: float) -> Writing | Reply:
        """The stream, when its first text has come; or the whole reply, where nothing was to be shown."""
        if request.tools and not says_when_it_ends(self.name):
            return await self._asked(request, until)
        question = {**self._question(request), "stream": True, "stream_options": {"include_usage": True}}
        wait = partial(self._answer, request)
        pieces = await wait(litellm().acompletion(**question), until)
        writing = Writing(self.name, pieces, wait, accept_truncated=self.accept_truncated)
        try:
            if await writing.look_ahead(until):
                return writing
            reply = None if writing.is_refusal else writing.reply()
        except BaseException:
            await writing.close()
            raise
        await writing.close()
        return reply if reply is not None else await self._asked(request, until)

    def _question(self, request: ModelRequest) -> dict[str, Any]:
        return question_of(self.name, self.timeout, self._params, request)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.timeout

    async def _answer(self, request: ModelRequest, answer: Awaitable[Any], until: float, *, begun: bool = False) -> Any:
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

    def __repr__(self) -> str:
        return f"LiteLLMModel({self.name!r})"
