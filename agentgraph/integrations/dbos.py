"""Turns through the queues of DBOS, to any number of worker processes. DBOS carries ids; the journal is the truth, and its fence.

What the user says is put into our own store first, and a workflow of DBOS has the id of that turn as its argument and
its result. So DBOS holds no content, and never pickles anything of ours. It delivers at least once; a turn is held once, by the journal.
A row that somebody else has put there as a pickle is not loaded: whoever may write to DBOS's tables cannot have code run by a worker.

A worker says every few seconds that it lives. Turns in the hands of one that does not any more are put back into the queue by the others.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from agentgraph.conversation.store import key_of
from agentgraph.conversation.text import as_json
from agentgraph.errors import AgentGraphError, Conflict, ContextError, DefinitionError, StoreError
from agentgraph.integrations.once import Outcome, Remembered, hold_once
from agentgraph.runtime.journal import refuse_other_than_seconds
from agentgraph.runtime.log import logger
from agentgraph.runtime.said import read_said
from agentgraph.stores.sql import SQLStore

if TYPE_CHECKING:
    from dbos import DBOSClient, EnqueueOptions, WorkflowStatus

    from agentgraph.runtime.agent_runner import AgentRunner, Said
    from agentgraph.stores.turns import Turn

_QUEUE, _WORKFLOW, _SCHEMA = "agentgraph-turns", "agentgraph.turn", "agentgraph_dbos"
_VERSION = "1"
"""For DBOS code never changes: what is in the queue is an id, and the journal is gone on with by whatever code there is."""
_POLLING = 0.05
_OFTEN = 3
"""Signs of life within the time after which a worker counts as dead."""
_REMEMBERED = 64
"""Conversations that a worker need not read again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_COMES = frozenset({"ENQUEUED", "DELAYED", "PENDING", "CANCELLED"})
"""Nothing is to be done for these: a worker has it, or will come, or an operator has said that none is to."""
_OVER = frozenset({"SUCCESS", "ERROR"})


class StillUnderWay(AgentGraphError, TimeoutError):
    """The turn is not over yet. It goes on; ask for its result again."""


