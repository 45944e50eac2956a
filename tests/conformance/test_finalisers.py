"""A finaliser never waits. What the garbage collector finds is closed, but elsewhere: it may have been found in any thread, with any lock in hand.

Row by row: what can be left, and what its closing waits for, a lock that the collecting thread holds.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentRunner,
    MemoryStore,
    ModelRequest,
    Reply,
    RunCompleted,
    RunConfig,
    RunResult,
    ScriptedModel,
    TextDelta,
    ToolCompleted,
    call,
    tool,
)
from agentgraph.runtime import loop
from agentgraph.stores.sqlite import SQLiteStore

PATIENCE = 20.0
"""Seconds after which something hangs."""


class Scene:
    """What closing waits for, and what tells that it has begun and ended."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun, self.closed = threading.Event(), threading.Event()

    def close(self) -> None:
        self.begun.set()
        with self.lock:
            self.closed.set()


class Model:
    """A synchronous one, whose streams wait for the lock when they are closed."""

    def __init__(self, scene: Scene, *replies: Reply) -> None:
        self.scene, self.replies = scene, list(replies)

    def reply(self, request: ModelRequest) -> Any:
        return self.replies.pop(0) if self.replies else Reply("done")

    def stream(self, request: ModelRequest) -> Any:
        if self.replies:
            yield self.replies.pop(0)
            return
        try:
            yield "a"
            yield Reply("a")
        finally:
            self.scene.close()


class AsyncModel(Model):
    async def reply(self, request: ModelRequest) -> Reply:
        return self.replies.pop(0) if self.replies else Reply("done")

    async def stream(self, request: ModelRequest) -> Any:
        if self.replies:
            yield self.replies.pop(0)
            return
        try:
            yield "a"
            await asyncio.Event().wait()
        finally:
            await asyncio.to_thread(self.scene.close)


class Waiting(MemoryStore):
    """A store whose leases are given back when the lock is free."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.scene = scene

    def release(self, conversation: str, owner: str) -> None:
        super().release(conversation, owner)
        self.scene.close()


class WaitingFile(SQLiteStore):
    """The same, in a file."""

    def __init__(self, scene: Scene, path: Path) -> None:
        super().__init__(path)
        self.scene = scene

    def release(self, conversation: str, owner: str) -> None:
        super().release(conversation, owner)
        self.scene.close()


def until_text(stream: Any) -> Any:
    """In the middle of what a model writes."""
    assert any(isinstance(seen, TextDelta) for seen in stream)
    return stream


def of(model: Callable[..., Any]) -> Callable[[Scene, Path], Any]:
    return lambda scene, _: until_text(AgentRunner(Agent("A", model=model(scene))).stream("hi"))


def inside_an_agent(model: Callable[..., Any]) -> Callable[[Scene, Path], Any]:
    """In the middle of what an agent writes that is used as a tool."""

    def begun(scene: Scene, _: Path) -> Any:
        expert = Agent("Expert", model=model(scene)).as_tool(name="ask")
        return until_text(AgentRunner(Agent("A", model=ScriptedModel([call("ask", input="?"), "done"]), tools=[expert])).stream("hi"))

    return begun


def kept(store: Callable[[Scene, Path], Any]) -> Callable[[Scene, Path], Any]:
    def begun(scene: Scene, folder: Path) -> Any:
        runner = AgentRunner(Agent("A", model=ScriptedModel(["a"])))
        return until_text(runner.conversation("c", store(scene, folder / "kept.db")).stream("hi"))

    return begun


class Session:
    """What the tools of a stream are handed, and holds the stream: a cycle that goes through the run."""

    def __init__(self, scene: Scene, model: Callable[..., Any]) -> None:
        self.stream = until_text(AgentRunner(Agent("A", model=model(scene))).stream("hi", deps=self))


LEFT: Mapping[str, Callable[[Scene, Path], Any]] = {
    "of a synchronous model": of(Model),
    "of an asynchronous model": of(AsyncModel),
    "inside an agent, synchronous": inside_an_agent(Model),
    "inside an agent, asynchronous": inside_an_agent(AsyncModel),
    "kept in memory": kept(lambda scene, _: Waiting(scene)),
    "kept in a file": kept(WaitingFile),
    "held by its deps, synchronous": lambda scene, _: Session(scene, Model),
    "held by its deps, asynchronous": lambda scene, _: Session(scene, AsyncModel),
}


@pytest.fixture(autouse=True)
def _for_ever(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody gives up waiting before the tests do, and nothing is collected but where they say so."""
    monkeypatch.setattr(loop, "_PATIENCE", 3600.0)
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def in_a_cycle(left: Any) -> None:
    cycle: list[Any] = [left]
    cycle.append(cycle)


def collected(lock: Any) -> None:
    """Collect in a thread that holds `lock`."""
    over = threading.Event()

    def collect() -> None:
        with lock:
            gc.collect()
        over.set()

    threading.Thread(target=collect, daemon=True).start()
    assert over.wait(PATIENCE), "the collecting thread stands still"


@pytest.mark.parametrize("what", LEFT)
def test_who_collects_a_stream_does_not_wait_for_its_closing(what: str, tmp_path: Path) -> None:
    scene = Scene()
    in_a_cycle(LEFT[what](scene, tmp_path))

    collected(scene.lock)

    assert scene.closed.wait(PATIENCE), "it is not closed"


