"""A run while it lasts: pure steps, and beside them what is not a value: models, live handlers, who is watching.

Both shells drive one of these. They decide nothing but how to wait.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from msgspec import structs

from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import thaw
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import failure, harmless, shown
from agentgraph.conversation.text import as_json
from agentgraph.definition.shape import Mismatch
from agentgraph.engine.calls import seen_by
from agentgraph.engine.continuity import holder, refuse_stranger
from agentgraph.engine.effects import AskApproval, CallModel, Extract, Finish, HandleOutput, RunTool
from agentgraph.engine.events import (
    Approved,
    AttemptFailed,
    AttemptLost,
    Event,
    ModelFailed,
    ModelReplied,
    OutputHandled,
    TimeUp,
    ToolReturned,
    UserSaid,
)
from agentgraph.engine.inside import conversation_at, conversations, machine_at
from agentgraph.engine.trace import Taken, Trace, ended_in
from agentgraph.engine.turn import due, step
from agentgraph.engine.view import request_for
from agentgraph.engine.watch import watching
from agentgraph.errors import AgentGraphError, Conflict, ContextError, LimitReached, ModelError, RunCancelled
from agentgraph.runtime.callbacks import tell
from agentgraph.runtime.drive import Ask, Call
from agentgraph.runtime.handlers import Handling
from agentgraph.runtime.observations import ApprovalAsked, Observation, RunCompleted, RunStarted, ToolStarted
from agentgraph.runtime.observed import observed
from agentgraph.runtime.result import RunResult
from agentgraph.runtime.said import read_said
from agentgraph.runtime.tool_run import ToolRun
from agentgraph.runtime.watchers import WATCHERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.conversation.budget import Budget
    from agentgraph.definition.model import Model, ModelRequest
    from agentgraph.engine.effects import Effect
    from agentgraph.engine.inside import Address
    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.journal import Journal
    from agentgraph.runtime.surroundings import Surroundings


def _decided(given: Any) -> bool | str:
    """What an approver said: True, False, or why not; anything else is no approval."""
    if isinstance(given, bool):
        return given
    return redacted(given if isinstance(given, str) else f"the approver gave {given!r}, neither True nor False nor a reason")


NO_DEADLINES: Mapping[Address, tuple[float, float]] = MappingProxyType({})
_OF_CALLS = frozenset({ToolReturned, AttemptFailed, AttemptLost})


class _Unkept(NamedTuple):
    before: Context
    path: int
    """How long the path was."""


class Run:
    """One run. `context` is always the latest snapshot, whatever happens to the run."""

    # What few runs need is here, and set in those that do.
    deadlines: Mapping[Address, tuple[float, float]] = NO_DEADLINES
    """When the time of a conversation is up, by the monotonic clock, and how many seconds it may take: its own, and those inside."""
    _told_at = 0.0
    _handling: Handling | None = None
    _handling_inside: dict[Address, Handling] | None = None
    _finish: Finish | None = None
    _cause: BaseException | None = None
    journal: Journal | None = None
    """Where its steps are kept, if they are."""
    unkept: _Unkept | None = None
    """The step that was taken and is not kept yet."""
    obstacle: AgentGraphError | None = None
    """Why it cannot begin."""
    _machines: Mapping[Address, Machine] = MappingProxyType({})
    _in_flight: frozenset[str] = frozenset()
    _origin = ""
    _at_work: dict[str, ToolRun] | None = None
    """What was begun in it and has not come back, by call id."""
    is_left = False
    """Whether it is over, or nobody waits for it any more: nothing is begun then."""

    def __init__(self, around: Surroundings, context: Context) -> None:
        self.around = around
        self.context = self._start = context
        self.outbox: deque[Observation] = deque()
        self._started_at: dict[str, float] = {}
        self._taken: list[Taken] = []
        self._path: list[str] = []
        self.watched = around.collecting or bool(around.listeners) or bool(WATCHERS.watching)

    # -- stepping --------------------------------------------------------------------------------------------------

    def begin(self, said: Any) -> tuple[Effect, ...]:
        """Start with what the user said, or, given None, take up what is due."""
        around = self.around
        try:
            if self.obstacle is not None:
                raise self.obstacle
            if around.config.run_context is not None:
                self._handling = Handling(around.config.run_context)
            if said is None:
                return self._taken_up()
            content, text = read_said(said)
            settings = around.config.settings
            if settings.budget is not None:
                self._start_clock((), settings.budget, 0.0)
            event = UserSaid(content, settings)
            if len(text) > around.config.input_limit:
                self._finish = Finish("budget", error=LimitReached("input_limit", around.config.input_limit, self.context))
                return ()
            if self.watched:
                self._refuse_stranger()
                agent, why = holder(around.machine, self.context)
                self.tell(RunStarted(agent=agent, input=said, context=self.context, why=why))
            return self.feed(event)
        except AgentGraphError as error:
            self._finish = Finish("error", error=error)
            return ()

    def _taken_up(self) -> tuple[Effect, ...]:
        effects = due(self.context)
        if not effects:
            raise ContextError("nothing is pending in this context, so there is nothing to take up; give a message", self.context)
        self._refuse_stranger()
        self._refuse_misfits()
        if self.journal is not None:
            self._in_flight = frozenset(effect.call.id for effect in effects if isinstance(effect, RunTool))
        for within, conversation in conversations(self.context):
            progress = conversation.progress
            if progress is not None and progress.settings.budget is not None:
                self._start_clock(within, progress.settings.budget, progress.seconds)
        self._path.append(self.context.agent or "")
        if self.watched:
            self._meet(effects)
            self.tell(RunStarted(agent=self.context.agent or "", input=None, context=self.context, why="resumed"))
        return effects

    def _refuse_misfits(self) -> None:
        """What was given with a resumed run must mean something to it."""
        pending = [call.id for call in self.context.pending]
        unknown = [call_id for call_id in self.around.approvals if call_id not in pending]
        if unknown:
            message = (
                f"no call {', '.join(map(repr, unknown))} is pending, so it cannot be approved; pending are {', '.join(map(repr, pending))}"
            )
            raise ContextError(message, self.context)
        for call_id, decision in self.around.approvals.items():
            if not isinstance(decision, bool | str):
                raise ContextError(f"the call {call_id!r} was answered {decision!r:.60}; give True, False, or why not", self.context)
        progress = self.context.progress
        if self.around.config.run_context is not None and progress is not None and not progress.settings.handled:
            raise ContextError(
                "this run was begun without a run context, so its handler would see nothing; resume it without one", self.context
            )

    def _refuse_stranger(self) -> None:
        if self.context.fingerprint != self.around.machine.fingerprint:
            refuse_stranger(self.around.machine, self.context)
        if self.around.machine.monitors:
            watching(self.around.machine, self.context)

    def feed(self, event: Event) -> tuple[Effect, ...]:
        """Step by `event`; what is newly asked of the outside."""
        before = self.context
        if self.deadlines and type(event) is not UserSaid:
            now = monotonic()
            event, self._told_at = structs.replace(event, elapsed=round(now - self._told_at, 3)), now
        try:
            after, effects, happened, inside = taken = step(self.around.machine, before, event)
        except ContextError as broken:  # by what no monitor could be asked about before it happened
            if type(event) is UserSaid:
                raise
            self._finish = Finish("error", error=broken)
            self.let_go()
            return ()
        self.context = after
        if self.journal is not None:
            self.unkept = _Unkept(before, len(self._path))
        if self._at_work and type(event) in _OF_CALLS:
            self._at_work.pop(event.call_id, None)  # type: ignore[attr-defined]
        finish = None
        if after.progress is None and type(last := effects[-1]) is Finish:
            finish = self._finish = last
            self.is_left = True
            if self._at_work:
                self.let_go()
        self._taken.append((event, after, happened, finish, ended_in(taken) if inside else ()))
        if self.deadlines and event.within:
            open_ones = {where: end for where, end in self.deadlines.items() if conversation_at(after, where) is not None}
            self.deadlines = open_ones if len(open_ones) < len(self.deadlines) else self.deadlines
        if after.progress is not None and after.progress.calls:
            self._begin_clocks(effects)
        if after.handed is not before.handed or not self._path:
            self._path.append(after.agent or "")
        if self.watched:
            self._meet(effects)
            for observation in observed(before, event, taken, self._seconds_since):
                self.tell(observation)
        return effects

    def _meet(self, effects: tuple[Effect, ...]) -> None:
        """Note the machines of the conversations that go on inside: what is told of them names theirs, also when they are over."""
        for effect in effects:
            within = () if isinstance(effect, Finish) else effect.within
            if within and within not in self._machines:
                machine = machine_at(self.around.machine, self.context, within)[0]
                self._machines = {**self._machines, within: machine or self.around.machine}

    def _seconds_since(self, call_id: str, *, begins: bool = False) -> float:
        """How long the call has taken that came back; or it `begins`."""
        if begins:
            self._started_at[call_id] = perf_counter()
            return 0.0
        began = self._started_at.pop(call_id, None)
        return perf_counter() - began if began is not None else 0.0

    def let_go(self) -> None:
        """Begin nothing more: it is over, or nobody waits for it. What was not begun yet never is; what was goes on, unheard."""
        self.is_left = True
        if self._at_work:
            for begun in tuple(self._at_work.values()):
                begun.let_go()

    def _begun(self, call_id: str, work: ToolRun) -> None:
        if self._at_work is None:
            self._at_work = {}
        self._at_work[call_id] = work

    def start_from(self, context: Context) -> None:
        """Begin at `context`: what a store has turned out to hold."""
        self.context = self._start = context

    def keep(self) -> bool:
        """Write down the step that was taken, before anything it asks for is done. Waits for the store.

        When it cannot be kept it has not happened: the run stands where it stood, or where somebody has cancelled it, and is over.
        Returns whether that is so.
        """
        unkept, self.unkept = self.unkept, None
        assert unkept is not None
        assert self.journal is not None
        try:
            self.journal.keep(self._taken[-1])
        except AgentGraphError as error:
            self.context = unkept.before
            self._taken.pop()
            del self._path[unkept.path :]
            self._finish = self._overruled(error) or Finish("error", error=error)
            return True
        return False

    def _overruled(self, error: AgentGraphError) -> Finish | None:
        """What the run ended with in the store, where somebody has cancelled it there; it stands there then."""
        assert self.journal is not None
        try:
            taken = self.journal.overruled() if isinstance(error, Conflict) else None
        except AgentGraphError:  # the conflict says enough
            return None
        if taken is None:
            return None
        self._taken.append(taken)
        self.context = taken[1]
        return Finish("cancelled", error=RunCancelled(self.context))

    def origin(self) -> str:
        """What tells this run's calls from those of all others: it is the same when the conversation is taken up from a store."""
        if not self._origin:
            self._origin = self.journal.place.born if self.journal is not None else uuid4().hex
        return self._origin

    def seconds_left(self, within: Address | None = None) -> float | None:
        """Until the time is up of what goes on inside these calls, or, given None, of anything; None when nothing has a limit."""
        if not self.deadlines:
            return None
        ends = [end for where, (end, _) in self.deadlines.items() if within is None or where == within[: len(where)]]
        return min(ends) - monotonic() if ends else None

    def late(self, within: Address | None = None) -> TimeUp | None:
        """The event that ends the outermost conversation whose time is up, of those around what is inside these calls, or of all."""
        if not self.deadlines:
            return None
        now, found = monotonic(), None
        for where, (end, seconds) in self.deadlines.items():
            if end <= now and (within is None or where == within[: len(where)]) and (found is None or len(where) < len(found.within)):
                found = TimeUp(seconds, within=where)
        return found

    def time_up(self, within: Address | None = None) -> TimeUp:
        """What `late` says, when it is known that the time is up of something."""
        _, where, seconds = min(
            (end, where, seconds) for where, (end, seconds) in self.deadlines.items() if within is None or where == within[: len(where)]
        )
        return TimeUp(seconds, within=where)

    def _start_clock(self, within: Address, budget: Budget, used: float) -> None:
        if budget.seconds is not None:
            now = monotonic()
            if not self.deadlines:
                self._told_at = now
            self.deadlines = {**self.deadlines, within: (now + budget.seconds - used, budget.seconds)}

    def _begin_clocks(self, effects: tuple[Effect, ...]) -> None:
        """Start the clocks of conversations that begin inside calls with a time of their own."""
        for effect in effects:
            if type(effect) is CallModel and effect.within and effect.within not in self.deadlines:
                inside = conversation_at(self.context, effect.within)
                progress = inside.progress if inside is not None else None
                if progress is not None and progress.settings.budget is not None:
                    self._start_clock(effect.within, progress.settings.budget, progress.seconds)

    # -- effects, as far as they need no waiting ---------------------------------------------------------------------

    def work(self, effect: Effect) -> Ask | Call | Event:
        """What is to be waited for. Or what is said of it without any waiting: that nothing is to be done, and why."""
        machine, context = self.around.machine, self.context
        if effect.within:  # type: ignore[union-attr]
            inside, within = machine_at(machine, context, effect.within)  # type: ignore[union-attr]
            if inside is None:  # of a tool that is gone, or no agent any more
                return AttemptLost(within[-1], within=within[:-1])
            machine, context = inside, conversation_at(context, within)  # type: ignore[assignment]
        if type(effect) is RunTool:
            return self._tool_run(machine, context, effect)
        assert type(effect) is CallModel
        try:
            return Ask(*self._request(machine, context, effect), effect.within)
        except Exception as error:  # noqa: BLE001 - no model, or instructions that fail: the run ends, not the program
            return self.not_answered(error, effect.within)

    def decide(self, effect: Effect) -> Event | None:
        """What is said of an effect that nobody waits for: of handlers, of people, of what makes an output of an answer."""
        match effect:
            case HandleOutput():
                return self._handle(effect)
            case AskApproval():
                return self._approval(effect)
            case Extract():
                return self._extract(effect)
        return None

    def _request(self, machine: Machine, context: Context, effect: CallModel) -> tuple[Model, ModelRequest]:
        """Whom to ask, and what.

        Raises:
            ModelError: when the agent has no model, or its instructions fail.
        """
        around = self.around
        agent = machine.agents[effect.agent]
        model = around.config.model if around.config.model is not None else agent.model
        if model is None:
            message = f"agent {effect.agent!r} has no model; give Agent(model=...) or RunConfig(model=...): a litellm model name, or an object with reply(request)"
            raise ModelError(message, context)
        try:
            request = request_for(machine, context, around.config.params, around.config.headers, effect.within)
        except Exception as error:
            raise ModelError(f"the instructions of {effect.agent!r} failed: {failure(error)}", context) from error
        return around.models(model) if isinstance(model, str) else model, request

    def answered(self, reply: Any) -> ModelReplied | ModelFailed:
        """The model gave `reply`; anything but a `Reply` is a mistake of whoever wrote the model."""
        if type(reply) is Reply:
            return ModelReplied(reply)
        return ModelFailed(f"the model gave {redacted(repr(reply)):.60}; reply(request) must return a Reply, such as Reply(text)")

    def not_answered(self, error: BaseException, within: Address = ()) -> ModelFailed | TimeUp:
        """The model failed, or the time was up of what it was asked for; the error is kept as the cause of the one in the result."""
        if self.deadlines and (late := self.late(within)) is not None:
            return late
        if not within:
            self._cause = harmless(error)
        return ModelFailed(shown(error) if isinstance(error, AgentGraphError) else failure(error), within=within)

    def _tool_run(self, machine: Machine, context: Context, effect: RunTool) -> Call | ToolReturned | AttemptLost:
        """The execution, ready to begin; the start of the call is observed. Or what is said of one that is not begun: it was when the
        conversation was left, and nobody knows what it did.
        """
        tool, call, within = machine.offer(effect.agent).tools.get(effect.call.name), effect.call, effect.within
        if tool is None or tool.agent is not None or call.id in self._in_flight:
            self._in_flight -= {call.id}
            return AttemptLost(call.id, within=within)
        if self.watched and call.id not in self._started_at:
            self._started_at[call.id] = perf_counter()
            self.tell(ToolStarted(agent=effect.agent, call=call, within=within))
        origin = self.origin if not within else lambda: "/".join((self.origin(), *within))
        try:
            tool_run = ToolRun(tool, call, seen_by(context, call), self.around.deps, origin)
        except Mismatch as wrong:
            return ToolReturned(call.id, error=f"the arguments of {call.name!r} do not fit any more: {wrong}", within=within)
        self._begun(call.id, tool_run)
        return Call(tool_run, within)

    def _handle(self, effect: HandleOutput) -> OutputHandled:
        """Let the handlers decide. Those of an agent inside have a value of their own in each conversation."""
        if not effect.within:
            if self._handling is None:
                self._handling = Handling(None)
            return self._handling.decide(effect, self.around.machine.agents[effect.agent], self.context)
        machine, context = machine_at(self.around.machine, self.context, effect.within)[0], conversation_at(self.context, effect.within)
        if machine is None or context is None or effect.agent not in machine.agents:
            return OutputHandled(effect.call.id, within=effect.within)
        self._handling_inside = self._handling_inside or {}
        handling = self._handling_inside.setdefault(effect.within, Handling(None))
        return handling.decide(effect, machine.agents[effect.agent], context).at(effect.within)

    def _extract(self, effect: Extract) -> Event:
        """Have the tool's output made of what the agent in it has answered."""
        machine = machine_at(self.around.machine, self.context, effect.within)[0]
        around = conversation_at(self.context, effect.within)
        tool = machine.offer(effect.agent).tools.get(effect.call.name) if machine is not None else None
        if machine is None or around is None or tool is None or tool.output_extractor is None:
            return AttemptLost(effect.call.id, within=effect.within)
        try:
            value = as_json(tool.output_extractor(self._result_inside(machine.nested(tool), around, effect)))
        except KeyboardInterrupt:
            raise
        except BaseException as wrong:  # noqa: BLE001 - the extractor is the user's code, and part of the tool; a SystemExit too
            return ToolReturned(effect.call.id, error=failure(wrong), within=effect.within)
        return ToolReturned(effect.call.id, value, within=effect.within)

    def _result_inside(self, machine: Machine, around: Context, effect: Extract) -> RunResult[Any]:
        """What the conversation inside a call has come to. All but its trace is read off the snapshot; the trace is what this process has seen."""
        inside, call_id, output = effect.inside, effect.call.id, effect.returned.value
        told = next(pending.told for pending in around.progress.calls if pending.call.id == call_id) if around.progress is not None else ()
        answered = inside.messages[-1].role == "assistant"
        shape = machine.agents[inside.agent or ""].output if answered and inside.agent in machine.agents else None
        return RunResult(
            output if shape is None else shape.check(thaw(output)),
            inside,
            inside.usage,
            tuple(happening.name for happening in told if happening.kind == "enter" and happening.within == (call_id,)),
            "completed" if answered else "final",
            Trace(self._start, taken=tuple(self._taken)).inside((*effect.within, call_id)),
            machine=machine,
        )

    def _approval(self, effect: AskApproval) -> Approved | None:
        """What was decided about a call, or None when nobody has yet."""
        given = self.around.approvals.get(effect.call.id)
        given = redacted(given) if isinstance(given, str) else given
        if given is None and self.around.config.approve is not None:
            try:
                given = _decided(self.around.config.approve(effect.call))
            except Exception as error:  # noqa: BLE001 - whoever cannot decide has not allowed it
                given = f"the approver failed: {failure(error)}"
        if given is None:
            if self.watched:
                self.tell(ApprovalAsked(agent=effect.agent, call=effect.call, within=effect.within))
            return None
        return Approved(effect.call.id, given is True, given if isinstance(given, str) else "", within=effect.within)

    @property
    def run_value(self) -> Any:
        """The run context as it is now."""
        return self._handling.run_value if self._handling is not None else None

    # -- watching --------------------------------------------------------------------------------------------------

    def tell(self, observation: Observation) -> None:
        """Let who watches know."""
        tell(self.around.listeners, observation)
        if WATCHERS.watching:
            WATCHERS.tell(self._machines.get(observation.within, self.around.machine), observation)
        if self.around.collecting:
            self.outbox.append(observation)

    # -- the end ---------------------------------------------------------------------------------------------------

    def result(self) -> RunResult:
        """What the run has come to. Before it finished: where it stands, waiting for approvals or cut off."""
        finish = self._finish or self._unfinished()
        if self._cause is not None and finish.error is not None:
            finish.error.__cause__ = self._cause
        return RunResult(
            output=finish.output,
            context=self.context,
            usage=self.context.usage - self._start.usage,
            path=tuple(self._path),
            stop_reason=finish.reason,
            trace=Trace(self._start, taken=tuple(self._taken)),
            error=finish.error,
            machine=self.around.machine,
        )

    def _unfinished(self) -> Finish:
        asked = any(isinstance(effect, AskApproval) for effect in due(self.context))
        return Finish("approval" if asked else "unfinished")

    def close(self) -> None:
        """Tell who watches that the run is over."""
        if self.watched:
            self.tell(RunCompleted(result=self.result()))
