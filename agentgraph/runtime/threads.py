"""The shell that waits in threads: for `run` and `stream`.

A single tool runs in the caller's thread; several of one reply run in threads of their own. No event loop is needed,
so it works inside a running one too, as in a notebook.
"""

from __future__ import annotations

import inspect
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.reply import Reply
from agentgraph.errors import NoThread
from agentgraph.runtime.drive import KEEP, Arrived, Ask, Call, Leave, Start, drive
from agentgraph.runtime.leaving import Pieces
from agentgraph.runtime.loop import LOOP
from agentgraph.runtime.observations import BaseObservation, Observation, TextDelta
from agentgraph.runtime.outcome import Outcome, in_thread, within

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from agentgraph.engine.events import Event
    from agentgraph.runtime.run import Run
    from agentgraph.runtime.tool_run import ToolRun


_Arrivals = SimpleQueue[Any]
"""What comes of what was started beside others."""


def perform(run: Run, said: Any) -> None:
    """Do the whole run, for who waits for its end: one that collects nothing."""
    LOOP.refuse_waiting()
    driver = drive(run, said)
    arrivals: _Arrivals = SimpleQueue()
    answer: Any = None
    try:
        while True:
            wanted = driver.send(answer)
            answer = _replied(run, wanted) if type(wanted) is Ask else _answer(run, wanted, arrivals)
    except StopIteration:
        return
    finally:
        if not run.is_left:
            run.let_go()


def watch(run: Run, said: Any) -> Generator[Observation, None, None]:
    """Do the whole run; yields what is collected, as it happens."""
    LOOP.refuse_waiting()
    driver = drive(run, said)
    arrivals: _Arrivals = SimpleQueue()
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
                answer = yield from _streamed(run, wanted)
            else:
                answer = _answer(run, wanted, arrivals)
    finally:
        run.let_go()


def _at_least_0(seconds: float | None) -> float | None:
    return None if seconds is None else max(seconds, 0.0)


def _answer(run: Run, wanted: Any, arrivals: _Arrivals) -> Any:
    """What comes of `wanted`."""
    if type(wanted) is Ask:
        return _replied(run, wanted)
    if type(wanted) is Call:
        return _called_in_time(run, wanted)
    if type(wanted) is Start:
        return _start(run, wanted, arrivals)
    if type(wanted) is Leave:  # a thread cannot be stopped: it goes on, unheard
        return None
    if wanted is KEEP:
        return run.keep()
    try:
        return arrivals.get(timeout=_at_least_0(run.seconds_left()))
    except Empty:
        return run.time_up()


# -- models ------------------------------------------------------------------------------------------------------------


def _replied(run: Run, ask: Ask) -> Event:
    try:
        if run.deadlines:
            return run.answered(_whole(run, ask))
        reply = ask.model.reply(ask.request)
        return run.answered(reply if type(reply) is Reply else _waited_for(reply))
    except Exception as error:  # noqa: BLE001 - whatever a provider raises ends the run, not the program
        return run.not_answered(error, ask.within)


def _whole(run: Run, ask: Ask) -> Any:
    left = run.seconds_left(ask.within)
    if left is None:
        return _waited_for(ask.model.reply(ask.request))
    return within(left, lambda: _waited_for(ask.model.reply(ask.request), left), or_here=True)


def _streamed(run: Run, ask: Ask) -> Generator[Observation, None, Event]:
    try:
        reply = yield from _pieces(ask, run)
        return run.answered(reply)
    except Exception as error:  # noqa: BLE001 - whatever a provider raises ends the run, not the program
        return run.not_answered(error, ask.within)


def _pieces(ask: Ask, run: Run) -> Generator[Observation, None, Reply]:
    agent, structured, around = ask.request.agent, ask.request.output is not None, ask.within
    stream = getattr(ask.model, "stream", None)
    if stream is None:
        whole: Any = _whole(run, ask)
        if isinstance(whole, Reply) and whole.text:
            yield TextDelta(agent=agent, text=whole.text, structured=structured, within=around)
        return whole  # type: ignore[no-any-return]
    pieces: Any = stream(ask.request)
    with LOOP.iterate(pieces, partial(run.seconds_left, ask.within)) if hasattr(pieces, "__anext__") else Pieces(pieces) as items:
        for item in items:
            if isinstance(item, Reply):
                return item
            yield TextDelta(agent=agent, text=item, structured=structured, within=around)
    raise ConnectionError(f"the stream for {agent!r} ended without a reply")


def _waited_for(answer: Any, timeout: float | None = None) -> Any:
    if type(answer) is Reply or not inspect.isawaitable(answer):
        return answer
    return LOOP.run(answer, timeout)


# -- beside others -----------------------------------------------------------------------------------------------------


def _start(run: Run, start: Start, arrivals: _Arrivals) -> None:
    work = start.work
    todo: Callable[[], Any] = partial(_called, work.tool_run) if isinstance(work, Call) else partial(_asked_apart, run, start, arrivals)

    def deliver(outcome: Outcome[Any]) -> None:
        arrivals.put(Arrived(start.number, _opened(outcome, run, work)))

    try:
        in_thread(todo, deliver)
    except NoThread:  # then they are run one after the other: in what they come to, their order is kept in any case
        outcome = Outcome.of(todo)
        if outcome.is_interrupt:
            outcome.open()
        deliver(outcome)


def _opened(outcome: Outcome[Any], run: Run, work: Ask | Call) -> Any:
    try:
        return outcome.open()
    except BaseException as error:  # noqa: BLE001 - also a SystemExit: it ends its thread, not the run
        return work.tool_run.failed(error) if isinstance(work, Call) else run.not_answered(error, work.within)


def _asked_apart(run: Run, start: Start, arrivals: _Arrivals) -> Event:
    assert isinstance(start.work, Ask)
    if not run.around.streaming:
        return _replied(run, start.work)
    pieces = _streamed(run, start.work)
    while True:
        try:
            arrivals.put(Arrived(start.number, next(pieces)))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


# -- tools -------------------------------------------------------------------------------------------------------------


def _called_in_time(run: Run, call: Call) -> Event:
    left = run.seconds_left(call.within)
    if left is None:
        return _called(call.tool_run)
    try:
        return within(left, partial(_called, call.tool_run), or_here=True)
    except TimeoutError:
        return run.time_up(call.within)


def _called(tool_run: ToolRun) -> Event:
    """Execute a tool."""
    try:
        return tool_run.done(_attempted(tool_run))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a tool's failure is answered to the model, a SystemExit too
        return tool_run.failed(error)


def _attempted(tool_run: ToolRun) -> Any:
    tool = tool_run.tool
    if tool.is_async:
        return _waited_for(tool_run.attempt_later(), tool.timeout)
    if tool.timeout is None:
        return _waited_for(tool_run.attempt())
    return _waited_for(within(tool.timeout, tool_run.attempt), tool.timeout)
