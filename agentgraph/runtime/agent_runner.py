"""AgentRunner: holds conversations on one compiled graph. Created once, used from any number of threads and loops."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from msgspec.structs import replace

from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import EMPTY
from agentgraph.definition.agent import Agent, Output
from agentgraph.definition.group import AgentGroup
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import Topology
from agentgraph.machine.machine import Machine
from agentgraph.runtime import tasks, threads
from agentgraph.runtime.callbacks import NOBODY, Callback, with_callback
from agentgraph.runtime.config import DEFAULT, RunConfig
from agentgraph.runtime.conversation import DEFAULT_LEASE, FRESH, Conversation
from agentgraph.runtime.observations import (
    AgentCompleted,
    AgentHandoff,
    AgentThinking,
    LLMCallComplete,
    Observation,
    RunCompleted,
    RunStarted,
    ToolCompleted,
    ToolRefused,
    ToolStarted,
)
from agentgraph.runtime.result import RunResult, RunResultWithContext
from agentgraph.runtime.run import Run
from agentgraph.runtime.stream import AsyncRunStream, RunStream
from agentgraph.runtime.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentgraph.conversation.store import Store
    from agentgraph.definition.decision import Decision, ToolOutput
    from agentgraph.definition.model import Model
    from agentgraph.machine.happening import Monitor

C = TypeVar("C")
T = TypeVar("T")
Said = str | Sequence[Mapping[str, Any]] | None
"""Text, content parts, or None to take up a context that was left in the middle of a run."""


class AgentRunner(Generic[Output]):
    """Runs conversations. Immutable but for its callbacks, which affect later runs only.

    Each run takes a message and a context and gives a result with the next context; nothing is kept in between, so two
    runs from one context never see each other.

    To type checkers it is an `AgentRunner[T]`, where T is what its agents answer; `Any` of a graph or a group.
    """

    @overload
    def __init__(self, graph: Agent[Output], config: RunConfig = ..., monitors: Iterable[Monitor] = ...) -> None: ...
    @overload
    def __init__(
        self: AgentRunner[Any], graph: Topology | Machine | AgentGroup, config: RunConfig = ..., monitors: Iterable[Monitor] = ...
    ) -> None: ...
    def __init__(
        self, graph: Topology | Machine | Agent | AgentGroup, config: RunConfig = DEFAULT, monitors: Iterable[Monitor] = ()
    ) -> None:
        """`monitors` are specs such as `never(calls("refund"))`: what would break one does not take place, and the model is told why."""
        if not isinstance(config, RunConfig):
            raise DefinitionError(f"a runner was given the config {config!r:.60}; give a RunConfig(...)")
        self.machine = _compiled(graph).monitored(monitors)
        self.config = config
        self._around = Surroundings(self.machine, config, self._model, NOBODY, deps=config.deps)  # of a run that has nothing of its own
        self._registering = threading.Lock()
        self._models: dict[str, Model] = {}

    @overload
    @classmethod
    def with_agents(cls, *agents: Agent[T], config: RunConfig = ..., monitors: Iterable[Monitor] = ...) -> AgentRunner[T]: ...
    @overload
    @classmethod
    def with_agents(cls, *agents: Agent | AgentGroup, config: RunConfig = ..., monitors: Iterable[Monitor] = ...) -> AgentRunner: ...
    @classmethod
    def with_agents(cls, *agents: Agent | AgentGroup, config: RunConfig = DEFAULT, monitors: Iterable[Monitor] = ()) -> Any:
        """A runner for agents that name their own handoffs; the first is the entry.

        Raises:
            DefinitionError: with every finding, when they cannot be compiled.
        """
        return cls(Topology.of(*agents), config, monitors)

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, input: Said, context: Context | None = None, config: RunConfig | None = None, deps: Any = None) -> RunResult[Output]:
        """Hold one turn, waiting in this thread. Works inside a running event loop too.

        `input` is text, or content parts; None takes up a context that was left in the middle of a run. `deps` are live
        objects for the tools of this run, in place of the config's; like `context` and `config`, in every way of running.
        """
        run = self.begun(context, config, deps)
        threads.perform(run, input)
        return run.result()

    async def arun(
        self, input: Said, context: Context | None = None, config: RunConfig | None = None, deps: Any = None
    ) -> RunResult[Output]:
        """Hold one turn in asyncio."""
        run = self.begun(context, config, deps)
        await tasks.perform(run, input)
        return run.result()

    def stream(
        self,
        input: Said,
        context: Context | None = None,
        config: RunConfig | None = None,
        deps: Any = None,
        approvals: Mapping[str, bool | str] | None = None,
    ) -> RunStream[Output]:
        """Hold one turn, and watch it: typed observations, text as it is written, `RunCompleted` last.

        With None as input it takes up what is pending, as `resume` does; `approvals` then answers calls that wait for a person.
        """
        run = self.begun(context, config, deps, streaming=True, approvals=approvals)
        return RunStream(run, threads.watch(run, input))

    def astream(
        self,
        input: Said,
        context: Context | None = None,
        config: RunConfig | None = None,
        deps: Any = None,
        approvals: Mapping[str, bool | str] | None = None,
    ) -> AsyncRunStream[Output]:
        """`stream` in asyncio, with `async for`."""
        run = self.begun(context, config, deps, streaming=True, approvals=approvals)
        return AsyncRunStream(run, tasks.watch(run, input))

    def resume(
        self, context: Context, approvals: Mapping[str, bool | str] | None = None, config: RunConfig | None = None, deps: Any = None
    ) -> RunResult[Output]:
        """Take up a run where its context was left: performing what is due.

        `approvals` answers calls that wait for a person, by call id: True, False, or why not.
        """
        run = self.begun(context, config, deps, approvals=approvals)
        threads.perform(run, None)
        return run.result()

    async def aresume(
        self, context: Context, approvals: Mapping[str, bool | str] | None = None, config: RunConfig | None = None, deps: Any = None
    ) -> RunResult[Output]:
        """`resume` in asyncio."""
        run = self.begun(context, config, deps, approvals=approvals)
        await tasks.perform(run, None)
        return run.result()

    def run_with_run_context(
        self,
        input: Said,
        factory: Callable[[], C],
        handler: Callable[[C, ToolOutput], tuple[C, Decision]],
        context: Context | None = None,
        config: RunConfig | None = None,
        deps: Any = None,
    ) -> RunResultWithContext[C, Output]:
        """Hold one turn that carries a value of yours: made by `factory`, followed by `handler` at every tool output."""
        run = self.begun(context, (config or self.config).with_run_context(factory, handler), deps)
        threads.perform(run, input)
        return RunResultWithContext(run.result(), run.run_value)

    async def arun_with_run_context(
        self,
        input: Said,
        factory: Callable[[], C],
        handler: Callable[[C, ToolOutput], tuple[C, Decision]],
        context: Context | None = None,
        config: RunConfig | None = None,
        deps: Any = None,
    ) -> RunResultWithContext[C, Output]:
        """`run_with_run_context` in asyncio."""
        run = self.begun(context, (config or self.config).with_run_context(factory, handler), deps)
        await tasks.perform(run, input)
        return RunResultWithContext(run.result(), run.run_value)

    def conversation(
        self, id: str, store: Store, context: Context | None = None, wait: float = 0.0, lease: float = DEFAULT_LEASE
    ) -> Conversation[Output]:
        """The conversation called `id` in `store`, which is made when its first turn is held, beginning at `context`.

        Every step is written down before what it asks for is done. `wait` is how many seconds a turn waits for another one of
        this conversation; `lease`, after how many seconds without a sign of life another worker may take it over.
        """
        return Conversation(self, id, store, context, wait, lease)

    def begun(
        self,
        context: Context | None,
        config: RunConfig | None,
        deps: Any,
        *,
        streaming: bool = False,
        approvals: Mapping[str, bool | str] | None = None,
    ) -> Run:
        """A run that has not begun: what all the ways of running share."""
        around = self._around
        if config is not None or streaming or approvals is not None or deps is not None:
            if config is not None and not isinstance(config, RunConfig):
                raise DefinitionError(f"a run was given the config {config!r:.60}; give a RunConfig(...)")
            config, approvals = config or around.config, EMPTY if approvals is None else approvals
            if not isinstance(approvals, Mapping):
                raise DefinitionError(
                    f"a run was given the approvals {approvals!r:.60}; give a dict from the id of a call to True, False, or why not"
                )
            deps = next((given for given in (deps, config.deps) if given is not None), around.deps)
            around = replace(around, config=config, streaming=streaming, collecting=streaming, approvals=approvals, deps=deps)
        if context is None:
            context = FRESH
        elif not isinstance(context, Context):
            raise DefinitionError(
                f"a run was given the context {context!r:.60}; give a Context, such as result.context or Context.from_json(text)"
            )
        return Run(around, context)

    def _model(self, name: str) -> Model:
        found = self._models.get(name)
        if found is None:
            from agentgraph.runtime.models.litellm import LiteLLMModel

            found = self._models.setdefault(name, LiteLLMModel(name))
        return found

    # -- callbacks -------------------------------------------------------------------------------------------------

    def on_run_start(self, callback: Callable[[RunStarted], object]) -> Self:
        """Call `callback` when a run begins. Like all of these: chainable, and usable as a decorator."""
        return self._on(RunStarted, callback)

    def on_agent_thinking(self, callback: Callable[[AgentThinking], object]) -> Self:
        """Call `callback` before each model call."""
        return self._on(AgentThinking, callback)

    def on_llm_call_complete(self, callback: Callable[[LLMCallComplete], object]) -> Self:
        """Call `callback` after each model call."""
        return self._on(LLMCallComplete, callback)

    def on_tool_start(self, callback: Callable[[ToolStarted], object]) -> Self:
        """Call `callback` before a tool runs."""
        return self._on(ToolStarted, callback)

    def on_tool_complete(self, callback: Callable[[ToolCompleted], object]) -> Self:
        """Call `callback` when a tool came back or failed."""
        return self._on(ToolCompleted, callback)

    def on_tool_refused(self, callback: Callable[[ToolRefused], object]) -> Self:
        """Call `callback` when a call is answered without being run: a guard at work, or a mistake of the model."""
        return self._on(ToolRefused, callback)

    def on_agent_handoff(self, callback: Callable[[AgentHandoff], object]) -> Self:
        """Call `callback` when the conversation moves."""
        return self._on(AgentHandoff, callback)

    def on_agent_complete(self, callback: Callable[[AgentCompleted], object]) -> Self:
        """Call `callback` when an agent is done."""
        return self._on(AgentCompleted, callback)

    def on_run_complete(self, callback: Callable[[RunCompleted], object]) -> Self:
        """Call `callback` when a run is over; not when a stream is left before."""
        return self._on(RunCompleted, callback)

    def _on(self, kind: type[Observation], callback: Callback) -> Self:
        with self._registering:
            self._around = replace(self._around, listeners=with_callback(self._around.listeners, kind, callback))
        return self

    def __repr__(self) -> str:
        return f"AgentRunner({self.machine!r})"


class Runner:
    """The way in: `Runner.with_agents(...)` gives an `AgentRunner`."""

    @overload
    @staticmethod
    def with_agents(*agents: Agent[T], config: RunConfig = ..., monitors: Iterable[Monitor] = ...) -> AgentRunner[T]: ...
    @overload
    @staticmethod
    def with_agents(*agents: Agent | AgentGroup, config: RunConfig = ..., monitors: Iterable[Monitor] = ...) -> AgentRunner: ...
    @staticmethod
    def with_agents(*agents: Agent | AgentGroup, config: RunConfig = DEFAULT, monitors: Iterable[Monitor] = ()) -> Any:
        """A runner for agents that name their own handoffs; the first is the entry."""
        return AgentRunner.with_agents(*agents, config=config, monitors=monitors)


def _compiled(graph: Any) -> Machine:
    if isinstance(graph, Machine):
        return graph
    if isinstance(graph, Topology):
        return Machine(graph)
    if isinstance(graph, Agent | AgentGroup):
        return Machine(Topology.of(graph))
    raise DefinitionError(f"a runner was given {graph!r:.60}; give an AgentGraph, a Machine, an agent or a group")
