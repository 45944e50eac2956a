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
from agentgraph.engine.effects import AskApproval, CallModel, Effect, Extract, Finish, HandleOutput, RunTool, StopReason
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
from agentgraph.engine.inside import Address, call_of, conversation_at, conversations, given_back, lent, with_ids
from agentgraph.engine.limits import counted, fits, is_shared, spent, used_up
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
    inside: tuple[Inside, ...] = ()
    """The steps of conversations inside that it is made of."""


class Inside(NamedTuple):
    """A step of the conversation inside a call: as it was before, and what followed there."""

    call_id: str
    before: Context
    step: Step


def step(machine: Machine, context: Context, event: Event) -> Step:
    """Follow `context` by one event. O(1) in the length of the history and the size of the graph; O(calls in hand) at each depth.

    A conversation inside a call is stepped by the same function; the call around it comes back in the step that ends it.

    Raises:
        IllegalEvent: when `context` does not await this event.
        ContextError: when `context` belongs to another topology and cannot go on in this one, or has broken what a monitor demands.
    """
    if context.fingerprint != machine.fingerprint and (context.fingerprint is not None or context.progress is not None):
        refuse_stranger(machine, context)
    if context.watched or machine.monitors:
        context = watching(machine, context)
    if event.elapsed and context.progress is not None:
        context = _later(context, event.elapsed)
    taken = _stepped(machine, context, with_ids(context, event) if event.within else event)
    progress = taken.context.progress
    return _admitted(machine, taken) if progress is not None and progress.calls and is_shared(progress) else taken


def _stepped(machine: Machine, context: Context, event: Event) -> Step:
    if event.within:
        return _stepped_inside(machine, context, event)
    progress = context.progress
    phase = _WAITING if progress is None else _ACTING if progress.calls else _THINKING  # as `context.phase`, without the call
    follow = TURN.get((phase, type(event)))
    if follow is None:
        raise IllegalEvent(event, awaited(context))
    return follow(machine, context, event)


def due(context: Context, within: Address = ()) -> tuple[Effect, ...]:
    """What the outside still owes, read off the context alone; each conversation's own before what is inside, in call order.

    `within` is where `context` lies, if it is inside another.
    """
    progress, agent = context.progress, context.agent
    if progress is None or agent is None:
        return ()
    if not progress.calls:
        return () if progress.waits else (CallModel(agent, within),)
    owed: list[Effect] = []
    inside: list[Effect] = []
    for pending in progress.calls:
        match pending.stage:
            case "started" if pending.inside is not None:
                inside.extend(due(pending.inside, (*within, pending.call.id)))
            case "started":
                owed.append(RunTool(agent, pending.call, pending.attempt, within))
            case "extracting" if pending.inside is not None and pending.returned is not None:
                owed.append(Extract(agent, pending.call, pending.inside, pending.returned, within))
            case "asked":
                owed.append(AskApproval(agent, pending.call, within))
            case "handling" if pending.returned is not None:
                owed.append(HandleOutput(agent, pending.call, pending.returned, within))
    return (*owed, *inside)


def is_due(context: Context, effect: Effect) -> bool:
    """Whether the outside still owes `effect`: what was asked for may have been answered, or the run may be over, since.

    O(calls in hand) at each depth.
    """
    if isinstance(effect, Finish):
        return True
    around = conversation_at(context, effect.within) if effect.within else context
    progress = around.progress if around is not None else None
    if progress is None or around is None:
        return False
    if isinstance(effect, CallModel):
        return not progress.calls and around.agent == effect.agent and not progress.waits
    call_id, stage = effect.call.id, _STAGE[type(effect)]
    return any(
        pending.call.id == call_id
        and pending.stage == stage
        and (not isinstance(effect, RunTool) or (pending.attempt == effect.attempt and pending.inside is None))
        for pending in progress.calls
    )


def awaited(context: Context) -> str:
    """What `context` awaits, in words."""
    owed = due(context)
    if not owed:
        return "UserSaid"
    return " or ".join(dict.fromkeys(_ANSWER[type(effect)] for effect in owed))


# -- inside ------------------------------------------------------------------------------------------------------------


class _Spent(Event, frozen=True, gc=False):
    """Nothing is left of the run's budget for a conversation inside, which is over. The core's own: it follows from other events."""


