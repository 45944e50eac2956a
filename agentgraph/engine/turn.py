"""The turn machine: three phases, and what each does with each event. Everything else here says how.

    step(machine, context, event) -> Step(context', effects, happened)
    due(context)                  -> effects

Both are total on legal input, deterministic, and touch nothing outside. Laws: every call in the history is answered
exactly once or pending; a later history begins with the earlier one; results are committed in call order, whatever
order they arrive in; performing `due(context)` takes up any context where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from agentgraph.conversation.context import Context, Phase, Progress
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.message import Message
from agentgraph.conversation.usage import NO_USAGE, ONE_REQUEST
from agentgraph.engine import calls as acting
from agentgraph.engine.acted import Acted
from agentgraph.engine.answer import Unusable, may_not_end, read_answer
from agentgraph.engine.continuity import holder, refuse_stranger
from agentgraph.engine.effects import AskApproval, CallModel, Effect, Finish, HandleOutput, RunTool, StopReason
from agentgraph.engine.events import (
    Approved,
    AttemptFailed,
    AttemptLost,
    Cancelled,
    Event,
    ModelFailed,
    ModelReplied,
    OutputHandled,
    TimeUp,
    ToolReturned,
    UserSaid,
)
from agentgraph.engine.limits import spent
from agentgraph.engine.watch import Breach, begun, ended, watching
from agentgraph.engine.wording import CANCELLED, TIME_UP, USER_SPOKE
from agentgraph.errors import IllegalEvent, LimitReached, ModelError, RunCancelled

if TYPE_CHECKING:
    from agentgraph.machine.machine import Machine


_WAITING, _THINKING, _ACTING = Phase.WAITING, Phase.THINKING, Phase.ACTING


class Step(NamedTuple):
    """What follows: the next snapshot, what the outside is newly asked to do, and what happened."""

    context: Context
    effects: tuple[Effect, ...] = ()
    happened: tuple[Happening, ...] = ()


def step(machine: Machine, context: Context, event: Event) -> Step:
    """Follow `context` by one event. O(1) in the length of the history and the size of the graph.

    Raises:
        IllegalEvent: when `context` does not await this event.
        ContextError: when `context` belongs to another topology and cannot go on in this one, or has broken what a monitor demands.
    """
    if context.fingerprint != machine.fingerprint and (context.fingerprint is not None or context.progress is not None):
        refuse_stranger(machine, context)
    if context.watched or machine.monitors:
        context = watching(machine, context)
    progress = context.progress
    phase = _WAITING if progress is None else _ACTING if progress.calls else _THINKING  # as `context.phase`, without the call
    follow = TURN.get((phase, type(event)))
    if follow is None:
        raise IllegalEvent(event, awaited(context))
    if event.elapsed and progress is not None:
        context = replace(context, progress=replace(progress, seconds=progress.seconds + event.elapsed))
    return follow(machine, context, event)


def due(context: Context) -> tuple[Effect, ...]:
    """What the outside still owes, read off the context alone."""
    progress, agent = context.progress, context.agent
    if progress is None or agent is None:
        return ()
    if not progress.calls:
        return (CallModel(agent),)
    owed: list[Effect] = []
    for pending in progress.calls:
        match pending.stage:
            case "started":
                owed.append(RunTool(agent, pending.call, pending.attempt))
            case "asked":
                owed.append(AskApproval(agent, pending.call))
            case "handling" if pending.returned is not None:
                owed.append(HandleOutput(agent, pending.call, pending.returned))
    return tuple(owed)


def is_due(context: Context, effect: Effect) -> bool:
    """Whether the outside still owes `effect`: what was asked for may have been answered, or the run may be over, since. O(calls in hand)."""
    progress = context.progress
    if isinstance(effect, Finish):
        return True
    if progress is None:
        return False
    if isinstance(effect, CallModel):
        return not progress.calls and context.agent == effect.agent
    call_id, stage = effect.call.id, _STAGE[type(effect)]
    return any(
        pending.call.id == call_id and pending.stage == stage and (not isinstance(effect, RunTool) or pending.attempt == effect.attempt)
        for pending in progress.calls
    )


def awaited(context: Context) -> str:
    """What `context` awaits, in words."""
    owed = due(context)
    if not owed:
        return "UserSaid"
    return " or ".join(dict.fromkeys(_ANSWER[type(effect)] for effect in owed))


# -- waiting -----------------------------------------------------------------------------------------------------------


def _user_said(machine: Machine, context: Context, event: UserSaid) -> Step:
    said = Message("user", event.content)
    if not said.content or (type(said.content) is str and said.content.isspace()):
        raise IllegalEvent(event, "a message that is not empty")
    agent, _ = holder(machine, context)
    happened: tuple[Happening, ...] = ()
    if agent != context.agent and not machine.is_inside:
        happened = (machine.entering(agent),)
        if machine.monitors:
            context = begun(machine, context, agent)
    now = replace(
        context,
        agent=agent,
        messages=context.messages.add(said),
        turn=context.turn + 1,
        fingerprint=machine.fingerprint,
        progress=Progress(event.settings),
    )
    return Step(now, (CallModel(agent),), happened)


def _interrupted(machine: Machine, context: Context, event: UserSaid) -> Step:
    """The user speaks while a run is under way, or after one was cut off: what is pending is answered first."""
    closed, before = acting.abandoned(machine, context, USER_SPOKE)
    now, effects, happened = _user_said(machine, closed, event)
    return Step(now, effects, (*before, *happened))


# -- thinking ----------------------------------------------------------------------------------------------------------


def _model_replied(machine: Machine, context: Context, event: ModelReplied) -> Step:
    reply, progress = event.reply, context.progress
    assert progress is not None
    used = ONE_REQUEST if reply.usage is NO_USAGE else reply.usage if reply.usage.requests else replace(reply.usage, requests=1)
    usage = context.usage + used
    if reply.tool_calls:
        progress = replace(progress, model_calls=progress.model_calls + 1, usage=progress.usage + used, note=None)
        return _acted(acting.taken_up(machine, context, reply, usage, progress))
    agent = machine.offer(context.agent or "").agent
    output = read_answer(agent, reply.text)
    if machine.monitors and not isinstance(output, Unusable):
        watched = ended(machine, context)
        if isinstance(watched, Breach):
            output = may_not_end(watched)
        else:
            context = replace(context, watched=watched)
    if isinstance(output, Unusable):
        progress = replace(progress, model_calls=progress.model_calls + 1, usage=progress.usage + used)
        return _asked_again(replace(context, usage=usage, progress=progress), output)
    answer = Message("assistant", reply.text, agent.name)
    if reply.provider_data is not None or reply.reasoning is not None:
        answer = replace(answer, reasoning=reply.reasoning, provider_data=reply.provider_data)
    over = replace(context, usage=usage, messages=context.messages.add(answer), progress=None)
    return Step(over, (Finish("completed", output.value),), () if machine.is_inside else (machine.ending(agent.name),))


def _asked_again(context: Context, unusable: Unusable) -> Step:
    progress = context.progress
    assert progress is not None
    if progress.note is not None:
        ended = replace(context, progress=None)
        return Step(ended, (Finish("error", error=ModelError(f"{context.agent!r} {unusable.why}, twice", ended)),))
    return _thought(replace(context, progress=replace(progress, note=unusable.note)))


def _thought(context: Context, happened: tuple[Happening, ...] = ()) -> Step:
    progress = context.progress
    assert progress is not None
    assert context.agent is not None
    limit = spent(progress)
    if limit is not None:
        return _stopped(context, *limit, happened)
    return Step(context, (CallModel(context.agent),), happened)


def _stopped(context: Context, limit: str, allowed: float, happened: tuple[Happening, ...]) -> Step:
    ended = replace(context, progress=None)
    reason: StopReason = "max_turns" if limit == "max_turns" else "budget"
    return Step(ended, (Finish(reason, error=LimitReached(limit, allowed, ended)),), happened)


def _time_up(machine: Machine, context: Context, event: TimeUp) -> Step:
    closed, happened = acting.abandoned(machine, context, TIME_UP)
    return _stopped(closed, "seconds", event.seconds, happened)


def _cancelled(machine: Machine, context: Context, _: Cancelled) -> Step:
    closed, happened = acting.abandoned(machine, context, CANCELLED)
    ended = replace(closed, progress=None)
    return Step(ended, (Finish("cancelled", error=RunCancelled(ended)),), happened)


def _model_failed(_: Machine, context: Context, event: ModelFailed) -> Step:
    ended = replace(context, progress=None)
    return Step(ended, (Finish("error", error=ModelError(event.error, ended)),))


# -- acting ------------------------------------------------------------------------------------------------------------


def _tool_returned(machine: Machine, context: Context, event: ToolReturned) -> Step:
    return _acted(acting.returned(machine, context, event))


def _attempt_failed(machine: Machine, context: Context, event: AttemptFailed) -> Step:
    return _acted(acting.attempt_failed(machine, context, event))


def _attempt_lost(machine: Machine, context: Context, event: AttemptLost) -> Step:
    return _acted(acting.attempt_lost(machine, context, event))


def _output_handled(machine: Machine, context: Context, event: OutputHandled) -> Step:
    return _acted(acting.handled(machine, context, event))


def _approved(machine: Machine, context: Context, event: Approved) -> Step:
    return _acted(acting.approved(machine, context, event))


def _acted(done: Acted) -> Step:
    """Go on with what the calls have come to: still acting, over, or back to thinking."""
    happened = tuple(done.happened)
    if done.final is not None:
        return Step(replace(done.context, progress=None), (Finish("final", done.final.value),), happened)
    progress = done.context.progress
    assert progress is not None
    return Step(done.context, tuple(done.effects), happened) if progress.calls else _thought(done.context, happened)


# -- the table -----------------------------------------------------------------------------------------------------------

Follow = Callable[["Machine", Context, Any], Step]

TURN: Mapping[tuple[Phase, type], Follow] = MappingProxyType(
    {
        (Phase.WAITING, UserSaid): _user_said,
        (Phase.THINKING, UserSaid): _interrupted,
        (Phase.THINKING, ModelReplied): _model_replied,
        (Phase.THINKING, ModelFailed): _model_failed,
        (Phase.THINKING, TimeUp): _time_up,
        (Phase.THINKING, Cancelled): _cancelled,
        (Phase.ACTING, UserSaid): _interrupted,
        (Phase.ACTING, ToolReturned): _tool_returned,
        (Phase.ACTING, AttemptFailed): _attempt_failed,
        (Phase.ACTING, AttemptLost): _attempt_lost,
        (Phase.ACTING, OutputHandled): _output_handled,
        (Phase.ACTING, Approved): _approved,
        (Phase.ACTING, TimeUp): _time_up,
        (Phase.ACTING, Cancelled): _cancelled,
    }
)

LEADS_TO: Mapping[tuple[Phase, type], tuple[Phase, ...]] = MappingProxyType(
    {
        (Phase.WAITING, UserSaid): (Phase.THINKING,),
        (Phase.THINKING, UserSaid): (Phase.THINKING,),
        (Phase.THINKING, ModelReplied): (Phase.WAITING, Phase.THINKING, Phase.ACTING),
        (Phase.THINKING, ModelFailed): (Phase.WAITING,),
        (Phase.THINKING, TimeUp): (Phase.WAITING,),
        (Phase.THINKING, Cancelled): (Phase.WAITING,),
        (Phase.ACTING, UserSaid): (Phase.THINKING,),
        (Phase.ACTING, ToolReturned): (Phase.ACTING, Phase.THINKING, Phase.WAITING),
        (Phase.ACTING, AttemptFailed): (Phase.ACTING, Phase.THINKING, Phase.WAITING),
        (Phase.ACTING, AttemptLost): (Phase.ACTING, Phase.THINKING, Phase.WAITING),
        (Phase.ACTING, OutputHandled): (Phase.ACTING, Phase.THINKING, Phase.WAITING),
        (Phase.ACTING, Approved): (Phase.ACTING, Phase.THINKING, Phase.WAITING),
        (Phase.ACTING, TimeUp): (Phase.WAITING,),
        (Phase.ACTING, Cancelled): (Phase.WAITING,),
    }
)
"""Where each row may lead. The drawing shows it; a law holds every step to it."""

_STAGE = {RunTool: "started", HandleOutput: "handling", AskApproval: "asked"}
_ANSWER = {
    CallModel: "ModelReplied or ModelFailed",
    RunTool: "ToolReturned or AttemptFailed",
    HandleOutput: "OutputHandled",
    AskApproval: "Approved",
}
