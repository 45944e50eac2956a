"""Conversation: one that is kept in a store, step by step, and outlives whoever holds it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Generic
from uuid import uuid4

from agentgraph.conversation.context import Context
from agentgraph.conversation.store import key_of
from agentgraph.definition.agent import Output
from agentgraph.engine.events import Cancelled
from agentgraph.engine.journal import NOWHERE, history, recent
from agentgraph.engine.trace import Trace, replay
from agentgraph.errors import AgentGraphError, ContextError, DefinitionError
from agentgraph.runtime import tasks, threads
from agentgraph.runtime.journal import LEFT, Journal, refuse_other_than_seconds
from agentgraph.runtime.loop import running_loop
from agentgraph.runtime.stream import AsyncRunStream, RunStream

if TYPE_CHECKING:
    from agentgraph.conversation.store import Entry, Store
    from agentgraph.runtime.agent_runner import AgentRunner, Said
    from agentgraph.runtime.config import RunConfig
    from agentgraph.runtime.observations import Observation
    from agentgraph.runtime.result import RunResult
    from agentgraph.runtime.run import Run

DEFAULT_LEASE = 30.0
"""Seconds without a sign of life after which a turn's owner counts as gone, where nothing tells that it is."""
FRESH = Context()
_NEVER = 2**62  # steps: no conversation has as many
_FORKED = 80  # characters of an id in that of a branch: each is up to 12 in a key, which has an end
_METHODS = ("lease", "renew", "release", "append", "entries", "latest", "list", "delete", "close")


