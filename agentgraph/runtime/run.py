"""A run while it lasts: pure steps, and beside them what is not a value: models, live handlers, who is watching.

Both shells drive one of these. They decide nothing but how to wait.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from msgspec import structs

from agentgraph.conversation.context import Context
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import failure, harmless, shown
from agentgraph.definition.shape import Mismatch
from agentgraph.engine.calls import seen_by
from agentgraph.engine.continuity import holder, refuse_stranger
from agentgraph.engine.effects import AskApproval, CallModel, Finish, HandleOutput, RunTool
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
from agentgraph.engine.trace import Taken, Trace
from agentgraph.engine.turn import Step, due, step
from agentgraph.engine.view import request_for
from agentgraph.engine.watch import watching
from agentgraph.errors import AgentGraphError, Conflict, ContextError, LimitReached, ModelError, RunCancelled
from agentgraph.runtime.callbacks import tell
from agentgraph.runtime.handlers import Handling
from agentgraph.runtime.observations import ApprovalAsked, Observation, RunCompleted, RunStarted, ToolStarted
from agentgraph.runtime.observed import goes_on, observed
from agentgraph.runtime.result import RunResult
from agentgraph.runtime.said import read_said
from agentgraph.runtime.tool_run import ToolRun
from agentgraph.runtime.watchers import WATCHERS

if TYPE_CHECKING:
    from agentgraph.conversation.budget import Budget
    from agentgraph.definition.model import Model, ModelRequest
    from agentgraph.engine.effects import Effect
    from agentgraph.runtime.journal import Journal
    from agentgraph.runtime.surroundings import Surroundings


def _decided(given: Any) -> bool | str:
    """What an approver said: True, False, or why not; anything else is no approval."""
    if isinstance(given, bool):
        return given
    return redacted(given if isinstance(given, str) else f"the approver gave {given!r}, neither True nor False nor a reason")


_OF_CALLS = frozenset({ToolReturned, AttemptFailed, AttemptLost})


class _Unkept(NamedTuple):
    event: Event
    before: Context
    path: int
    """How long the path was."""


class Run:
    """One run. `context` is always the latest snapshot, whatever happens to the run."""

    # What few runs need is here, and set in those that do.
    deadline: float | None = None
    """When its time is up, by the monotonic clock."""
    _told_at = 0.0
    _seconds = 0.0
    _handling: Handling | None = None
    _finish: Finish | None = None
    _cause: BaseException | None = None
    journal: Journal | None = None
    """Where its steps are kept, if they are."""
    unkept: _Unkept | None = None
    """The step that was taken and is not kept yet."""
    obstacle: AgentGraphError | None = None
    """Why it cannot begin."""
    _in_flight: frozenset[str] = frozenset()
    _origin = ""
    _at_work: dict[str, ToolRun | Run] | None = None
    """What was begun in it and has not come back, by call id."""
    is_left = False
    """Whether it is over, or nobody waits for it any more: nothing is begun then."""

    def __init__(self, around: Surroundings, context: Context) -> None:
        self.around = around
        self.context = self._start = context
        self.outbox: deque[Observation] = deque()
        self.children: dict[str, Trace] = {}
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
                self._start_clock(settings.budget, 0.0)
            event = UserSaid(content, settings)
            if len(text) > around.config.input_limit:
                self._finish = Finish("budget", error=LimitReached("input_limit", around.config.input_limit, self.context))
                return ()
            if self.watched and not around.within:
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
        progress = self.context.progress
        if progress is not None and progress.settings.budget is not None:
            self._start_clock(progress.settings.budget, progress.seconds)
        self._path.append(self.context.agent or "")
        if self.watched:
            self.tell(
                RunStarted(agent=self.context.agent or "", input=None, context=self.context, why="resumed", within=self.around.within)
            )
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
        if self.deadline is not None and type(event) is not UserSaid:
            now = monotonic()
            event, self._told_at = structs.replace(event, elapsed=round(now - self._told_at, 3)), now
        try:
            after, effects, happened = taken = step(self.around.machine, before, event)
        except ContextError as broken:  # by what no monitor could be asked about before it happened
            if type(event) is UserSaid:
                raise
            self._finish = Finish("error", error=broken)
            self.let_go()
            return ()
        self.context = after
        if self.journal is not None:
            self.unkept = _Unkept(event, before, len(self._path))
        if self._at_work and type(event) in _OF_CALLS:
            self._at_work.pop(event.call_id, None)  # type: ignore[attr-defined]
        finish = None
        if after.progress is None and type(last := effects[-1]) is Finish:
            finish = self._finish = last
            self.is_left = True
            if self._at_work:
                self.let_go()
        self._taken.append((event, after, happened, finish))
        if after.handed is not before.handed or not self._path:
            self._path.append(after.agent or "")
        if self.watched:
            for observation in observed(before, event, taken, self._seconds_since(event, taken), self.around.within):
                self.tell(observation)
        return effects

    def _seconds_since(self, event: Event, taken: Step) -> float:
        """How long the call has taken that came back."""
        if not isinstance(event, ToolReturned | AttemptFailed | AttemptLost) or goes_on(event.call_id, taken):
            return 0.0
        began = self._started_at.pop(event.call_id, None)
        return perf_counter() - began if began is not None else 0.0

    def let_go(self) -> None:
        """Begin nothing more: it is over, or nobody waits for it. What was not begun yet never is; what was goes on, unheard."""
        self.is_left = True
        if self._at_work:
            for begun in tuple(self._at_work.values()):
                begun.let_go()

    def holds(self, inner: Run, call_id: str) -> None:
        """`inner` is what runs in this call, and is let go with it."""
        self._begun(call_id, inner)

    def _begun(self, call_id: str, work: ToolRun | Run) -> None:
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
            _, after, happened, finish = self._taken[-1]
            self.journal.keep(unkept.event, Step(after, () if finish is None else (finish,), happened))
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

    def is_within(self, outer: Run, call_id: str) -> None:
        """This run goes on inside a call of `outer`."""
        self._origin = f"{outer.origin()}/{call_id}"

    def seconds_left(self) -> float | None:
        """Until the run's time is up; None when it has no limit."""
        return None if self.deadline is None else self.deadline - monotonic()

    @property
    def is_late(self) -> bool:
        """Whether the run's time is up."""
        return self.deadline is not None and self.deadline <= monotonic()

    def time_up(self) -> TimeUp:
        """The event that ends a run whose time is up."""
        return TimeUp(self._seconds)

    def _start_clock(self, budget: Budget, used: float) -> None:
        if budget.seconds is not None:
            self._seconds, self._told_at = budget.seconds, monotonic()
            self.deadline = self._told_at + self._seconds - used

    # -- effects, as far as they need no waiting ---------------------------------------------------------------------

    def request(self, effect: CallModel) -> tuple[Model, ModelRequest]:
        """Whom to ask, and what.

        Raises:
            ModelError: when the agent has no model, or its instructions fail.
        """
        around = self.around
        agent = around.machine.agents[effect.agent]
        model = around.config.model if around.config.model is not None else agent.model
        if model is None:
            message = f"agent {effect.agent!r} has no model; give Agent(model=...) or RunConfig(model=...): a litellm model name, or an object with reply(request)"
            raise ModelError(message, self.context)
        try:
            request = request_for(around.machine, self.context, around.config.params, around.config.headers)
        except Exception as error:
            raise ModelError(f"the instructions of {effect.agent!r} failed: {failure(error)}", self.context) from error
        return around.models(model) if isinstance(model, str) else model, request

    def answered(self, reply: Any) -> ModelReplied | ModelFailed:
        """The model gave `reply`; anything but a `Reply` is a mistake of whoever wrote the model."""
        if type(reply) is Reply:
            return ModelReplied(reply)
        return ModelFailed(f"the model gave {redacted(repr(reply)):.60}; reply(request) must return a Reply, such as Reply(text)")

    def not_answered(self, error: BaseException) -> ModelFailed | TimeUp:
        """The model failed, or the run's time was up; the error is kept as the cause of the one in the result."""
        if self.deadline is not None and self.is_late:
            return self.time_up()
        self._cause = harmless(error)
        return ModelFailed(shown(error) if isinstance(error, AgentGraphError) else failure(error))

    def tool_run(self, effect: RunTool) -> ToolRun | ToolReturned | AttemptLost:
        """The execution, ready to begin; the start of the call is observed. Or what is said of one that is not begun: it was when the
        conversation was left, and nobody knows what it did.
        """
        tool, call = self.around.machine.offer(effect.agent).tools.get(effect.call.name), effect.call
        if tool is None or call.id in self._in_flight:
            self._in_flight -= {call.id}
            return AttemptLost(call.id)
        if self.watched and call.id not in self._started_at:
            self._started_at[call.id] = perf_counter()
            self.tell(ToolStarted(agent=effect.agent, call=call, within=self.around.within))
        try:
            tool_run = ToolRun(tool, call, seen_by(self.context, call), self.around.deps, self.origin)
        except Mismatch as wrong:
            return ToolReturned(call.id, error=f"the arguments of {call.name!r} do not fit any more: {wrong}")
        self._begun(call.id, tool_run)
        return tool_run

    def handle(self, effect: HandleOutput) -> OutputHandled:
        """Let the handlers decide."""
        if self._handling is None:
            self._handling = Handling(None)
        return self._handling.decide(effect, self.around.machine.agents[effect.agent], self.context)

    def approval(self, effect: AskApproval) -> Approved | None:
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
                self.tell(ApprovalAsked(agent=effect.agent, call=effect.call, within=self.around.within))
            return None
        return Approved(effect.call.id, given is True, given if isinstance(given, str) else "")

    @property
    def run_value(self) -> Any:
        """The run context as it is now."""
        return self._handling.run_value if self._handling is not None else None

    # -- watching --------------------------------------------------------------------------------------------------

    def tell(self, observation: Observation) -> None:
        """Let who watches know."""
        tell(self.around.listeners, observation)
        if WATCHERS.watching and observation.within == self.around.within:  # what a run inside a tool told is passed on, not told again
            WATCHERS.tell(self.around.machine, observation)
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
            trace=Trace(self._start, (), self.children, tuple(self._taken)),
            error=finish.error,
            machine=self.around.machine,
        )

    def _unfinished(self) -> Finish:
        asked = any(isinstance(effect, AskApproval) for effect in due(self.context))
        return Finish("approval" if asked else "unfinished")

    def close(self) -> None:
        """Tell who watches that the run is over. A run inside a tool is part of the one around it."""
        if self.watched and not self.around.within:
            self.tell(RunCompleted(result=self.result()))
