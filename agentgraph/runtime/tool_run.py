"""Running one tool: its arguments, the context it is handed, retries, and what came of it as an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.shown import shown
from agentgraph.conversation.text import as_json
from agentgraph.definition.tool_context import ToolContext
from agentgraph.engine.events import ToolReturned

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.tool import Tool


class ToolRun:
    """One call of one tool, ready to run."""

    __slots__ = ("arguments", "call", "deps", "handed", "origin", "snapshot", "tool")

    def __init__(self, tool: Tool, call: ToolCall, snapshot: Context, deps: Any, origin: Callable[[], str]) -> None:
        self.tool, self.call, self.snapshot, self.deps, self.origin = tool, call, snapshot, deps, origin
        self.start_over()

    def attempt(self) -> Any:
        """Call the function once. What an async tool returns is still to be awaited."""
        return self.tool(**self.arguments)

    def done(self, value: Any) -> ToolReturned:
        """It came back."""
        return ToolReturned(self.call.id, as_json(value), updates=self.handed.updates)

    def failed(self, error: BaseException) -> ToolReturned:
        """It failed for good. What it changed before that is not kept."""
        return ToolReturned(self.call.id, error=self._said(error))

    def _said(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError) and self.tool.timeout is not None and not shown(error):
            return f"{self.tool.name!r} did not answer within {self.tool.timeout:g} seconds"
        text = shown(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    def start_over(self) -> None:
        """Forget what a failed attempt changed."""
        self.handed = ToolContext(self.snapshot, self.call.id, self.tool.name, self.deps, self.origin)
        self.arguments: dict[str, Any] = self.tool.arguments.check(thaw(self.call.arguments))
        if self.tool.context_parameter is not None:
            self.arguments = {**self.arguments, self.tool.context_parameter: self.handed}