def _stepped_inside(machine: Machine, context: Context, event: Event) -> Step:
    """A step of the conversation inside a call, and of the call if that is over."""
    found = call_of(context, event.within[0])
    if found is None or type(event) in (UserSaid, Cancelled):
        raise IllegalEvent(event, awaited(context))
    i, pending = found
    tool = machine.offer(context.agent or "").tools.get(pending.call.name)
    if tool is None or tool.agent is None or pending.inside is None or pending.stage != "started":
        raise IllegalEvent(event, awaited(context))
    inside, own = lent(context, pending.inside), replace(event, within=event.within[1:])
    nested = machine.nested(tool)
    if type(own) is _Spent and not own.within:
        progress = inside.progress
        assert progress is not None
        limit = used_up(progress)
        assert limit is not None
        taken = _stopped(inside, *limit, ())
    else:
        taken = _stepped(nested, inside, own)
    done = acting.stepped_inside(machine, context, i, inside, taken)
    own_step = taken._replace(context=given_back(taken.context, pending.inside))
    return _acted(done)._replace(inside=(Inside(pending.call.id, pending.inside, own_step),))


def _later(context: Context, seconds: float) -> Context:
    """`context` when `seconds` more have gone by, for it and for all that goes on inside."""
    progress = context.progress
    if progress is None:
        return context
    calls = progress.calls
    if any(pending.inside is not None for pending in calls):
        calls = tuple(p if p.inside is None else replace(p, inside=_later(p.inside, seconds)) for p in calls)
    return replace(context, progress=replace(progress, seconds=progress.seconds + seconds, calls=calls))


def _admitted(machine: Machine, taken: Step) -> Step:
    """`taken`, with those model calls alone that fit into the budget beside the ones in flight; the rest wait for these.

    What does not fit beside none is not asked for: its conversation is over.
    """
    context, happened, inside = taken.context, taken.happened, taken.inside
    asked = {effect.within for effect in taken.effects if isinstance(effect, CallModel)}
    effects: list[Effect] = [effect for effect in taken.effects if not isinstance(effect, CallModel)]
    while True:
        progress = context.progress
        if progress is None:
            break
        thinking = [one for one in conversations(context) if one.context.progress is not None and not one.context.progress.calls]
        want = [one for one in thinking if one.within in asked or (one.context.progress is not None and one.context.progress.waits)]
        in_flight = len(thinking) - len(want)
        over: Address | None = None
        for one in want:
            if not in_flight and used_up(progress) is not None:
                over = one.within
                break
            waits = not fits(progress, in_flight)
            context = _waiting(context, one.within, waits=waits)
            if not waits:
                in_flight += 1
                effects.append(CallModel(one.context.agent or "", one.within))
        if over is None or not over:
            break
        more = _stepped_inside(machine, _waiting(context, over, waits=False), _Spent(within=over))
        context, happened, inside = more.context, (*happened, *more.happened), (*inside, *more.inside)
        asked.discard(over)
        asked |= {effect.within for effect in more.effects if isinstance(effect, CallModel)}
        effects = [effect for effect in effects if is_due(context, effect)]
        effects.extend(effect for effect in more.effects if not isinstance(effect, CallModel))
    return Step(context, tuple(effects), happened, inside)


def _waiting(context: Context, within: Address, *, waits: bool) -> Context:
    """`context`, where the conversation inside these calls waits with its model call, or does not."""
    progress = context.progress
    assert progress is not None
    if not within:
        return context if progress.waits == waits else replace(context, progress=replace(progress, waits=waits))
    found = call_of(context, within[0])
    assert found is not None
    i, pending = found
    assert pending.inside is not None
    inside = _waiting(pending.inside, within[1:], waits=waits)
    if inside is pending.inside:
        return context
    calls = (*progress.calls[:i], replace(pending, inside=inside), *progress.calls[i + 1 :])
    return replace(context, progress=replace(progress, calls=calls))


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
    begun = _user_said(machine, closed, event)
    return begun._replace(happened=(*before, *begun.happened)) if before else begun


# -- thinking ----------------------------------------------------------------------------------------------------------


def _model_replied(machine: Machine, context: Context, event: ModelReplied) -> Step:
    reply, progress = event.reply, context.progress
    assert progress is not None
    used = ONE_REQUEST if reply.usage is NO_USAGE else reply.usage if reply.usage.requests else replace(reply.usage, requests=1)
    usage = context.usage + used
    if reply.tool_calls:
        progress = replace(counted(progress, used), model_calls=progress.model_calls + 1, note=None)
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
        progress = replace(counted(progress, used), model_calls=progress.model_calls + 1)
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

_STAGE = {RunTool: "started", HandleOutput: "handling", AskApproval: "asked", Extract: "extracting"}
_ANSWER = {
    CallModel: "ModelReplied or ModelFailed",
    RunTool: "ToolReturned or AttemptFailed",
    HandleOutput: "OutputHandled",
    AskApproval: "Approved",
    Extract: "ToolReturned",
}
