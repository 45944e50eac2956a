"""Whoever answers for an agent: a provider, a script, rules, a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from agentgraph.conversation.frozen import EMPTY, FrozenDict
from agentgraph.conversation.message import Message
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.secret import Secret
from agentgraph.definition.shape import Shape


class ModelRequest:
    """One question to a model. `messages` begins with the system message, and is valid for every provider."""

    __slots__ = ("_messages", "agent", "headers", "output", "params", "tools", "within")

    def __init__(
        self,
        agent: str,
        messages: Callable[[], Sequence[Message]] | Sequence[Message],
        tools: Sequence[FrozenDict] = (),
        params: Mapping[str, Any] = EMPTY,
        headers: Mapping[str, str | Secret] = EMPTY,
        output: Shape | None = None,
        within: tuple[str, ...] = (),
    ) -> None:
        """`within`: the ids of the calls of agents used as tools around the conversation, outermost first."""
        self.agent, self._messages, self.tools = agent, messages, tools
        self.params, self.headers, self.output, self.within = params, headers, output, within

    @property
    def messages(self) -> Sequence[Message]:
        """What the model is to read. Built when first looked at: O(messages)."""
        if callable(self._messages):
            self._messages = self._messages()
        return self._messages

    def __repr__(self) -> str:
        return f"ModelRequest(agent={self.agent!r}, messages={len(self.messages)}, tools={[t['function']['name'] for t in self.tools]})"


@runtime_checkable
class Model(Protocol):
    """What an agent needs of a model. `reply` may be an `async def`.

    A model may also have `stream(request)`: an (async) generator of text deltas (`str`) that ends with the whole `Reply`.
    A synchronous `reply` is called in a worker thread by `arun`, unless the model says `instant = True`: it never waits.
    """

    def reply(self, request: ModelRequest, /) -> Reply | Awaitable[Reply]:
        """Answer `request`; raise anything when that is not possible."""
        ...