@pytest.mark.parametrize("what", LEFT)
def test_who_drops_a_stream_does_not_wait_for_its_closing(what: str, tmp_path: Path) -> None:
    scene, dropped = Scene(), threading.Event()
    left = [LEFT[what](scene, tmp_path)]
    if isinstance(left[0], Session):
        left[0] = left[0].stream  # which goes when the session does

    def drop() -> None:
        with scene.lock:
            left.clear()
            gc.collect()
        dropped.set()

    threading.Thread(target=drop, daemon=True).start()
    assert dropped.wait(PATIENCE), "the thread that drops it stands still"
    assert scene.closed.wait(PATIENCE), "it is not closed"


@pytest.mark.parametrize("what", LEFT)
def test_who_closes_a_stream_waits_for_it(what: str, tmp_path: Path) -> None:
    scene = Scene()
    left = LEFT[what](scene, tmp_path)
    stream = left.stream if isinstance(left, Session) else left

    stream.close()

    assert scene.closed.is_set()


def test_who_collects_a_stream_does_not_wait_for_its_tools() -> None:
    """They cannot be stopped; and what comes of them is heard by nobody."""
    go_on, done = threading.Event(), threading.Event()

    @tool
    def quick() -> str:
        """Take no time."""
        return "done"

    @tool
    def slow() -> str:
        """Take long."""
        go_on.wait(PATIENCE)
        done.set()
        return "done"

    stream = AgentRunner(Agent("A", model=ScriptedModel([[call("quick"), call("slow")], "done"]), tools=[quick, slow])).stream("hi")
    while not isinstance(next(stream), ToolCompleted):
        pass
    in_a_cycle(stream)
    del stream
    collected(threading.Lock())

    assert not done.is_set()
    go_on.set()
    assert done.wait(PATIENCE)


@pytest.mark.parametrize("model", [Model, AsyncModel])
def test_who_collects_an_async_stream_does_not_wait_for_its_closing(model: Callable[..., Any]) -> None:
    scene, begun, over = Scene(), threading.Event(), threading.Event()

    async def leave() -> None:
        stream = AgentRunner(Agent("A", model=model(scene))).astream("hi")
        async for seen in stream:
            if isinstance(seen, TextDelta):
                break
        in_a_cycle(stream)
        del stream
        begun.set()
        await asyncio.to_thread(over.wait, PATIENCE)

    thread = threading.Thread(target=lambda: asyncio.run(leave()))
    thread.start()
    assert begun.wait(PATIENCE)
    collected(scene.lock)
    assert scene.closed.wait(PATIENCE), "it is not closed"
    over.set()
    thread.join(PATIENCE)


# -- kept conversations ----------------------------------------------------------------------------------------------------


def begun_in(store: Any) -> Any:
    return until_text(AgentRunner(Agent("A", model=ScriptedModel(["a"]))).conversation("c", store).stream("hi"))


def resumed_in(store: Any) -> RunResult:
    return AgentRunner(Agent("A"), RunConfig(model=ScriptedModel(["b"]))).conversation("c", store, wait=PATIENCE).resume()


def test_a_stream_is_collected_while_its_store_is_at_work_in_the_same_thread(tmp_path: Path) -> None:
    """The collector runs wherever something is made: also where the store holds its own lock."""
    with SQLiteStore(tmp_path / "kept.db") as store:
        in_a_cycle(begun_in(store))
        collected(store._turn)

        assert resumed_in(store).output == "b"


def test_a_stream_is_collected_while_its_store_in_memory_is_at_work_in_the_same_thread() -> None:
    store = MemoryStore()
    in_a_cycle(begun_in(store))
    collected(store._lock)

    assert resumed_in(store).output == "b"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_the_next_turn_need_not_wait_its_turn_for_one_that_was_dropped_here(asynchronous: bool, tmp_path: Path) -> None:
    """It is being given back, by this process: that is not another's turn."""
    with SQLiteStore(tmp_path / "kept.db") as store:
        conversation = AgentRunner(Agent("A", model=ScriptedModel(["a", "b"] * 5))).conversation("c", store)
        for _ in range(5):
            for seen in conversation.stream("hi"):
                if isinstance(seen, TextDelta):
                    break
            result = asyncio.run(conversation.aresume()) if asynchronous else conversation.resume()
            assert result.error is None


def test_an_async_stream_whose_loop_was_closed_gives_the_conversation_back(tmp_path: Path) -> None:
    """Without its loop a generator is never closed; and the lease would be renewed as long as the process lives."""
    with SQLiteStore(tmp_path / "kept.db") as store:
        conversation = AgentRunner(Agent("A", model=ScriptedModel(["a", "b"]))).conversation("c", store)
        stream = conversation.astream("hi")
        own = asyncio.new_event_loop()
        own.run_until_complete(anext(stream))
        own.close()
        del stream
        gc.collect()

        assert resumed_in(store).error is None or store.list()[0].leased is None


def test_a_model_may_stream_by_an_iterator_that_cannot_be_closed() -> None:
    class Plain(ScriptedModel):
        def stream(self, request: ModelRequest) -> Any:
            return iter(["a", Reply("a")])

    *_, last = AgentRunner(Agent("A", model=Plain([]))).stream("hi")
    assert isinstance(last, RunCompleted)
    assert last.result.raise_for_error().output == "a"
