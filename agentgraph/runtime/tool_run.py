"""Executing one tool once: its arguments, the context it is handed, and what came of it as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.shown import shown
from agentgraph.conversation.text import as_json
from agentgraph.definition.decision import Unset
from agentgraph.definition.tool_context import ToolContext
from agentgraph.engine.events import AttemptFailed, ToolReturned

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.tool import Tool


class LetGo(Exception):
    """An execution was to begin after its run was over."""


class ToolRun:
    """One execution of one call, ready to begin."""

    __slots__ = ("_permit", "arguments", "call", "handed", "snapshot", "tool")

    def __init__(self, tool: Tool, call: ToolCall, snapshot: Context, deps: Any, origin: Callable[[], str]) -> None:
        self.tool, self.call, self.snapshot = tool, call, snapshot
        self._permit = [None]  # whoever takes it decides: `attempt` to begin, `let_go` that it never does. `pop` is one bytecode
        self.handed = ToolContext(snapshot, call.id, tool.name, deps, origin)
        self.arguments: dict[str, Any] = tool.arguments.check(thaw(call.arguments))
        if tool.context_parameter is not None:
            self.arguments = {**self.arguments, tool.context_parameter: self.handed}

    def attempt(self) -> Any:
        """Call the function. What an async tool returns is to be awaited at once: it begins there.

        Raises:
            LetGo: when the run was over before it began.
        """
        self._begin()
        return self.tool(**self.arguments)

    async def attempt_later(self) -> Any:
        """Call an async function where this is awaited, which may be later and elsewhere; as `attempt`."""
        answer: Coroutine[Any, Any, Any] = self.attempt()
        return await answer

    def _begin(self) -> None:
        try:
            self._permit.pop()
        except IndexError:
            raise LetGo from None

    def let_go(self) -> None:
        """See that it does not begin any more, unless it has."""
        self._permit.clear()

    def done(self, value: Any) -> ToolReturned:
        """It came back."""
        if isinstance(value, Unset):
            return ToolReturned(self.call.id, as_json(value.value), unset=True, updates=self.handed.updates)
        return ToolReturned(self.call.id, as_json(value), updates=self.handed.updates)

    def failed(self, error: BaseException) -> ToolReturned | AttemptFailed:
        """It failed: for good, where it is not to be tried again. What it changed before that is not kept, and it begins no more."""
        self.let_go()
        said = self._said(error)
        return AttemptFailed(self.call.id, said) if self.tool.retries else ToolReturned(self.call.id, error=said)

    def _said(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError) and self.tool.timeout is not None and not shown(error):
            return f"{self.tool.name!r} did not answer within {self.tool.timeout:g} seconds"
        text = shown(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