class DBOSExecutor:
    """Hands turns to workers, and is one when it is asked to `work`. `lease` is after how many seconds without a sign of life
    a worker counts as dead, so that others take over what it had.

    Raises:
        DefinitionError: when DBOS is not installed, the store is not in a database, or the lease is no time.
        StoreError: when the database of DBOS cannot be reached.
    """

    def __init__(self, runner: AgentRunner, store: SQLStore, *, database_url: str, lease: float = 10.0) -> None:
        try:
            import dbos
        except ImportError as missing:
            raise DefinitionError('turns through DBOS need dbos; pip install "agentgraph-fsm[dbos]"') from missing
        given: Any = store
        if not isinstance(given, SQLStore):
            raise DefinitionError(
                f"turns through DBOS were given the store {store!r:.60}; workers share a SQLiteStore on one machine, or a PostgresStore"
            )
        refuse_other_than_seconds("turns through DBOS were", "lease", lease, 0.1)
        self.runner, self.store, self.lease = runner, store, lease
        self._dbos, self._url = dbos, database_url
        self._serializer = dbos.DBOSPortableJSONSerializer()  # JSON; the default pickles
        self._connecting = threading.Lock()
        self._connected: DBOSClient | None = None
        self._in_hand: set[str] = set()
        self._known = Remembered(_REMEMBERED)
        self._missed: frozenset[str] = frozenset()
        """Workflows that DBOS had given to this worker at the last look, and that never came: the answer was lost with a connection."""

    # -- asking ------------------------------------------------------------------------------------------------------------

    def submit(self, conversation_id: str, text: Said) -> str:
        """Let a worker hold a turn of this conversation; the id of the turn. Turns of one conversation are held in the order they came.

        Raises:
            DefinitionError: for what nobody can say.
            ContextError: for what JSON cannot hold.
            StoreError: when it could not be written; then it will not be held.
        """
        if not text:
            raise DefinitionError("there is nothing to say; give a text that is not empty")
        content, _ = read_said(text)
        run_id = uuid4().hex
        self.store.submit(run_id, conversation_id, json.dumps(as_json(content), allow_nan=False))
        try:
            self._enqueue(run_id, conversation_id, run_id)
        except Exception as wrong:  # noqa: BLE001 - it is in the store, and a worker will find it there
            logger.warning("turn %s is not in the queue yet: %s: %s; it will be in a while", run_id, type(wrong).__name__, wrong)
        return run_id

    def result(self, run_id: str, timeout: float = 60.0) -> Outcome:
        """What the turn came to; waits for it.

        Raises:
            StillUnderWay: when it is not over after `timeout` seconds.
            ContextError: when there is no such turn, or it was deleted with its conversation.
            DefinitionError: for a timeout that is none.
        """
        refuse_other_than_seconds("a result was", "timeout", timeout, 0.0)
        until, pause = monotonic() + timeout, _FIRST_PAUSE
        while True:
            turn = self.store.turn(run_id)
            if turn is None:
                raise ContextError(
                    f"there is no turn {run_id!r:.60}; it was deleted with its conversation, or belongs to another store", run_id
                )
            if turn.outcome is not None:
                return Outcome.from_json(turn.outcome)
            if monotonic() >= until:
                raise StillUnderWay(f"turn {run_id} is not over after {timeout:g} seconds; it goes on, so ask again")
            sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def close(self) -> None:
        """Let go of the connections to DBOS's database; the store is yours."""
        with self._connecting:
            client, self._connected = self._connected, None
        if client is not None:
            client.destroy()

    # -- working -----------------------------------------------------------------------------------------------------------

    def work(
        self,
        concurrency: int = 8,
        stop: threading.Event | None = None,
        grace: float = 30.0,
        ready: Callable[[], object] = lambda: None,
    ) -> Sequence[str]:
        """Hold turns, `concurrency` at a time, until `stop` is set; `ready` is called when the first may come.

        Then what is in hand is brought to its end, for up to `grace` seconds. What is not over is handed back, and its ids are
        returned: its threads still run, so end the process. This process must have no DBOS of its own: there can be one in a process.

        Raises:
            DefinitionError: when it has, when the grace is no time, and for a DBOS that cannot be kept from loading pickles.
        """
        refuse_other_than_seconds("a worker was", "grace", grace, 0.0)
        with _without_pickles():
            return self._work(concurrency, stop or threading.Event(), grace, ready)

    def _work(self, concurrency: int, stop: threading.Event, grace: float, ready: Callable[[], object]) -> Sequence[str]:
        name, left = uuid4().hex, threading.Event()
        self._client()
        dbos = self._launched(name, concurrency)
        self.store.beat(name, self.lease)
        pulse = threading.Thread(target=self._pulse, args=(name, left), name="agentgraph-pulse", daemon=True)
        pulse.start()
        try:
            ready()
            stop.wait()
        finally:
            try:
                dbos.destroy(workflow_completion_timeout_sec=max(int(grace), 0), destroy_registry=True)
            finally:
                left.set()
                pulse.join(self.lease)
                self.store.leave(name)
        return sorted(self._in_hand)

    def _launched(self, name: str, concurrency: int) -> Any:
        dbos = self._dbos.DBOS
        dbos(
            config={
                "name": "agentgraph",
                "system_database_url": self._url,
                "dbos_system_schema": _SCHEMA,
                "serializer": self._serializer,
                "executor_id": name,
                "application_version": _VERSION,
                "max_executor_threads": concurrency + 2,
                "log_level": "WARNING",
            }
        )
        if dbos.executor_id != name:
            raise DefinitionError(
                "this process has a DBOS of its own already, and there can be one; let turns be held by a process that has none"
            )

        @dbos.workflow(name=_WORKFLOW)  # type: ignore[untyped-decorator, unused-ignore]
        def turn(run_id: str) -> str:
            self._hold(run_id)
            return run_id

        dbos.listen_queues([_QUEUE])
        dbos.launch()
        dbos.register_queue(
            _QUEUE, worker_concurrency=concurrency, partition_concurrency=1, polling_interval_sec=_POLLING, on_conflict="always_update"
        )
        return dbos

    def _hold(self, run_id: str) -> None:
        """Hold the turn, and those of its conversation that came before it: a queue may deliver in another order."""
        turn = self.store.turn(run_id)
        if turn is None or turn.outcome is not None:
            return
        self._in_hand.add(run_id)
        try:
            known = self._known.taken(turn.conversation)
            for due in self.store.turns_due(turn):
                known = hold_once(self.runner, self.store, due, self.lease, 2 * self.lease, known)
            self._known.put(turn.conversation, known)
        except (Conflict, StoreError) as wrong:  # it is not over, so it is brought back
            logger.warning("turn %s could not be held, and goes back: %s", run_id, wrong)
        finally:
            self._in_hand.discard(run_id)

    # -- liveness ----------------------------------------------------------------------------------------------------------

    def _pulse(self, name: str, left: threading.Event) -> None:
        while not left.wait(self.lease / _OFTEN):
            try:
                self.store.beat(name, self.lease)
                self._bring_back(name)
            except Exception as wrong:  # noqa: BLE001 - the next beat may succeed
                logger.warning("a sign of life could not be given: %s: %s", type(wrong).__name__, wrong)

    def _bring_back(self, name: str) -> None:
        """Let somebody take up what nobody will: turns of dead workers, of workers that gave them back, and those that no queue knows."""
        turns = self.store.turns_left(self.lease)
        if not turns:
            return
        alive, client = self.store.workers(), self._client()
        pending = client.list_workflows(status="PENDING", queue_name=_QUEUE, load_input=False, load_output=False)
        missing = frozenset(
            workflow.workflow_id for workflow in pending if workflow.executor_id == name and _turn_of(workflow) not in self._in_hand
        )
        lost, self._missed = missing & self._missed, missing
        for workflow in pending:  # also where its turn is over: others of its conversation wait behind it
            if workflow.executor_id not in alive or workflow.workflow_id in lost:
                client.resume_workflow(workflow.workflow_id, queue_name=_QUEUE)
        carried: dict[str, list[WorkflowStatus]] = {turn.id: [] for turn in turns}
        for workflow in client.list_workflows(workflow_id_prefix=list(carried), load_input=False, load_output=False):
            carried[_turn_of(workflow)].append(workflow)
        for turn in turns:
            self._bring(client, turn, carried[turn.id])

    def _bring(self, client: DBOSClient, turn: Turn, workflows: Sequence[WorkflowStatus]) -> None:
        left = [workflow for workflow in workflows if workflow.status not in _OVER]
        if not left:
            self._enqueue(turn.id, turn.conversation, f"{turn.id}#{len(workflows)}" if workflows else turn.id)
        elif not any(workflow.status in _COMES for workflow in left):
            client.resume_workflow(left[0].workflow_id, queue_name=_QUEUE)

    # -- the queue ---------------------------------------------------------------------------------------------------------

    def _enqueue(self, run_id: str, conversation: str, workflow_id: str) -> None:
        options: EnqueueOptions = {
            "workflow_name": _WORKFLOW,
            "queue_name": _QUEUE,
            "workflow_id": workflow_id,
            "app_version": _VERSION,
            "application_name": "agentgraph",
            "queue_partition_key": sha256(key_of(conversation).encode()).hexdigest(),
        }
        self._client().enqueue(options, run_id)

    def _client(self) -> DBOSClient:
        with self._connecting:
            if self._connected is None:
                try:
                    self._dbos.DBOS.migrate(self._url, schema=_SCHEMA)
                    self._connected = self._dbos.DBOSClient(
                        system_database_url=self._url,
                        dbos_system_schema=_SCHEMA,
                        serializer=self._serializer,
                        application_name="agentgraph",
                    )
                except Exception as wrong:
                    raise StoreError(f"the database of DBOS cannot be used: {type(wrong).__name__}: {wrong}") from wrong
            return self._connected

    def __repr__(self) -> str:
        return f"DBOSExecutor({self.store!r})"


@contextmanager
def _without_pickles() -> Iterator[None]:
    """DBOS loads a row that says it is a pickle, whatever its serializer is. In a worker it does not, and the turn is brought again."""
    from dbos import _serialization

    unpickling: Any = getattr(_serialization, "DefaultSerializer", None)
    loads = getattr(unpickling, "deserialize", None)
    if loads is None:
        raise DefinitionError("this version of DBOS cannot be kept from loading pickles; install dbos>=3.0,<=3.4")
    unpickling.deserialize = _refused
    try:
        yield
    finally:
        unpickling.deserialize = loads


def _refused(_: object, __: str) -> NoReturn:
    raise StoreError("a row of DBOS holds a pickle, which is not loaded: none of ours is one")


def _turn_of(workflow: WorkflowStatus) -> str:
    """The id of the turn that a workflow carries: its own id, but for what tells it from those that carried the turn before."""
    return workflow.workflow_id.partition("#")[0]
