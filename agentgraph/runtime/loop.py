"""One event loop in a background thread, for what is asynchronous and must be awaited from a thread.

Providers' clients keep connections that belong to the loop they were opened in. One loop for all of them, alive as long
as the process, is what keeps them usable from any number of threads and loops.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import selectors
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Any, Generic, TypeVar

from agentgraph.errors import DefinitionError
from agentgraph.runtime.leaving import Open
from agentgraph.runtime.outcome import Outcome, started
from agentgraph.runtime.parent import leave_to_the_parent

T = TypeVar("T")
_DONE = object()
_PATIENCE = 5.0  # seconds for what was cancelled to come to its end


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that the caller runs in.

    Raises:
        DefinitionError: where that is no loop of asyncio's.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise DefinitionError(
            "a run was awaited outside asyncio; arun, aresume and astream need an event loop of asyncio's, as of asyncio.run(...): "
            "elsewhere, such as in trio, call runner.run(...) in a thread"
        ) from None


class BackgroundLoop:
    """An event loop that starts when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._at_close: list[Callable[[], Awaitable[object]]] = []
        self._at_fork: list[Callable[[], object]] = []
        self._selector: selectors.BaseSelector | None = None
        self._open: set[AsyncGenerator[Any, None]] = set()
        """Generators that are being iterated. Kept, so that the garbage collector closes none while `closing` does, in another thread."""

    def on_close(self, function: Callable[[], Awaitable[object]]) -> None:
        """Await `function()` in the loop before it ends: for clients whose connections were opened in it."""
        self._at_close.append(function)
        if self is LOOP:  # what was imported until now has exit handlers of its own, which must find its clients closed
            atexit.unregister(self.close)
            atexit.register(self.close)

    def on_fork(self, function: Callable[[], object]) -> None:
        """Call `function()` in the child of a fork: for clients whose connections are the parent's, to be left alone here."""
        self._at_fork.append(function)

    def _submitted(self, answer: Awaitable[T]) -> Future[Outcome[T]]:
        """Have `answer` awaited there; context variables of the caller go with it. Where there can be no loop, it is closed."""
        try:
            loop = self._started()
        except BaseException:
            if inspect.iscoroutine(answer):
                answer.close()
            raise
        return asyncio.run_coroutine_threadsafe(Outcome.awaited(answer), loop)

    def run(self, answer: Awaitable[T], timeout: float | None = None) -> T:
        """Wait for `answer`. When the wait is given up, so is what it waits for.

        Raises:
            TimeoutError: after `timeout` seconds.
            NoThread: when none can be had for the loop.
            BaseException: what `answer` raises, which ends nothing but this call: a SystemExit does not end the loop.
        """
        future = self._submitted(answer)
        try:
            return future.result(timeout).open()
        except BaseException:
            future.cancel()
            raise

    async def await_(self, answer: Awaitable[T]) -> T:
        """Await `answer`, which runs in this loop, from any loop."""
        if self.is_current():
            return await answer
        return (await asyncio.wrap_future(self._submitted(answer))).open()

    def refuse_waiting(self) -> None:
        """Refuse to hold up the loop: whoever waits in it, waits for ever as soon as what is waited for needs it, in whichever thread.

        Raises:
            DefinitionError: in the loop itself.
        """
        if self.is_current():
            raise DefinitionError("a synchronous run was started inside an async tool or model; use 'await runner.arun(...)' there")

    def iterate(self, generator: AsyncGenerator[T, None], seconds_left: Callable[[], float | None]) -> Items[T]:
        """The items of `generator`, which runs in this loop, for a thread; closed by a `with`, also one that is abandoned."""
        self._open.add(generator)
        return Items(self, generator, seconds_left)

    def aiterate(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The items of `generator`, which runs in this loop, for any loop. It is closed also when the iteration is abandoned."""
        return generator if self.is_current() else self._aiterated(generator)

    async def _aiterated(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        turn = asyncio.Lock()
        self._open.add(generator)
        try:
            while (item := await self.await_(_next(generator, turn))) is not _DONE:
                yield item  # type: ignore[misc]
        finally:
            # Not waited for: a loop that ends closes all its generators at once, and one that waits is in the way of those around it.
            self.closing(generator, turn)

    def is_current(self) -> bool:
        """Whether the caller runs in this loop."""
        return self._thread is not None and threading.current_thread() is self._thread

    def close(self) -> None:
        """Stop the loop: cancel what runs, wait for it, close generators, stop, join. It starts again when needed."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None or not thread.is_alive():
            return
        wait([asyncio.run_coroutine_threadsafe(_emptied(tuple(self._at_close)), loop)], _PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        if not thread.is_alive():
            loop.close()

    def closing(self, generator: AsyncGenerator[Any, None], turn: asyncio.Lock) -> Future[None] | None:
        """The closing of `generator`, under way. None when the loop has ended: then it was closed with it, and no loop is started for it.

        The garbage collector may be who calls, in any thread. So no lock is taken; and the coroutine is made in the loop, since one that
        is not taken up any more would complain.
        """
        loop, over = self._loop, Future[None]()
        try:
            if loop is not None:
                loop.call_soon_threadsafe(_begin_to_close, generator, turn, over)
                return over
        except RuntimeError:  # it has ended just now
            pass
        finally:
            self._open.discard(generator)  # what closes it holds it now
        return None

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                loop = self._made()
                try:
                    self._thread = started("agentgraph-loop", loop.run_forever)
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop
            return self._loop

    def _made(self) -> asyncio.AbstractEventLoop:
        """A new loop. Where there are forks, on a selector of ours, which a child can let go of."""
        if not hasattr(os, "fork"):
            return asyncio.new_event_loop()
        self._selector = selectors.DefaultSelector()
        return asyncio.SelectorEventLoop(self._selector)

    def forget(self) -> None:
        """After a fork: the thread is not here, so the loop is not usable here.

        What watches the connections is one epoll for both, and a connection that is closed here would go unheard there: so
        the selector lets go of it and begins anew. The loop is kept, so that no other is taken for it by its id.
        """
        leave_to_the_parent(self._loop)
        if self._selector is not None:
            leave_to_the_parent(list(self._selector.get_map().values()))  # the streams that wait for something
            with suppress(OSError):  # a kqueue is not inherited
                self._selector.close()
            self._selector.__init__()  # type: ignore[misc]
        self._lock = threading.RLock()
        self._loop = self._thread = self._selector = None
        for function in self._at_fork:
            function()


class Items(Open, Iterator[T], Generic[T]):
    """The items of a generator that runs in a loop of its own, for a thread."""

    def __init__(self, loop: BackgroundLoop, generator: AsyncGenerator[T, None], seconds_left: Callable[[], float | None]) -> None:
        self._loop, self._generator, self._seconds_left = loop, generator, seconds_left
        self._turn = asyncio.Lock()

    def __next__(self) -> T:
        """The next one.

        Raises:
            TimeoutError: when there are no seconds left to wait for it.
        """
        item = self._loop.run(_next(self._generator, self._turn), self._seconds_left())
        if item is _DONE:
            raise StopIteration
        return item  # type: ignore[return-value]

    def close(self) -> None:
        """Close the generator. In the loop itself nobody waits for that: it would be for ever."""
        closing = self._loop.closing(self._generator, self._turn)
        if closing is not None and not self._loop.is_current():
            wait([closing], _PATIENCE)

    def let_go(self) -> None:
        """See `Open.let_go`."""
        self._loop.closing(self._generator, self._turn)


async def _next(generator: AsyncGenerator[T, None], turn: asyncio.Lock) -> T | object:
    async with turn:
        return await anext(generator, _DONE)


async def _closed(generator: AsyncGenerator[Any, None], turn: asyncio.Lock) -> None:
    async with turn:  # a wait that was given up is still coming to its end, and a generator that runs cannot be closed
        await generator.aclose()


def _begin_to_close(generator: AsyncGenerator[Any, None], turn: asyncio.Lock, over: Future[None]) -> None:
    def end(closing: asyncio.Task[None]) -> None:
        if not closing.cancelled():
            closing.exception()  # what a model's own closing raises is in nobody's way
        over.set_result(None)

    asyncio.ensure_future(_closed(generator, turn)).add_done_callback(end)


async def _emptied(at_close: tuple[Callable[[], Awaitable[object]], ...]) -> None:
    """End what runs, then what it ran on: tasks first, so that nobody uses a client while it is being closed."""
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for function in at_close:
        with suppress(Exception):  # one that fails is not in the way of the others
            await function()
    await asyncio.get_running_loop().shutdown_asyncgens()


LOOP = BackgroundLoop()
"""The process's own. Shared by every runner."""

atexit.register(LOOP.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOP.forget)
