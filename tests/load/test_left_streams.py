"""A stream may be left anywhere: after each observation there is, in every way there is. Its context goes on.

What the next model is then sent is checked by the provider's rules. And where a synchronous run may be started.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, AgentThinking, Context, ModelRequest, Reply, RunConfig, RunResult, ToolCall, tool
from agentgraph.runtime.loop import LOOP
from agentgraph.runtime.stream import _UNDER_WAY, AsyncRunStream, RunStream
from tests.e2e.provider_rules import violations
from tests.e2e.ways import STREAMED, WAYS
from tests.waiting import until

ROUNDS = 40 if os.environ.get("CI") else 10
PATIENCE = 30.0
"""Seconds after which something hangs."""

# -- who is talked to ------------------------------------------------------------------------------------------------------


@tool
def look(what: str) -> str:
    """Look something up."""
    return what.upper()


@tool
async def alook(what: str) -> str:
    """Look something up, asynchronously."""
    await asyncio.sleep(0)
    return what.upper()


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


@tool
def interrupted() -> str:
    """What happens when a person presses Ctrl-C while a tool is at work."""
    raise KeyboardInterrupt


@tool
async def ainterrupted() -> str:
    """The same in an async tool."""
    raise KeyboardInterrupt


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall("", name, json.dumps(arguments))


LOOK, ALOOK = call("look", what="x"), call("alook", what="y")
SCENES: Mapping[str, list[list[ToolCall]]] = {
    "words": [],
    "a tool": [[LOOK]],
    "an async tool": [[ALOOK]],
    "parallel tools": [[LOOK, ALOOK, call("no_such_tool"), LOOK]],
    "a handoff": [[call("handoff_to_billing")], [LOOK]],
    "a handoff among tools": [[LOOK, call("handoff_to_billing"), ALOOK]],
    "an agent as a tool": [[call("ask_expert", input="a tool")]],
    "agents as tools, in parallel": [[call("ask_expert", input="parallel tools"), LOOK, call("ask_expert", input="words")]],
    "an approval": [[LOOK, call("pay"), ALOOK]],
}


INTERRUPTED: Mapping[str, list[list[ToolCall]]] = {name: [[LOOK], [call(name)]] for name in ("interrupted", "ainterrupted")}


class Actor:
    """A model that plays the scene that the user names, and notes every request that breaks a rule of the providers'."""

    instant = True

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.broken: list[str] = []

    def reply(self, request: ModelRequest) -> Any:
        return self.played(request)

    def stream(self, request: ModelRequest) -> Any:
        reply = self.played(request)
        yield from (reply.text or "").split(" ")
        yield reply

    def played(self, request: ModelRequest) -> Reply:
        body = {"messages": [message.to_openai() for message in request.messages], "tools": request.tools}
        self.broken += map(str, violations(body))
        at = max(n for n, message in enumerate(request.messages) if message.role == "user")
        self.asked[request.messages[at].text] += 1
        steps = {**SCENES, **INTERRUPTED}.get(request.messages[at].text, [])
        step = sum(message.role == "assistant" for message in request.messages[at:])
        return Reply(f"I see ({step})", tuple(steps[step]) if step < len(steps) else ())


class AsyncActor(Actor):
    """The same, where asyncio is needed."""

    async def reply(self, request: ModelRequest) -> Reply:
        await asyncio.sleep(0)
        return self.played(request)

    async def stream(self, request: ModelRequest) -> Any:
        for piece in super().stream(request):
            await asyncio.sleep(0)
            yield piece


def runner_of(actor: Actor, *more: Any) -> AgentRunner:
    tools = (look, alook, pay, *more)
    graph = AgentGraph("left")
    graph.add_agent(Agent("Triage", tools=(*tools, Agent("Expert", tools=(look, alook)).as_tool(name="ask_expert"))))
    graph.add_agent(Agent("Billing", tools=tools))
    graph.add_handoff("Triage", "Billing")
    return AgentRunner(graph, RunConfig(model=actor))


