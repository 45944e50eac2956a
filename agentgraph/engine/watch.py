"""Monitors at work: where each stands, and whether what is about to happen would break what it demands.

Nothing happens before every monitor was asked. What none objects to is followed by all; what one objects to does not take place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import states_of_monitors
from agentgraph.conversation.frozen import EMPTY, FrozenDict, FrozenList
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import failure
from agentgraph.engine.continuity import holder
from agentgraph.engine.happened import happened
from agentgraph.errors import ContextError
from agentgraph.machine.happening import BROKEN, is_shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgraph.conversation.context import Context, Pending
    from agentgraph.definition.tool import Tool
    from agentgraph.machine.happening import Monitor
    from agentgraph.machine.machine import Machine


class Breach(Struct, frozen=True):
    """What would be broken."""

    demand: str

    def __str__(self) -> str:
        return f"it would break {self.demand}"


def followed(machine: Machine, watched: FrozenDict, *happenings: Happening) -> FrozenDict | Breach:
    """Where the monitors stand after `happenings`, or the first demand that these would break. O(monitors)."""
    after: dict[str, Standing] = {}
    for demand, monitor in machine.monitors.items():
        after[demand], why = stepped(monitor, watched[demand], happenings)
        if after[demand] == BROKEN:
            return Breach(demand + why)
    return watched if after == watched else FrozenDict(after)


def moved(machine: Machine, watched: FrozenDict, happenings: Iterable[Happening]) -> FrozenDict:
    """Where the monitors stand after what nobody could foresee or refuse, whatever it breaks."""
    after = {demand: stepped(monitor, watched[demand], happenings)[0] for demand, monitor in machine.monitors.items()}
    return watched if after == watched else FrozenDict(after)


def may_have_run(machine: Machine, context: Context, pending: Pending) -> FrozenDict:
    """Where the monitors may stand when nobody will hear of the last attempt of `pending`: it never began, it ran, or it succeeded."""
    name, agent, after = pending.call.name, context.agent or "", dict(context.watched)
    success = Happening("success", name, agent)
    for demand, monitor in machine.monitors.items():
        ran = after[demand]
        after[demand] = _either(pending.watched.get(demand, ran), ran, stepped(monitor, ran, (success,))[0])
    return FrozenDict(after)


def begun(machine: Machine, context: Context, agent: str) -> Context:
    """`context` with a conversation that begins with `agent`.

    Raises:
        ContextError: when it may not.
    """
    watched = followed(machine, context.watched, machine.entering(agent))
    if isinstance(watched, Breach):
        raise ContextError(f"the conversation cannot begin with {agent!r}: {watched}", context)
    return replace(context, watched=watched)


def ended(machine: Machine, context: Context) -> FrozenDict | Breach:
    """Where the monitors stand when the agent ends its turn here, or what that would break. A run inside a tool ends no turn."""
    return context.watched if machine.is_inside else followed(machine, context.watched, machine.ending(context.agent or ""))


def would_break(machine: Machine, context: Context, tool: Tool) -> Breach | None:
    """What a call of `tool` would break: by being started, by its success, by the agent in it being entered, or by the turn that it ends.

    Whether an agent inside may give its answer is asked when it has: what it does until then counts, too.
    """
    agent = context.agent or ""
    happenings = machine.calling(agent, tool.name)
    if tool.agent is None:
        happenings = (*happenings, Happening("success", tool.name, agent))
    if tool.final and not machine.is_inside:
        happenings = (*happenings, machine.ending(agent))
    found = followed(machine, context.watched, *happenings)
    return found if isinstance(found, Breach) else None


def must_wait(machine: Machine, tool: Tool) -> bool:
    """Whether a call of `tool` is judged by what the calls before it in the reply have come to, so that it cannot start beside them.

    One of an agent is, if anything that can happen inside is seen by a monitor.
    """
    return bool(machine.monitors) and machine.is_seen(tool, _is_seen)


def _is_seen(machine: Machine, tool: Tool) -> bool:
    if any(_sees(monitor, tool.name) for monitor in machine.monitors.values()):
        return True
    if tool.agent is None:
        return False
    inside = machine.nested(tool)
    return any(_heeds(monitor, inside.entering(name)) for name in inside.agents for monitor in machine.monitors.values()) or any(
        must_wait(inside, further) for agent in inside.agents.values() for further in agent.tools
    )


def _sees(monitor: Monitor, tool: str) -> bool:
    try:
        return bool(monitor.sees(tool))
    except Exception:  # noqa: BLE001 - a monitor may be the user's code; of one that fails it is not known what it does not see
        return True


def _heeds(monitor: Monitor, happening: Happening) -> bool:
    heeds = getattr(monitor, "heeds", None)
    try:
        return heeds is None or bool(heeds(happening))
    except Exception:  # noqa: BLE001 - as above
        return True


def watching(machine: Machine, context: Context) -> Context:
    """`context` with where the monitors of `machine` stand, and no other: what is missing is read back from its messages.

    O(monitors); O(messages) where something is missing.

    Raises:
        ContextError: when it has broken one of them already, or cannot say where they stand.
    """
    if type(context.watched) is not FrozenDict:
        context = replace(context, watched=states_of_monitors(context.watched))
    if context.watched.keys() != machine.monitors.keys():
        context = _caught_up(machine, context)
    if BROKEN in context.watched.values():
        broken = ", ".join(context.broken)
        message = f"this conversation has broken {broken}, so it cannot go on under it; begin another, or go on with a runner that does not watch for it"
        raise ContextError(message, context)
    return context


def _caught_up(machine: Machine, context: Context) -> Context:
    past = tuple(happening for _, happening in happened(machine, context)) if machine.monitors.keys() - context.watched.keys() else ()
    states: dict[str, Standing] = {}
    for demand, monitor in machine.monitors.items():
        state = context.watched.get(demand)
        states[demand] = stepped(monitor, monitor.start, past)[0] if state is None else state
    entered = next((happening.name for happening in reversed(past) if happening.kind == "enter"), None)
    agent = entered if context.agent is None and entered == holder(machine, context)[0] else context.agent
    return replace(context, agent=agent, watched=FrozenDict(states) if states else EMPTY)


# -- one monitor -------------------------------------------------------------------------------------------------------------

Standing = int | FrozenList
"""The state of a monitor; or those that it may be in, in order, where nobody knows whether something happened."""


def stepped(monitor: Monitor, state: Standing, happenings: Iterable[Happening]) -> tuple[Standing, str]:
    """The state after `happenings`, and what is to be said of it. Broken is what one of the states that it may be in leads to.

    A monitor may be the user's code; one that fails permits nothing.
    """
    for happening in happenings:
        if state == BROKEN:
            break
        if isinstance(state, list):
            parts = [stepped(monitor, one, (happening,)) for one in state]
            state, why = _either(*(part for part, _ in parts)), "".join(dict.fromkeys(why for _, why in parts))
        elif happening.sure:
            state, why = _after(monitor, state, happening)
        else:
            ran, why = _after(monitor, state, happening)
            succeeded = _after(monitor, ran, replace(happening, kind="success"))[0] if happening.kind == "call" else ran
            state = _either(state, ran, succeeded)
        if why:
            return state, why
    return state, ""


def _after(monitor: Monitor, state: int, happening: Happening) -> tuple[int, str]:
    if state == BROKEN or not is_shown(monitor, happening):
        return state, ""
    try:
        state = monitor.after(state, happening)
    except Exception as failed:  # noqa: BLE001 - as it is with guards
        return BROKEN, f", which failed: {failure(failed)}"
    if type(state) is not int or state < BROKEN:
        return BROKEN, f", which gave the state {redacted(repr(state)):.40}"
    return state, ""


def _either(*states: Standing) -> Standing:
    """The states that it may be in, if it is in one of those of `states`."""
    every = sorted({one for state in states for one in (state if isinstance(state, list) else (state,))})
    return BROKEN if every[0] == BROKEN else every[0] if len(every) == 1 else FrozenList(every)
