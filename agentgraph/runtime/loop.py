"""One event loop in a background thread, for what is asynchronous and must be awaited from a thread.

Providers' clients keep connections that belong to the loop they were opened in. One loop for all of them, alive as long
as the process, is what keeps them usable from any number of threads and loops.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from typing import Any, TypeVar

T = TypeVar("T")
_DONE = object()
_PATIENCE = 5.0  # seconds for what was cancelled to come to its end


class BackgroundLoop:
    """An event loop that starts when it is first needed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine` there; context variables of the caller go with it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._started())

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Wait for `coroutine`. When the wait is given up, so is the coroutine.

        Raises:
            TimeoutError: after `timeout` seconds.
            RuntimeError: when called in the loop itself, where waiting would be for ever.
        """
        if self.is_current():
            coroutine.close()
            raise RuntimeError("a synchronous run was started inside an async tool or model; use 'await runner.arun(...)' there")
        future = self.submit(coroutine)
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    async def await_(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await `coroutine`, which runs in this loop, from any loop."""
        if self.is_current():
            return await coroutine
        return await asyncio.wrap_future(self.submit(coroutine))

    def iterate(self, generator: AsyncGenerator[T, None], seconds_left: Callable[[], float | None]) -> Generator[T, None, None]:
        """The items of `generator`, which runs in this loop, for a thread. It is closed also when the iteration is abandoned.

        Raises:
            TimeoutError: when there are no seconds left to wait for the next one.
        """
        turn = asyncio.Lock()
        try:
            while (item := self.run(_next(generator, turn), seconds_left())) is not _DONE:
                yield item  # type: ignore[misc]
        finally:
            closing = self._closing(generator, turn)
            # The garbage collector finds abandoned streams in any thread: in the loop's own, and in one that holds what the loop needs.
            if closing is not None and not self.is_current():
                wait([closing], _PATIENCE)

    def aiterate(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The items of `generator`, which runs in this loop, for any loop. It is closed also when the iteration is abandoned."""
        return generator if self.is_current() else self._aiterated(generator)

    async def _aiterated(self, generator: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        turn = asyncio.Lock()
        try:
            while (item := await self.await_(_next(generator, turn))) is not _DONE:
                yield item  # type: ignore[misc]
        finally:
            # Not waited for: a loop that ends closes all its generators at once, and one that waits is in the way of those around it.
            self._closing(generator, turn)

    def is_current(self) -> bool:
        """Whether the caller runs in this loop."""
        return self._thread is not None and threading.current_thread() is self._thread

    def close(self) -> None:
        """Stop the loop: cancel what runs, wait for it, close generators, stop, join. It starts again when needed."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None or not thread.is_alive():
            return
        wait([asyncio.run_coroutine_threadsafe(_emptied(), loop)], _PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        if not thread.is_alive():
            loop.close()

    def _closing(self, generator: AsyncGenerator[Any, None], turn: asyncio.Lock) -> Future[None] | None:
        """The closing of `generator`, under way. None when the loop has ended: then it was closed with it, and no loop is started for it."""
        with self._lock:
            return None if self._loop is None else asyncio.run_coroutine_threadsafe(_closed(generator, turn), self._loop)

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._thread is None or not self._thread.is_alive():
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="agentgraph-loop", daemon=True)
                self._thread.start()
            return self._loop

    def forget(self) -> None:
        """After a fork: the thread is not here, so the loop is not usable here."""
        self._lock = threading.RLock()
        self._loop = self._thread = None


async def _next(generator: AsyncGenerator[T, None], turn: asyncio.Lock) -> T | object:
    async with turn:
        return await anext(generator, _DONE)


async def _closed(generator: AsyncGenerator[Any, None], turn: asyncio.Lock) -> None:
    async with turn:  # a wait that was given up is still coming to its end, and a generator that runs cannot be closed
        await generator.aclose()


async def _emptied() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


LOOP = BackgroundLoop()
"""The process's own. Shared by every runner."""

atexit.register(LOOP.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=LOOP.forget)
