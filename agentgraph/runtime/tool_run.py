"""Running one tool: its arguments, the context it is handed, retries, and what came of it as an event."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.text import as_json
from agentgraph.definition.tool_context import ToolContext
from agentgraph.engine.events import ToolReturned

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.definition.tool import Tool

T = TypeVar("T")


class ToolRun:
    """One call of one tool, ready to run."""

    __slots__ = ("arguments", "call", "handed", "snapshot", "tool")

    def __init__(self, tool: Tool, call: ToolCall, snapshot: Context) -> None:
        self.tool, self.call, self.snapshot = tool, call, snapshot
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
        if isinstance(error, TimeoutError) and self.tool.timeout is not None and not str(error):
            return f"{self.tool.name!r} did not answer within {self.tool.timeout:g} seconds"
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def start_over(self) -> None:
        """Forget what a failed attempt changed."""
        self.handed = ToolContext(self.snapshot, self.call.id, self.tool.name)
        self.arguments: dict[str, Any] = self.tool.arguments.check(thaw(self.call.arguments))
        if self.tool.context_parameter is not None:
            self.arguments = {**self.arguments, self.tool.context_parameter: self.handed}


class Outcome(Generic[T]):
    """What a call came to: a value, or what it raised. Opening it gives the one or raises the other."""

    __slots__ = ("_error", "_value")

    def __init__(self, function: Callable[[], T]) -> None:
        self._error: BaseException | None = None
        try:
            self._value = function()
        except BaseException as error:  # noqa: BLE001 - raised again where it is opened
            self._error = error

    def open(self) -> T:
        """The value.

        Raises:
            BaseException: what the call raised.
        """
        if self._error is not None:
            raise self._error
        return self._value


def in_thread(function: Callable[[], T], deliver: Callable[[Outcome[T]], object]) -> None:
    """Call `function` in a daemon thread that carries the caller's context variables, and deliver what came of it.

    A daemon, because a tool that never returns must not keep the process from ending.
    """
    context = contextvars.copy_context()

    def work() -> None:
        deliver(Outcome(lambda: context.run(function)))

    threading.Thread(target=work, name="agentgraph-tool", daemon=True).start()


def within(seconds: float, function: Callable[[], T]) -> T:
    """Call `function`, but wait no longer than `seconds`.

    Raises:
        TimeoutError: when it has not returned by then. Python cannot stop it: it goes on, unheard.
    """
    arrived: SimpleQueue[Outcome[T]] = SimpleQueue()
    in_thread(function, arrived.put)
    try:
        outcome = arrived.get(timeout=max(seconds, 0.0))
    except Empty:
        raise TimeoutError from None
    return outcome.open()
