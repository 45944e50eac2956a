"""The shell that waits in asyncio: for `arun` and `astream`.

Async models and tools are awaited where they are, with a task for each tool only when several run. What would block the
loop, a synchronous tool or model, goes to a thread.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.reply import Reply
from agentgraph.errors import NoThread
from agentgraph.runtime.drive import KEEP, Arrived, Ask, Call, Leave, Start, drive
from agentgraph.runtime.loop import running_loop
from agentgraph.runtime.observations import BaseObservation, Observation, TextDelta
from agentgraph.runtime.outcome import Outcome, in_thread

if TYPE_CHECKING:
    from agentgraph.engine.events import Event
    from agentgraph.engine.inside import Address
    from agentgraph.runtime.run import Run
    from agentgraph.runtime.tool_run import ToolRun


async def perform(run: Run, said: Any) -> None:
    """Do the whole run, for who waits for its end: one that collects nothing."""
    running_loop()  # asked before anything is done
    driver, at_work = drive(run, said), _AtWork(run)
    answer: Any = None
    try:
        while True:
            wanted = driver.send(answer)
            answer = await (_replied(run, wanted) if type(wanted) is Ask else at_work.answer(wanted))
    except StopIteration:
        return
    finally:
        if not run.is_left:
            run.let_go()
        if at_work.tasks:
            await at_work.cancelled()


async def watch(run: Run, said: Any) -> AsyncGenerator[Observation, None]:
    """Do the whole run; yields what is collected, as it happens."""
    running_loop()  # asked before anything is done
    driver, at_work = drive(run, said), _AtWork(run)
    answer: Any = None
    try:
        while True:
            try:
                wanted = driver.send(answer)
            except StopIteration:
                return
            answer = None
            if isinstance(wanted, BaseObservation):
                yield wanted
            elif type(wanted) is Ask and run.around.streaming:
                async with aclosing(_streamed(run, wanted)) as items:
                    async for item in items:
                        if isinstance(item, BaseObservation):
                            yield item
                        else:
                            answer = item
            else:
                answer = await at_work.answer(wanted)
    finally:
        run.let_go()
        if at_work.tasks:
            await at_work.cancelled()


class _AtWork:
    """What one run waits for: its model, the tool whose turn it is, and those that were started beside it."""

    __slots__ = ("_arrivals", "_run", "tasks")

    def __init__(self, run: Run) -> None:
        self._run = run
        self._arrivals: asyncio.Queue[Any] | None = None
        self.tasks: dict[int, asyncio.Task[None]] = {}

    async def answer(self, wanted: Any) -> Any:
        """What comes of `wanted`."""
        if type(wanted) is Ask:
            return await _replied(self._run, wanted)
        if type(wanted) is Call:
            return await _in_time(self._run, _called(wanted.tool_run), wanted.within)
        if wanted is KEEP:
            return await _kept(self._run)
        if type(wanted) is Leave:
            for number in wanted.numbers:
                if number in self.tasks:
                    self.tasks[number].cancel()
            return None
        self._arrivals = self._arrivals or asyncio.Queue()
        if type(wanted) is not Start:
            return await _in_time(self._run, self._arrivals.get(), None)
        self.tasks[wanted.number] = task = asyncio.create_task(_apart(self._run, wanted, self._arrivals))
        task.add_done_callback(lambda _, number=wanted.number: self.tasks.pop(number, None))  # type: ignore[misc]
        return None

    async def cancelled(self) -> None:
        """Let go of what still runs."""
        left = list(self.tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def _kept(run: Run) -> bool:
    """Keep the step that was taken, without holding up the loop; whether that failed."""
    assert run.journal is not None
    return run.keep() if run.journal.store.instant else (await called_apart(run.keep)).open()


async def _in_time(run: Run, waited: Coroutine[Any, Any, Any], within: Address | None) -> Any:
    """What `waited` gives, or, when the time is up of what is `within` these calls, the event that says so."""
    left = run.seconds_left(within)
    if left is None:
        return await waited
    try:
        return await _within(left, waited)
    except TimeoutError:
        return run.time_up(within)


async def _within(seconds: float | None, waited: Awaitable[Any]) -> Any:
    if seconds is None:
        return await waited
    async with asyncio.timeout(seconds):
        return await waited


# -- models ------------------------------------------------------------------------------------------------------------


async def _replied(run: Run, ask: Ask) -> Event:
    try:
        if not run.deadlines and _is_async(ask.model.reply):  # most runs, and the fewest coroutines
            return run.answered(await ask.model.reply(ask.request))
        return run.answered(await _within(run.seconds_left(ask.within), _reply(ask)))
    except Exception as error:  # noqa: BLE001 - whatever a provider raises ends the run, not the program
        return run.not_answered(error, ask.within)


async def _reply(ask: Ask) -> Reply:
    reply = ask.model.reply
    if _is_async(reply):
        return await reply(ask.request)  # type: ignore[no-any-return]
    answer = reply(ask.request) if getattr(ask.model, "instant", False) else (await called_apart(lambda: reply(ask.request))).open()
    return await answer if inspect.isawaitable(answer) else answer  # type: ignore[no-any-return]


def _is_async(function: Any) -> bool:
    """Whether it is an `async def`; `inspect` finds out the same, at several times the price."""
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_COROUTINE)


async def _streamed(run: Run, ask: Ask) -> AsyncGenerator[Observation | Event, None]:
    agent, structured, around = ask.request.agent, ask.request.output is not None, ask.within
    answer: Event
    try:
        async with aclosing(_pieces(ask)) as items:
            while not isinstance(item := await _within(run.seconds_left(around), anext(items, None)), Reply):
                if item is None:
                    raise ConnectionError(f"the stream for {agent!r} ended without a reply")
                yield TextDelta(agent=agent, text=item, structured=structured, within=around)
        answer = run.answered(item)
    except Exception as error:  # noqa: BLE001 - whatever a provider raises ends the run, not the program
        answer = run.not_answered(error, around)
    yield answer  # outside of the `try`: nothing may be yielded while the generator is being closed


async def _pieces(ask: Ask) -> AsyncGenerator[str | Reply, None]:
    stream = getattr(ask.model, "stream", None)
    if stream is None:
        whole: Any = await _reply(ask)
        if isinstance(whole, Reply) and whole.text:
            yield whole.text
        yield whole
        return
    pieces: Any = stream(ask.request)
    if not hasattr(pieces, "__anext__"):
        instant, step = getattr(ask.model, "instant", False), partial(next, pieces, None)
        while (item := step() if instant else (await called_apart(step)).open()) is not None:
            yield item
        return
    async with aclosing(pieces):
        async for item in pieces:
            yield item


# -- beside others -----------------------------------------------------------------------------------------------------


async def _apart(run: Run, start: Start, arrivals: asyncio.Queue[Any]) -> None:
    work = start.work
    if isinstance(work, Call):
        arrivals.put_nowait(Arrived(start.number, await _called(work.tool_run)))
        return
    try:
        if not run.around.streaming:
            arrivals.put_nowait(Arrived(start.number, await _replied(run, work)))
            return
        async with aclosing(_streamed(run, work)) as items:
            async for item in items:
                arrivals.put_nowait(Arrived(start.number, item))
    except BaseException as error:
        if _is_cancelled(error):
            raise
        arrivals.put_nowait(Arrived(start.number, run.not_answered(error, work.within)))


# -- tools -------------------------------------------------------------------------------------------------------------


async def _called(tool_run: ToolRun) -> Event:
    """Execute a tool."""
    try:
        outcome = await _within(tool_run.tool.timeout, _attempted(tool_run))
        return tool_run.done(outcome.open())
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if _is_cancelled(error):
            raise
        return tool_run.failed(error)


def _is_cancelled(error: BaseException) -> bool:
    """Whether it is the run that is cancelled, not something of the user's own."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and (task is None or bool(task.cancelling()))