# -- leaving -------------------------------------------------------------------------------------------------------------


def closed(stream: RunStream) -> Context:
    stream.close()
    return stream.context


def dropped(stream: RunStream) -> Context:
    """The context is all that is kept."""
    return stream.context


def in_a_cycle(stream: RunStream) -> Context:
    cycle: list[Any] = [stream]
    cycle.append(cycle)
    return stream.context


async def aclosed(stream: AsyncRunStream) -> Context:
    await stream.aclose()
    return stream.context


async def adropped(stream: AsyncRunStream) -> Context:
    return stream.context


LEAVE: Mapping[str, Callable[[RunStream], Context]] = {"closed": closed, "dropped": dropped, "in a cycle": in_a_cycle}
ALEAVE: Mapping[str, Callable[[AsyncRunStream], Any]] = {"closed": aclosed, "dropped": adropped}

actors = pytest.mark.parametrize("actor", [Actor, AsyncActor])
scenes = pytest.mark.parametrize("scene", SCENES)


@actors
@scenes
@pytest.mark.parametrize("how", LEAVE)
def test_a_stream_that_is_left_anywhere_goes_on(scene: str, how: str, actor: type[Actor]) -> None:
    model = actor()
    runner = runner_of(model)
    whole = len(list(runner.stream(scene)))

    for observations in range(whole):
        stream = runner.stream(scene)
        for _ in range(observations):
            next(stream)
        goes_on(model, runner, LEAVE[how](stream), scene if observations else None)
        del stream
    gc.collect()
    assert whole > 3
    assert model.broken == []


@actors
@scenes
@pytest.mark.parametrize("how", ALEAVE)
def test_a_stream_that_is_left_anywhere_in_asyncio_goes_on(scene: str, how: str, actor: type[Actor]) -> None:
    model = actor()
    runner = runner_of(model)
    whole = len(list(runner.stream(scene)))

    async def left_after(observations: int) -> Context:
        stream = runner.astream(scene)
        for _ in range(observations):
            await anext(stream)
        return await ALEAVE[how](stream)  # type: ignore[no-any-return]

    for observations in range(whole):
        goes_on(model, runner, asyncio.run(left_after(observations)), scene if observations else None)
    assert model.broken == []


@scenes
def test_a_stream_that_is_cancelled_anywhere_goes_on(scene: str) -> None:
    """In asyncio it may be cancelled at every step of its task, not only between observations."""
    model = AsyncActor()
    runner = runner_of(model)

    async def cancelled_after(steps: int) -> tuple[Context, bool]:
        stream = runner.astream(scene)

        async def watch() -> None:
            async for _ in stream:
                pass

        task = asyncio.create_task(watch())
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.done():
            return stream.context, True
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}, "what was under way must have ended with it"
        return stream.context, False

    steps, over = 0, False
    while not over and steps < 1000:
        context, over = asyncio.run(cancelled_after(steps))
        goes_on(model, runner, context, scene if context.messages else None)
        steps += 1
    assert over
    assert steps > 3
    assert model.broken == []


class SlowToClose(AsyncActor):
    """One whose streams take their time to close, so that others come between."""

    async def stream(self, request: ModelRequest) -> Any:
        try:
            async for piece in super().stream(request):
                yield piece
        finally:
            time.sleep(0.001)  # noqa: ASYNC251 - it holds its loop up on purpose


class InTheLoop(SlowToClose):
    """One whose streams run in the background loop, as litellm's do."""

    def stream(self, request: ModelRequest) -> Any:
        return LOOP.aiterate(super().stream(request))


