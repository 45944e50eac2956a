"""The order of a run's work, without any waiting: which effect is next, what may go on beside it, when it is over.

`drive` is a generator. It yields what is to be waited for, and is sent what came of it; observations it yields for who
collects them. Both shells, `threads.py` and `tasks.py`, answer it, and differ in nothing but how they wait. There is one for
a run, whatever goes on inside its calls.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agentgraph.engine.effects import AskApproval, CallModel, Effect, Finish, RunTool
from agentgraph.engine.events import TimeUp
from agentgraph.engine.inside import conversation_at
from agentgraph.engine.turn import is_due
from agentgraph.runtime.observations import BaseObservation, Observation
from agentgraph.runtime.tool_run import ToolRun

if TYPE_CHECKING:
    from collections.abc import Generator

    from agentgraph.engine.events import Event
    from agentgraph.engine.inside import Address
    from agentgraph.runtime.run import Run


class Ask(Struct, frozen=True, gc=False):
    """Ask this model; send back what it replied, as an event."""

    model: Any
    request: Any
    within: Address = ()


class Call(Struct, frozen=True):
    """Run this tool; send back what came of it."""

    tool_run: ToolRun
    within: Address = ()


class Start(Struct, frozen=True):
    """Start this beside others; what comes of it arrives later, with this number."""

    number: int
    work: Ask | Call


class Arrived(Struct, frozen=True):
    """Something has come of what was started with this number: an event, or, before it, an observation."""

    number: int
    item: Any


class Leave(Struct, frozen=True):
    """What was started with these numbers is not waited for any more."""

    numbers: tuple[int, ...]


class Await(Struct, frozen=True):
    """Wait for the next thing to arrive of what was started; send it back. Or the event that says that time is up."""


class Keep(Struct, frozen=True):
    """Keep the step that was taken; send back whether that failed."""


ARRIVAL = Await()
KEEP = Keep()
Wanted = Ask | Call | Start | Await | Leave | Keep | Observation
_SLOW = (RunTool, CallModel)


def drive(run: Run, said: Any) -> Generator[Wanted, Any, None]:
    """Do the whole run. The run's context is current at every yield."""
    waiting: deque[Effect] = deque(run.begin(said))
    _put_people_first(waiting)
    begun: dict[int, Effect] = {}
    numbers = count()
    is_new = True  # what waits is all of the last step: due, without looking
    while (run.unkept is None or not (yield KEEP)) and (waiting or begun) and not run.is_left:
        while run.outbox:
            yield run.outbox.popleft()
        event: Event | None
        effect = _next(waiting, begun, run.around.config.tool_concurrency) if waiting else None
        if effect is None:
            arrived: Arrived | Event = yield ARRIVAL
            if not isinstance(arrived, Arrived):
                event = arrived
            elif arrived.number not in begun:  # its conversation is over
                continue
            elif isinstance(arrived.item, BaseObservation):
                run.tell(arrived.item)  # type: ignore[arg-type]
                continue
            else:
                event = _of(arrived.item, begun.pop(arrived.number))
        elif not (is_new or is_due(run.context, effect)):  # planned before something that has answered it
            continue
        elif run.deadlines and (late := run.late()) is not None:
            waiting.appendleft(effect)
            event = late
        elif isinstance(effect, _SLOW):
            work = run.work(effect)
            while run.outbox:
                yield run.outbox.popleft()
            if not isinstance(work, Ask | Call):
                event = work
            elif (begun or any(isinstance(other, _SLOW) for other in waiting)) and not (isinstance(work, Ask) and _is_instant(work)):
                number = next(numbers)
                begun[number] = effect
                yield Start(number, work)
                continue
            else:
                event = _of((yield work), effect)
        else:
            event = run.decide(effect)
        if event is not None:
            is_new = not waiting
            waiting.extend(run.feed(event))
            if len(waiting) > 1:
                _put_people_first(waiting)
            if begun and event.within and (left := _over(run, begun, event.within)):
                for number in left:
                    del begun[number]
                yield Leave(left)
    run.close()
    while run.outbox:
        yield run.outbox.popleft()


def _of(event: Event, effect: Effect) -> Event:
    """What came of `effect`, as an event of its conversation."""
    within = () if isinstance(effect, Finish) else effect.within
    return event.at(within) if within and type(event) is not TimeUp else event


def _next(waiting: deque[Effect], begun: dict[int, Effect], most: int | None) -> Effect | None:
    """The first that can be done now. Not more than `most` tools run at once, wherever in the run they are."""
    if most is None or len(begun) < most or sum(type(effect) is RunTool for effect in begun.values()) < most:
        return waiting.popleft()
    for i, effect in enumerate(waiting):
        if type(effect) is not RunTool:
            del waiting[i]
            return effect
    return None


def _is_instant(work: Ask) -> bool:
    return bool(getattr(work.model, "instant", False))


def _over(run: Run, begun: dict[int, Effect], within: Address) -> tuple[int, ...]:
    """What was begun in a conversation that is over with a step of the one inside these calls."""
    depth = next((n for n in range(1, len(within) + 1) if conversation_at(run.context, within[:n]) is None), None)
    if depth is None:
        return ()
    return tuple(number for number, effect in begun.items() if not isinstance(effect, Finish) and effect.within[:depth] == within[:depth])


def _put_people_first(waiting: deque[Effect]) -> None:
    """People are asked before tools run, so that a run does the same when it is taken up from its context."""
    if len(waiting) > 1 and any(type(effect) is AskApproval for effect in waiting):
        first = sorted(waiting, key=lambda effect: type(effect) is not AskApproval)
        waiting.clear()
        waiting.extend(first)