async def _attempted(tool_run: ToolRun) -> Outcome[Any]:
    """What one attempt comes to; opened by who called, since no StopIteration leaves a coroutine as itself."""
    if tool_run.tool.is_async:
        return Outcome(await tool_run.attempt())
    outcome = await called_apart(tool_run.attempt, or_here=tool_run.tool.timeout is None)
    return Outcome(await outcome.open()) if outcome.is_awaitable else outcome


async def called_apart(function: Callable[[], Any], *, or_here: bool = True) -> Outcome[Any]:
    """What `function` comes to, called in a thread; a cancelled wait leaves the thread behind, unheard.

    Where no thread can be had it holds up the loop, or, where its wait is to be bounded, is not called.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[Outcome[Any]] = loop.create_future()

    def deliver(outcome: Outcome[Any]) -> None:
        try:
            loop.call_soon_threadsafe(_settle, arrived, outcome)
        except RuntimeError:  # the loop was closed while the thread was still at work: nobody waits any more
            return

    try:
        in_thread(function, deliver)
    except NoThread as none:
        return Outcome.of(function) if or_here else Outcome(error=none)
    return await arrived


def _settle(future: asyncio.Future[Outcome[Any]], outcome: Outcome[Any]) -> None:
    if not future.done():
        future.set_result(outcome)
