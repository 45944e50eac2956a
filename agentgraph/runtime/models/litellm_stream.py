"""A stream of litellm's: one answer while it is written."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any, Protocol

from agentgraph.conversation.reply import Reply
from agentgraph.errors import ProviderError
from agentgraph.runtime.models.litellm_library import litellm
from agentgraph.runtime.models.litellm_wire import reply_of, says_when_it_ends


class Wait(Protocol):
    """How an answer of the provider's is awaited."""

    async def __call__(self, answer: Awaitable[Any], until: float, *, begun: bool) -> Any:
        """Wait until then; what is raised says whether any of it had come before."""


class Writing:
    """One answer of the model called `name`, while it is written."""

    def __init__(self, name: str, pieces: Any, wait: Wait, *, accept_truncated: bool) -> None:
        self._name, self._pieces, self._wait, self._accept_truncated = name, pieces, wait, accept_truncated
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
        return await self._wait(anext(self._pieces, None), until, begun=bool(self._chunks))

    def reply(self) -> Reply:
        """The whole answer, when all of it has come.

        Raises:
            ProviderError: when it ended without saying that it was finished.
        """
        finished = getattr(self._pieces, "received_finish_reason", None)
        if finished is None and not says_when_it_ends(self._name):
            finished = getattr(self._pieces, "intermittent_finish_reason", None)
        if finished is None:
            raise ProviderError(f"the stream of {self._name!r} was cut short: it ended without saying that it was finished", "cut_short")
        return reply_of(self._name, litellm().stream_chunk_builder(self._chunks), accept_truncated=self._accept_truncated)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._pieces.aclose()


def _name_calls(calls: Iterable[Any]) -> None:
    """Give ids to calls that came without one: litellm drops those when it puts the pieces together."""
    for call in calls:
        if call.function is not None and call.function.name and not call.id:
            call.id = f"call_{call.index}"
