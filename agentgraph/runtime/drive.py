"""The order of a run's work, without any waiting: which effect is next, what may go on beside it, when it is over.

`drive` is a generator. It yields what is to be waited for, and is sent what came of it; observations it yields for who
collects them. Both shells, `threads.py` and `tasks.py`, answer it, and differ in nothing but how they wait.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgraph.engine.effects import AskApproval, CallModel, Effect, HandleOutput, RunTool
from agentgraph.engine.turn import is_due
from agentgraph.runtime.observations import BaseObservation, Observation
from agentgraph.runtime.tool_run import ToolRun

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentgraph.engine.events import Event
    from agentgraph.runtime.run import Run


class Ask(Struct, frozen=True, gc=False):
    """Ask this model; send back what it replied, as an event."""

    model: Any
    request: Any


class Call(Struct, frozen=True):
    """Run this tool; send back what came of it."""

    tool_run: ToolRun


class Start(Struct, frozen=True):
    """Start this tool beside others; what comes of it arrives later."""

    tool_run: ToolRun


class Await(Struct, frozen=True):
    """Wait for the next thing to arrive from the tools that were started; send it back."""


class Keep(Struct, frozen=True):
    """Keep the step that was taken; send back whether that failed."""


ARRIVAL = Await()
KEEP = Keep()
Wanted = Ask | Call | Start | Await | Keep | Observation


def drive(run: Run, said: Any) -> Generator[Wanted, Any, None]:
    """Do the whole run. The run's context is current at every yield."""
    waiting: deque[Effect] = deque(run.begin(said))
    _put_people_first(waiting)
    most = run.around.config.tool_concurrency
    running = 0
    is_new = True  # what waits is all of the last step: due, without looking
    while (run.unkept is None or not (yield KEEP)) and (waiting or running) and not run.is_left:
        while run.outbox:
            yield run.outbox.popleft()
        if waiting and not (most is not None and running >= most and type(waiting[0]) is RunTool):
            effect = waiting.popleft()
            if not (is_new or is_due(run.context, effect)):  # planned before something that has answered it
                continue
            event: Event | None
            if run.deadline is not None and run.is_late:
                waiting, is_new = deque(run.feed(run.time_up())), True
                continue
            if type(effect) is CallModel:
                try:
                    event = yield Ask(*run.request(effect))
                except Exception as error:  # noqa: BLE001 - no model, or instructions that fail: the run ends, not the program
                    event = run.not_answered(error)
            elif type(effect) is RunTool:
                tool_run = run.tool_run(effect)
                while run.outbox:
                    yield run.outbox.popleft()
                if not isinstance(tool_run, ToolRun):
                    is_new = False
                    waiting.extend(run.feed(tool_run))
                    _put_people_first(waiting)
                    continue
                if running or (waiting and any(type(other) is RunTool for other in waiting)):
                    running += 1
                    yield Start(tool_run)
                    continue
                event = yield Call(tool_run)
            else:
                event = run.handle(effect) if type(effect) is HandleOutput else run.approval(effect)  # type: ignore[arg-type]
        else:
            arrived: Observation | Event = yield ARRIVAL
            if isinstance(arrived, BaseObservation):
                run.tell(arrived)
                continue
            running -= 1
            event = arrived
        if event is not None:
            is_new = not waiting
            waiting.extend(run.feed(event))
            if len(waiting) > 1:
                _put_people_first(waiting)
    run.close()
    while run.outbox:
        yield run.outbox.popleft()


def _put_people_first(waiting: deque[Effect]) -> None:
    """People are asked before tools run, so that a run does the same when it is taken up from its context."""
    if len(waiting) > 1 and any(type(effect) is AskApproval for effect in waiting):
        first = sorted(waiting, key=lambda effect: type(effect) is not AskApproval)
        waiting.clear()
        waiting.extend(first)