@pytest.mark.parametrize("actor", [SlowToClose, InTheLoop])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_streams_in_cycles_are_closed_once_whoever_collects_them(asynchronous: bool, actor: type[Actor]) -> None:
    """The garbage collector closes each generator that it finds, in its own thread, while the loop closes those around it. What is raised
    there reaches nobody: pytest hears of it, and every warning is an error.
    """
    runner = runner_of(actor())
    said: list[str] = []
    leave = [
        (scene, observations) for scene in ("words", "an agent as a tool", "agents as tools, in parallel") for observations in (2, 3, 4, 7)
    ]
    leave = [(scene, observations) for scene, observations in leave if observations < 4 or scene != "words"]

    def left(scene: str, observations: int) -> None:
        stream = runner.stream(scene)
        for _ in range(observations):
            next(stream)
        in_a_cycle(stream)

    async def aleft(scene: str, observations: int) -> None:
        stream = runner.astream(scene)
        for _ in range(observations):
            await anext(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)

    async def together() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: said.append(str(what)))
        await asyncio.gather(*(aleft(*where) for where in leave))

    kept = _UNDER_WAY | LOOP._open
    with collected_elsewhere():
        for _ in range(ROUNDS):
            if asynchronous:
                asyncio.run(together())
            else:
                for where in leave:
                    left(*where)
    assert said == []
    assert until(lambda: kept >= _UNDER_WAY | LOOP._open), "what has been closed is not kept"


@contextmanager
def collected_elsewhere() -> Iterator[None]:
    """Garbage is collected in a thread of its own, again and again, and threads take turns as often as they can."""
    over = threading.Event()

    def collect() -> None:
        while not over.wait(0.0005):
            gc.collect()

    collector, usual = threading.Thread(target=collect), sys.getswitchinterval()
    gc.disable()
    gc.freeze()  # what other tests have left behind is not looked through each time
    sys.setswitchinterval(1e-6)
    collector.start()
    try:
        yield
    finally:
        over.set()
        collector.join()
        sys.setswitchinterval(usual)
        gc.unfreeze()
        gc.enable()
        gc.collect()


def goes_on(model: Actor, runner: AgentRunner, context: Context, said: str | None) -> None:
    """The next message is answered; nothing that was said is lost."""
    asked = model.asked["and now?"]
    after = runner.run("and now?", Context.from_json(context.to_json()))

    assert after.raise_for_error().output == "I see (0)"
    assert model.asked["and now?"] == asked + 1
    assert after.messages[: len(context.messages)] == tuple(context.messages)
    assert [message.text for message in after.messages if message.role == "user"] == ([said] if said else []) + ["and now?"]


def test_agents_inside_tools_stop_asking_when_the_stream_is_left() -> None:
    """Their threads cannot be cancelled; but after the reply that they wait for they ask for no other."""
    asked, answer = threading.Semaphore(0), threading.Event()
    calls: list[str] = []

    class Slow(Actor):
        def reply(self, request: ModelRequest) -> Reply:
            calls.append(request.agent)
            if request.agent == "Expert":
                asked.release()
                assert answer.wait(PATIENCE)
            return self.played(request)

        stream = None  # type: ignore[assignment]

    before = set(threading.enumerate())
    stream = runner_of(Slow()).stream("agents as tools, in parallel")
    for seen in stream:
        if isinstance(seen, AgentThinking) and seen.within and asked.acquire(timeout=PATIENCE) and asked.acquire(timeout=PATIENCE):
            break
    stream.close()
    answer.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)

    assert calls == ["Triage", "Expert", "Expert"]


# -- Ctrl-C in a tool ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INTERRUPTED)
@pytest.mark.parametrize("way", STREAMED)
def test_an_interrupt_in_a_tool_reaches_the_caller_and_the_context_goes_on(name: str, way: str) -> None:
    model = Actor()
    runner = runner_of(model, interrupted, ainterrupted)
    streams: list[Any] = []

    async def watch() -> None:
        streams.append(runner.astream(name))
        async for _ in streams[0]:
            pass

    with pytest.raises(KeyboardInterrupt):
        if way == "astream":
            asyncio.run(watch())
        else:
            streams.append(runner.stream(name))
            list(streams[0])

    assert [message.role for message in streams[0].context.messages] == ["user", "assistant", "tool", "assistant"]
    goes_on(model, runner, streams[0].context, name)
    assert model.broken == []


# -- a synchronous run, wherever it is started -------------------------------------------------------------------------------


