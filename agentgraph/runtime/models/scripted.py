"""A model that says what it was told to say: the test double that is a value."""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.definition.model import ModelRequest
from agentgraph.errors import DefinitionError, ModelError

Line = str | ToolCall | Sequence[ToolCall] | Reply | Exception | Callable[[ModelRequest], Any]
"""One reply of a script: text, a call, calls, a whole reply, an exception (the provider fails), or a function of the request to one of these."""

_PIECES = re.compile(r"\S+\s*|\s+")


class ScriptedModel:
    """Answers the n-th model call with the n-th reply; given a dict, each agent has its own script.

    `requests` lists what was asked. Running out of replies is an error that says so.

    >>> from agentgraph.conversation.reply import call
    >>> model = ScriptedModel([call("check_balance", account_id="ACC-17"), "Your balance is $1,250.00."])
    """

    instant = True

    def __init__(self, replies: Iterable[Any] | Mapping[str, Iterable[Any]]) -> None:
        if isinstance(replies, str):
            raise DefinitionError(f"a script is a list of replies, not the text {replies!r:.40}; write ScriptedModel([{replies!r:.40}])")
        self._by_agent = isinstance(replies, Mapping)
        self._scripts: dict[str, list[Line]] = (
            {agent: list(lines) for agent, lines in replies.items()} if isinstance(replies, Mapping) else {"": list(replies)}
        )
        self._said: dict[str, int] = dict.fromkeys(self._scripts, 0)
        self._lock = threading.Lock()
        self.requests: list[ModelRequest] = []

    def reply(self, request: ModelRequest) -> Reply | Awaitable[Reply]:
        """The next reply of the script.

        Raises:
            ModelError: when the script is used up.
            Exception: when the script says so.
        """
        line = self._next(request)
        if callable(line) and not isinstance(line, type):
            line = line(request)
            if inspect.isawaitable(line):
                return _later(line)
        return as_reply(line)

    async def _stream_later(self, answer: Awaitable[Reply]) -> AsyncGenerator[str | Reply, None]:
        for piece in _pieces(await answer):
            yield piece

    def stream(self, request: ModelRequest) -> Any:
        """The same reply, its text word by word."""
        answer = self.reply(request)
        return self._stream_later(answer) if not isinstance(answer, Reply) else _pieces(answer)

    def _next(self, request: ModelRequest) -> Any:
        with self._lock:
            self.requests.append(request)
            who = request.agent if self._by_agent else ""
            lines = self._scripts.get(who, [])
            position = self._said.get(who, 0)
            if position >= len(lines):
                whose = f" of {request.agent!r}" if self._by_agent else ""
                message = f"the script{whose} has {len(lines)} replies, and {request.agent!r} was asked once more; add a reply"
                raise ModelError(message)
            self._said[who] = position + 1
            return lines[position]

    def __repr__(self) -> str:
        return f"ScriptedModel({sum(self._said.values())} of {sum(map(len, self._scripts.values()))} replies said)"


def as_reply(line: Any) -> Reply:
    """A line of a script as a reply. An exception is raised."""
    if type(line) is Reply:
        return line
    if isinstance(line, str):
        return Reply(line)
    if isinstance(line, ToolCall):
        return Reply(None, (line,))
    if isinstance(line, BaseException):
        raise line
    if isinstance(line, list | tuple) and all(isinstance(call, ToolCall) for call in line):
        return Reply(None, tuple(line))
    if line is None:
        return Reply()
    if hasattr(line, "model_dump_json"):  # a pydantic value: what an agent with an output type is to say
        return Reply(line.model_dump_json())
    message = (
        f"a script has the reply {line!r:.60}; give text, a ToolCall, a list of them, a Reply, an exception, or a function of the request"
    )
    raise DefinitionError(message)


async def _later(line: Awaitable[Any]) -> Reply:
    return as_reply(await line)


def _pieces(reply: Reply) -> Iterator[str | Reply]:
    yield from _PIECES.findall(reply.text or "")
    yield reply
