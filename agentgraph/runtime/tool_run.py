"""Running one tool: its arguments, the context it is handed, retries, and what came of it as an event."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
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
        if isinstance(error, TimeoutError) and self.tool.timeout is not None and not shown(error):
            return f"{self.tool.name!r} did not answer within {self.tool.timeout:g} seconds"
        text = shown(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__

    def start_over(self) -> None:
        """Forget what a failed attempt changed."""
        self.handed = ToolContext(self.snapshot, self.call.id, self.tool.name)
        self.arguments: dict[str, Any] = self.tool.arguments.check(thaw(self.call.arguments))
        if self.tool.context_parameter is not None:
            self.arguments = {**self.arguments, self.tool.context_parameter: self.handed}


def shown(error: BaseException) -> str:
    """`str(error)`, or what can be said of an exception that fails at that."""
    try:
        return str(error)
    except Exception as wrong:  # noqa: BLE001 - the exception is the user's code too
        return f"(it cannot be shown: {type(wrong).__name__})"


class Outcome(Generic[T]):
    """What a call came to: a value, or what it raised. Opening it gives the one or raises the other.

    It carries what must not end the thread or task it was raised in: a SystemExit in the background loop would end the loop.
    """

    __slots__ = ("_error", "_value")

    def __init__(self, value: Any = None, error: BaseException | None = None) -> None:
        self._value, self._error = value, error

    @classmethod
    def of(cls, function: Callable[[], T]) -> Outcome[T]:
        """What calling `function` comes to."""
        try:
            return cls(function())
        except BaseException as error:  # noqa: BLE001 - raised again where it is opened
            return cls(error=error)

    @classmethod
    async def awaited(cls, answer: Awaitable[T]) -> Outcome[T]:
        """What awaiting `answer` comes to. Only a cancellation of the waiting itself goes through."""
        try:
            return cls(await answer)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return cls(error=error)
        except BaseException as error:  # noqa: BLE001 - raised again where it is opened
            return cls(error=error)

    @property
    def is_awaitable(self) -> bool:
        """Whether the value is still to be awaited."""
        return inspect.isawaitable(self._value)

    def open(self) -> T:
        """The value.

        Raises:
            BaseException: what the call raised.
        """
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[no-any-return]


def in_thread(function: Callable[[], T], deliver: Callable[[Outcome[T]], object]) -> None:
    """Call `function` in a daemon thread that carries the caller's context variables, and deliver what came of it.

    A daemon, because a tool that never returns must not keep the process from ending.
    """
    context = contextvars.copy_context()

    def work() -> None:
        deliver(Outcome.of(lambda: context.run(function)))

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