def inner() -> AgentRunner:
    """A runner that needs the loop, in threads of its own."""
    return runner_of(AsyncActor())


def says(way: Callable[[], RunResult]) -> str:
    result = way()
    return str(result.error or result.output)


SYNC: Mapping[str, Callable[[], str]] = {
    "run": lambda: says(lambda: inner().run("parallel tools")),
    "stream": lambda: says(lambda: list(inner().stream("parallel tools"))[-1].result),  # type: ignore[union-attr]
    "run of plain tools": lambda: says(lambda: runner_of(Actor()).run("parallel tools")),
}


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` gives; a failure when it hangs."""
    given: list[Any] = []
    thread = threading.Thread(target=lambda: given.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert given, "it hangs, or has failed"
    return given[0]


@pytest.mark.parametrize("how", SYNC)
def test_a_synchronous_run_inside_a_running_loop(how: str) -> None:
    """As in a notebook: it holds the loop up, and works."""

    async def cell() -> str:
        return SYNC[how]()

    assert within(PATIENCE, lambda: asyncio.run(cell())) == "I see (1)"


@pytest.mark.parametrize("how", SYNC)
@pytest.mark.parametrize("way", WAYS)
def test_a_synchronous_run_inside_a_tool(way: str, how: str) -> None:
    """It works: the tool has a thread to wait in."""

    @tool
    def nested() -> str:
        """Start a run."""
        return SYNC[how]()

    assert [message.text for message in asked_to(nested, way).messages if message.role == "tool"] == ["I see (1)"]


@pytest.mark.parametrize("how", SYNC)
@pytest.mark.parametrize("way", WAYS)
def test_a_synchronous_run_inside_an_async_tool(way: str, how: str) -> None:
    """In a loop of the user's own it holds the loop up, and works. In the one behind synchronous runs it would wait for
    itself: it is refused, the model is told, and the run goes on."""

    @tool
    async def nested() -> str:
        """Start a run, where an `arun` should be."""
        return SYNC[how]()

    (said,) = [message.text for message in asked_to(nested, way).messages if message.role == "tool"]

    assert said == "I see (1)" if way in ("arun", "astream") else "use 'await runner.arun(...)' there" in said


@pytest.mark.parametrize("way", WAYS)
def test_an_asynchronous_run_inside_an_async_tool(way: str) -> None:
    @tool
    async def nested() -> str:
        """Start a run as it should be."""
        return str((await inner().arun("parallel tools")).output)

    assert [message.text for message in asked_to(nested, way).messages if message.role == "tool"] == ["I see (1)"]


def asked_to(nested: Any, way: str) -> RunResult:
    """A run whose model calls `nested` once."""

    class Calling(Actor):
        def reply(self, request: ModelRequest) -> Reply:
            return Reply(None, (call("nested"),)) if request.messages[-1].role == "user" else Reply("done")

        stream = None  # type: ignore[assignment]

    runner = AgentRunner(Agent("Desk", tools=(nested,)), RunConfig(model=Calling()))
    result: RunResult = within(PATIENCE, lambda: WAYS[way](runner, "go", None, None).result)
    assert result.raise_for_error().output == "done"
    return result


# -- what must not end the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_model_that_ends_the_program_does_not_end_the_loop_alone(error: BaseException, streaming: bool) -> None:
    """It is raised where the run is, and others who use the loop go on. A loop that ended would be waited for, for ever."""

    class Ending(AsyncActor):
        async def reply(self, request: ModelRequest) -> Reply:
            raise error

        async def stream(self, request: ModelRequest) -> Any:
            yield "so"
            raise error

    def ended() -> BaseException:
        runner = AgentRunner(Agent("Desk"), RunConfig(model=Ending()))
        try:
            list(runner.stream("go")) if streaming else runner.run("go")
        except BaseException as raised:
            return raised
        raise AssertionError

    assert within(PATIENCE, ended) is error
    assert within(PATIENCE, lambda: says(lambda: inner().run("a tool"))) == "I see (1)"