class Conversation(Generic[Output]):
    """One conversation in a store. From any number of threads, tasks and processes: one turn at a time holds it.

    A turn that comes while another goes on waits its turn as long as `wait` says, and then its result has a `Conflict`. A
    turn whose process was killed is over at once where the store can tell, else when its lease has run out. Whoever comes then,
    `resume` or the next message, takes up exactly where it stopped: what a model or a tool has answered is not asked again. A
    model that had not answered is asked again. A tool that had not is run again if it is `idempotent`, with the same
    `ctx.idempotency_key`; of another the model is told that its outcome is unknown. An agent used as a tool counts as one call.
    """

    def __init__(self, runner: AgentRunner[Output], id: str, store: Store, start: Context | None, wait: float, lease: float) -> None:
        if any(not callable(getattr(store, name, None)) for name in _METHODS):
            raise DefinitionError(
                f"a conversation was given the store {store!r:.60}; give a store, such as open_store('sqlite:///file.db')"
            )
        begin: Any = FRESH if start is None else start
        if not isinstance(begin, Context):
            raise DefinitionError(f"a conversation was given the context {start!r:.60}; give a Context to begin at")
        refuse_other_than_seconds("a conversation was", "wait", wait, 0.0)
        refuse_other_than_seconds("a conversation was", "lease", lease, 0.1)
        key_of(id)
        self.id, self.store, self.wait, self.lease = id, store, wait, lease
        self._runner, self._start = runner, begin
        self._known = NOWHERE
        """How far it was read here: that need not be read again."""

    # -- turns -------------------------------------------------------------------------------------------------------------

    def run(self, input: Said, config: RunConfig | None = None, deps: Any = None) -> RunResult[Output]:
        """Hold one turn, waiting in this thread. As `AgentRunner.run`, with the context in the store."""
        return self._held(self._begun(config, deps), input)

    async def arun(self, input: Said, config: RunConfig | None = None, deps: Any = None) -> RunResult[Output]:
        """Hold one turn in asyncio."""
        return await self._aheld(self._begun(config, deps), input)

    def resume(
        self, approvals: Mapping[str, bool | str] | None = None, config: RunConfig | None = None, deps: Any = None
    ) -> RunResult[Output]:
        """Take up the run that was left: by a crash, or because a call waits for a person. `approvals` answers such calls, by id."""
        return self._held(self._begun(config, deps, approvals=approvals), None)

    async def aresume(
        self, approvals: Mapping[str, bool | str] | None = None, config: RunConfig | None = None, deps: Any = None
    ) -> RunResult[Output]:
        """`resume` in asyncio."""
        return await self._aheld(self._begun(config, deps, approvals=approvals), None)

    def stream(
        self, input: Said, config: RunConfig | None = None, deps: Any = None, approvals: Mapping[str, bool | str] | None = None
    ) -> RunStream[Output]:
        """Hold one turn, and watch it. One that is left before its end is given back when it is closed, by `with`, and can be taken up."""
        run = self._begun(config, deps, streaming=True, approvals=approvals)
        return RunStream(run, self._watched(run, input))

    def astream(
        self, input: Said, config: RunConfig | None = None, deps: Any = None, approvals: Mapping[str, bool | str] | None = None
    ) -> AsyncRunStream[Output]:
        """`stream` in asyncio, with `async for`, and `async with` around it."""
        run = self._begun(config, deps, streaming=True, approvals=approvals)
        return AsyncRunStream(run, self._awatched(run, input))

    def _begun(
        self, config: RunConfig | None, deps: Any, *, streaming: bool = False, approvals: Mapping[str, bool | str] | None = None
    ) -> Run:
        known = self._known
        start = known.context if known.seq >= 0 else self._start  # what the result of a turn that cannot begin stands at
        run = self._runner.begun(start, config, deps, streaming=streaming, approvals=approvals)
        run.journal = Journal(self.store, self.id, self.lease, self._start)
        run.journal.place = known
        return run

    def _held(self, run: Run, said: Said) -> RunResult[Output]:
        with (journal := _journal_of(run)):
            try:
                self._take(run, journal)
                threads.perform(run, said)
            finally:
                LEFT[journal.owner] = journal
                self._known = journal.place
        return run.result()

    async def _aheld(self, run: Run, said: Said) -> RunResult[Output]:
        running_loop()  # asked before anything is done, and so before anything is to be given back
        journal = _journal_of(run)
        try:
            await self._atake(run, journal)
            await tasks.perform(run, said)
        finally:
            LEFT[journal.owner] = journal
            self._known = journal.place
            await journal.aclose()
        return run.result()

    def _watched(self, run: Run, said: Said) -> Generator[Observation, None, None]:
        with (journal := _journal_of(run)):
            try:
                self._take(run, journal)
                with closing(threads.watch(run, said)) as observations:
                    yield from observations
            finally:
                LEFT[journal.owner] = journal
                self._known = journal.place

    async def _awatched(self, run: Run, said: Said) -> AsyncGenerator[Observation, None]:
        running_loop()  # as in `_aheld`
        journal = _journal_of(run)
        try:
            await self._atake(run, journal)
            async with aclosing(tasks.watch(run, said)) as observations:
                async for observation in observations:
                    yield observation
        finally:
            LEFT[journal.owner] = journal
            self._known = journal.place
            await journal.aclose()

    def _take(self, run: Run, journal: Journal) -> None:
        """Have the conversation for `run`; what keeps it from being had is in the result of the run."""
        try:
            run.start_from(journal.open(self._known, self.wait))
        except AgentGraphError as obstacle:
            run.obstacle = obstacle

    async def _atake(self, run: Run, journal: Journal) -> None:
        try:
            run.start_from(await journal.aopen(self._known, self.wait))
        except AgentGraphError as obstacle:
            run.obstacle = obstacle

    # -- reading -----------------------------------------------------------------------------------------------------------

    @property
    def context(self) -> Context:
        """The latest snapshot in the store, whoever has written it. It costs the same after ten thousand turns as after ten: its older
        messages are read when they are looked at.

        Raises:
            StoreError: when it cannot be read; or, when its messages are looked at, if they cannot be, or were deleted since.
        """
        entries = self.store.latest(self.id)
        return self._recent(entries) if entries else self._start

    def _recent(self, entries: Sequence[Entry]) -> Context:
        return recent(self.id, entries, lambda: self.store.entries(self.id, 0, entries[0].seq)).context

    def history(self) -> Trace:
        """All that has happened, as one trace; the n-th of its contexts is `at(n)`.

        Raises:
            StoreError: when it cannot be read, naming the first step that cannot.
        """
        return history(self.id, self.store.entries(self.id)) or Trace(self._start)

    def at(self, seq: int) -> Context:
        """The context after step `seq`; 0 is where the conversation began. Its older messages are read as those of `context`.

        Raises:
            ContextError: when there is no such step.
            StoreError: as for `context`.
        """
        given: Any = seq
        entries = self.store.latest(self.id, seq) if type(given) is int and 0 <= given < _NEVER else ()
        if not entries or entries[-1].seq != seq:
            last = len(self.store.entries(self.id)) - 1
            has = f"the steps 0 to {last}" if last >= 0 else "no step yet"
            raise ContextError(f"the conversation {self.id!r:.60} has no step {seq!r:.40}; it has {has}", seq)
        return self._recent(entries)

    # -- more of them --------------------------------------------------------------------------------------------------------

    def fork(self, seq: int, new_id: str | None = None) -> Conversation[Output]:
        """Another conversation, which begins where this one was after step `seq`. Neither sees the other.

        Raises:
            ContextError: when there is no such step.
            Conflict: when there is a conversation called `new_id` already.
        """
        start = self.at(seq)
        called = f"{self.id[:_FORKED]}/{uuid4().hex}" if new_id is None else new_id
        forked = Conversation(self._runner, called, self.store, start, self.wait, self.lease)
        with (journal := Journal(self.store, forked.id, self.lease, start)):
            try:
                journal.open(NOWHERE, 0.0)
                journal.begin()
            finally:
                LEFT[journal.owner] = journal
        return forked

    def cancel(self) -> bool:
        """End the turn in hand, whoever holds it, and in whatever process; whether there was one.

        Every call of it is answered: what was not begun is not executed, what was is interrupted, and its outcome unknown. The result of
        whoever held it has the stop reason "cancelled", as soon as the model or the tool in hand has come back to it: nothing is begun
        any more. A turn that waits for a person is ended too. The next message is accepted at once.

        Raises:
            StoreError: when it cannot be read or written.
        """
        with (journal := Journal(self.store, self.id, self.lease, self._start)):
            try:
                context, was_held = journal.seize(self._known)
                if context.progress is None:
                    return was_held
                journal.keep(replay(self._runner.machine, context, (Cancelled(),)).taken[0])
                self._known = journal.place
            finally:
                LEFT[journal.owner] = journal
        return True

    async def acancel(self) -> bool:
        """`cancel` in asyncio."""
        return self.cancel() if self.store.instant else (await tasks.called_apart(self.cancel)).open()

    def delete(self) -> bool:
        """Forget it, with all its steps; whether there was one. A turn that goes on ends with a `Conflict`.

        Raises:
            StoreError: as `Store.delete` does, also when it is forgotten and a file is not clean of it yet.
        """
        self._known = NOWHERE
        return self.store.delete(self.id)

    def __repr__(self) -> str:
        return f"Conversation({self.id!r:.60}, {self.store!r})"


def _journal_of(run: Run) -> Journal:
    assert run.journal is not None
    return run.journal
