"""Nothing happens after the end: of random conversations that end, or are left, in every way there is, judged by a ledger that the tools write.

- No tool begins once its run is over, but for one that was being begun in the moment in which nobody waited for it any longer: it was left,
  or had timed out. And none that was answered "refused" or "skipped" has ever begun.
- A call that was given or has failed has begun as often as its answer says.
- Nothing is fed to a context that does not await it, and `run` raises nothing.
- Every form of the record says the same, and the trace is what stepping through its events again gives.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from hypothesis import given, settings, strategies as st

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Budget,
    Context,
    DefinitionError,
    Final,
    Forward,
    Handoff,
    MemoryStore,
    Message,
    Rewrite,
    RunConfig,
    RunResult,
    ScriptedModel,
    Store,
    Tool,
    ToolCall,
    ToolContext,
    ToolOutput,
    Trace,
    Unset,
    call,
    handoff,
    open_store,
    replay,
    tool,
)
from agentgraph.checks import Spec, at_most, calls, enters, never_between, passes, precedes, succeeds
from agentgraph.checks.history import check_history
from agentgraph.runtime.stream import RunStream

NOTHING = {"type": "object", "properties": {}}
WAYS = ("run", "arun", "stream", "astream", "cancelled", "kept", "kept in a file", "kept and left")
SOME = settings().max_examples * 10 // len(WAYS)  # 5,000 in CI, 100,000 in `make soak`

BEGIN, END, START, OVER = "begin", "end", "start", "over"


class Line(NamedTuple):
    """One line of the ledger: an execution began or ended, a run started or was over."""

    what: str
    call_id: str = ""
    name: str = ""


class Scene(NamedTuple):
    """Everything that is drawn of one conversation."""

    tools: tuple[tuple[str, dict[str, Any], str, float], ...]
    replies: tuple[Any, ...]
    handled: str
    approves: bool | None
    budget: Budget | None
    parallel: bool
    leaves: int
    then: str
    monitored: bool


def work_of(ledger: list[Line], does: str, pause: float) -> Any:
    """What a tool does: notes that it begins, takes a while, and ends as it is told to."""

    def work(ctx: ToolContext) -> Any:
        call_id = ctx.idempotency_key.partition("/")[2]  # with the calls around it
        ledger.append(Line(BEGIN, call_id, ctx.tool))
        time.sleep(pause)
        ctx.update(last=ctx.tool)
        ledger.append(Line(END, call_id, ctx.tool))
        match does:
            case "fails":
                raise ValueError("it cannot be done")
            case "exits":
                raise SystemExit(3)
            case "flaky" if sum(line.call_id == call_id and line.what == BEGIN for line in ledger) < 2:
                raise ConnectionError("once")
            case "unset":
                return Unset("nothing was done")
            case "false":
                return False
            case "sentinel":
                return "error: not executed: it says so itself"
        return "done"

    async def later(ctx: ToolContext) -> Any:
        call_id = ctx.idempotency_key.partition("/")[2]
        ledger.append(Line(BEGIN, call_id, ctx.tool))
        await asyncio.sleep(pause)
        ledger.append(Line(END, call_id, ctx.tool))
        return "done later"

    return later if does == "later" else work


NAMES = ("a", "b", "c", "d")
options = st.fixed_dictionaries(
    {},
    optional={
        "retries": st.integers(1, 2),
        "timeout": st.sampled_from([0.0005, 5.0]),
        "final": st.just(True),
        "needs_approval": st.just(True),
        "sets": st.just("f"),
        "requires": st.just("f"),
        "idempotent": st.just(True),
    },
)
one_call = st.one_of(
    st.sampled_from(NAMES).map(call),
    st.sampled_from(NAMES).map(call),
    st.sampled_from(NAMES).map(call),
    st.sampled_from(["Other", "Desk"]).map(handoff),
    st.just(call("nobody")),
    st.just(call("ask_inner", input="?")),
    st.sampled_from(NAMES).map(lambda name: ToolCall("same", name, "{")),
    st.sampled_from(NAMES).map(lambda name: ToolCall("same", name)),
)
scenes = st.builds(
    Scene,
    st.tuples(
        *(
            st.tuples(
                st.just(name),
                options,
                st.sampled_from(["gives", "gives", "fails", "exits", "flaky", "unset", "false", "sentinel", "later"]),
                st.sampled_from([0.0, 0.0, 0.001]),
            )
            for name in NAMES
        )
    ),
    st.lists(st.one_of(st.lists(one_call, min_size=1, max_size=4), st.just("text")), min_size=1, max_size=5).map(tuple),
    st.sampled_from(["", "", "agent", "run", "both"]),
    st.sampled_from([True, False, None]),
    st.sampled_from([None, None, None, Budget(seconds=0.002), Budget(tool_calls=2), Budget(handoffs=1), Budget(tokens=40)]),
    st.booleans(),
    st.integers(0, 12),
    st.sampled_from(["ends", "speaks", "resumes", "is cancelled"]),
    st.booleans(),
)


def decide(seen: int, output: ToolOutput) -> tuple[int, Any]:
    """Rewrites the second output, ends the run at the third failure, fails at the fourth."""
    seen += 1
    if seen == 2:
        return seen, Rewrite("rewritten")
    if seen == 4:
        raise RuntimeError("handler")
    return seen, Final("enough") if output.error is not None and seen >= 3 else Forward()


SPECS: tuple[Spec, ...] = (
    precedes(calls("a"), calls("b")),
    precedes(succeeds("a"), calls("b")),
    at_most(1, calls("a")),
    at_most(1, succeeds("b")),
    passes(succeeds("a")),
    never_between(calls("b"), succeeds("a"), enters("Other")),
)
ENFORCED = (precedes(succeeds("a"), calls("b")), at_most(2, calls("c")))


class Stage:
    """One conversation: its ledger, and the runner on a graph whose tools write it."""

    def __init__(self, scene: Scene, way: str, store: Store) -> None:
        self.way = way
        self.scene, self.ledger, approves = scene, list[Line](), scene.approves
        self.in_flight: set[str] = set()
        self.tools = tuple(self._tool(*each) for each in scene.tools)
        model = ScriptedModel([*scene.replies, *(["text"] * 40)])
        handler = (int, decide) if scene.handled in ("agent", "both") else None
        inner = Agent("Inner", tools=self.tools[:2], model=ScriptedModel([[call("a")], "inside"] * 20))
        asks = inner.as_tool(name="ask_inner")
        desk = Agent("Desk", tools=(*self.tools, asks), handoffs=[Handoff("Other")], on_tool_output=handler)
        other = Agent("Other", tools=self.tools, handoffs=["Desk"])
        self.graph = AgentGraph.of(desk, other, name="desk")
        config = RunConfig(
            model=model,
            max_turns=6,
            parallel_tools=scene.parallel,
            budget=scene.budget,
            approve=None if approves is None else lambda _: approves,
        )
        if scene.handled in ("run", "both"):
            config = config.with_run_context(int, decide)
        self.runner = AgentRunner(self.graph, config, monitors=ENFORCED if scene.monitored else ())
        self.runner.on_run_complete(lambda _: self.over())
        self.conversation = self.runner.conversation(uuid4().hex, store)

    def _tool(self, name: str, given: dict[str, Any], does: str, pause: float) -> Tool:
        made: Tool = tool(name=name, description="x", parameters=NOTHING, **given)(work_of(self.ledger, does, pause))
        return made

    def over(self) -> None:
        """The run is over: what begins behind this line begins after its end."""
        self.ledger.append(Line(OVER))

    # -- ways to hold a turn -----------------------------------------------------------------------------------------

    def turn(self, said: str | None, context: Context) -> tuple[Context, Trace]:
        """Hold a turn in the way of the scene, or leave it in the middle; where the conversation stands then, and what happened."""
        self.ledger.append(Line(START))
        match self.way:
            case "arun":
                result = asyncio.run(self.runner.arun(said, context))
            case "stream":
                return self._streamed(self.runner.stream(said, context))
            case "astream" | "cancelled":
                return asyncio.run(self._astreamed(said, context))
            case "kept" | "kept in a file":
                result = self.conversation.run(said)
                self.check_kept(result.context, result.trace)
            case "kept and left":
                left = self._streamed(self.conversation.stream(said))
                self.check_kept(*left)
                return left
            case _:
                result = self.runner.run(said, context)
        assert result.error is None or not isinstance(result.error, DefinitionError), result.error
        return result.context, result.trace

    def check_kept(self, context: Context, trace: Trace) -> None:
        """What is kept is what the run says."""
        kept = self.conversation.history()
        assert kept.events[-len(trace) :] == trace.events
        assert kept.happened[-len(trace) :] == trace.happened
        assert self.conversation.context == context

    def resumed(self, context: Context) -> RunResult[Any]:
        """Take up what was left."""
        self.ledger.append(Line(START))
        return self.conversation.resume() if self.way.startswith("kept") else self.runner.resume(context)

    def _streamed(self, stream: RunStream[Any]) -> tuple[Context, Trace]:
        with stream:
            for _ in islice(stream, self.scene.leaves):
                pass
        self.over()
        return stream.context, stream.result.trace

    async def _astreamed(self, said: str | None, context: Context) -> tuple[Context, Trace]:
        stream = self.runner.astream(said, context)
        task = asyncio.ensure_future(_read(stream, self.scene.leaves, leaves=self.way == "astream"))
        if self.way == "cancelled":
            for _ in range(self.scene.leaves):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await stream.aclose()
        self.over()
        return stream.context, stream.result.trace


async def _read(stream: Any, most: int, *, leaves: bool) -> None:
    async with aclosing(stream) as observations:
        count = 0
        async for _ in observations:
            count += 1
            if leaves and count >= most:
                return


# -- what must hold ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store in a file, for many conversations. What a disk would wait for is not the matter here."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('endings')}/kept.db") as store:
        yield store


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=SOME)
@given(scene=scenes)
def test_nothing_happens_after_the_end(way: str, scene: Scene, file: Store) -> None:
    stage = Stage(scene, way, file if way == "kept in a file" else MemoryStore())
    context, trace = stage.turn("hello", Context())
    check_record(stage, context, trace)
    if scene.then == "speaks":
        context, trace = stage.turn("and then?", Context.from_json(context.to_json()))
        check_record(stage, context, trace, resumed=way.startswith("kept"))
    elif scene.then == "resumes" and context.progress is not None and (scene.handled in ("", "agent") or context.progress.settings.handled):
        result = stage.resumed(context)
        check_record(stage, result.context, result.trace, resumed=True)
    elif scene.then == "is cancelled" and way.startswith("kept"):
        assert stage.conversation.cancel() is (context.progress is not None)
        trace = stage.conversation.history()
        assert trace.contexts[-1].progress is None
        check_record(stage, trace.contexts[-1], trace)


def check_record(stage: Stage, context: Context, trace: Trace, *, resumed: bool = False) -> None:
    """The ledger and the record agree, and the record with itself."""
    machine = stage.runner.machine
    again = replay(machine, trace.start, trace.events)
    assert (again.contexts, again.happened) == (trace.contexts, trace.happened)
    assert Context.from_json(context.to_json()) == context
    quick = {name for name, given, *_ in stage.scene.tools if given.get("timeout", 1.0) < 1.0}
    check_ledger(stage.ledger, context, quick, counts=not resumed)
    stage.in_flight |= in_flight(context)
    late = [line for line in after_the_end(stage.ledger) if line.name not in quick]
    assert not [line for line in late if line.call_id.partition("/")[0] not in stage.in_flight]
    assert context.progress is not None or not [defect for defect in check_history(context.messages) if defect.code == "unanswered-call"]
    for spec in SPECS:
        by_context, by_trace = spec.check(context, stage.graph), spec.check(trace, stage.graph)
        if not trace.children and not trace.start.messages:  # a context alone does not know what went on inside of a tool
            assert (bool(by_context), by_context.sure) == (bool(by_trace), by_trace.sure), (spec, by_context, by_trace)


def after_the_end(ledger: list[Line]) -> Iterator[Line]:
    """What began between the end of a run and the beginning of the next: nothing of it was begun by a run."""
    over = False
    for line in ledger:
        if line.what in (START, OVER):
            over = line.what == OVER
        elif over and line.what == BEGIN:
            yield line


def in_flight(context: Context) -> set[str]:
    """The calls that were being run when the run ended or was left."""
    unknown = {message.tool_call_id for message in context.messages if message.outcome == "unknown"}
    open_calls = {p.call.id for p in context.progress.calls if p.stage == "started"} if context.progress is not None else set()
    return {call_id for call_id in unknown | open_calls if call_id is not None}


def by_call_id(messages: Any) -> dict[str, Message]:
    """The answers."""
    return {message.tool_call_id: message for message in messages if message.role == "tool"}


def check_ledger(ledger: list[Line], context: Context, quick: set[str], *, counts: bool) -> None:
    """Each answer says what the ledger says of its call. An attempt of a tool in `quick` may time out before its first line runs."""
    began = Counter(line.call_id for line in ledger if line.what == BEGIN)
    timed = {line.call_id for line in ledger if line.name in quick}
    for call_id, answer in by_call_id(context.messages).items():
        least = 0 if call_id in timed else len([one for one in answer.earlier if one == "failed"])
        match answer.outcome:
            case "refused" | "skipped" | "handed_off":
                assert not began[call_id], (answer, ledger)
            case "given" | "failed" if counts and not answer.inside and began[call_id]:
                assert least < began[call_id] <= len(answer.earlier) + 1, (answer, ledger)
            case "unknown" if counts:
                assert began[call_id] <= len(answer.earlier) + 1, (answer, ledger)
