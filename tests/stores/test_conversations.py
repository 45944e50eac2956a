"""Kept conversations by example: turns at once, what was running when one was left, approvals, forks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Budget,
    Conflict,
    Context,
    ContextError,
    DefinitionError,
    Entry,
    MemoryStore,
    RunCompleted,
    RunConfig,
    ScriptedModel,
    Store,
    StoreError,
    Tool,
    ToolContext,
    call,
    open_store,
    tool,
)
from agentgraph.engine import replay
from agentgraph.engine.journal import NOWHERE
from agentgraph.runtime import journal
from tests.stores.between import Between, failing
from tests.waiting import WATCHDOG, until

GONE = 0.2
"""Seconds after which an owner in these tests counts as gone, where nobody renews its lease."""
LASTS = 3.0
"""Seconds that a lease lasts which is renewed, or found: whoever has to be in time for it has seconds, not parts of one."""


def runner(*replies: Any, tools: tuple[Tool, ...] = (), **config: Any) -> AgentRunner:
    return AgentRunner(Agent("Desk", tools=tools), RunConfig(model=ScriptedModel(list(replies)), **config))


class Killed(BaseException):
    """Ends a run where it stands, with its lease not given back, as the end of its process would."""


def dying(request: Any) -> str:
    raise Killed


def renewing(store: Store) -> tuple[Between, Callable[[], bool]]:
    """`store`, and whether a lease in it was renewed so often that without it would be over, and now anew."""
    renewed: list[float] = []
    begun = time.monotonic()

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point == "after renew":
            renewed.append(time.monotonic())

    return Between(store, at), lambda: bool(renewed) and renewed[-1] - begun > 1.2 * LASTS


def left(runner: AgentRunner, store: Store, lease: float = GONE) -> None:
    """Hold a turn of the conversation "c" that is killed in it."""
    with pytest.raises((KeyboardInterrupt, Killed)):
        runner.conversation("c", failing(store, "before release"), lease=lease).run("go")
    journal.LEFT.clear()  # what a process remembers is gone with it


# -- turns at once -------------------------------------------------------------------------------------------------------


def test_of_two_turns_at_once_one_has_a_conflict_and_nothing_is_lost(store: Store) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @tool
    def slow() -> str:
        begun.set()
        go_on.wait(WATCHDOG)
        return "slow"

    conversation = runner(call("slow"), "first", "second", tools=(slow,)).conversation("c", store)
    results: list[Any] = []
    first = threading.Thread(target=lambda: results.append(conversation.run("one")))
    first.start()
    begun.wait(WATCHDOG)

    loser = conversation.run("two")
    streamed = list(conversation.stream("three"))
    asynchronous = asyncio.run(conversation.arun("four"))
    go_on.set()
    first.join()

    for lost in (loser, asynchronous, streamed[-1].result):  # type: ignore[union-attr]
        assert isinstance(lost.error, Conflict)
        assert (lost.error.conversation, lost.error.actual, lost.stop_reason) == ("c", 2, "error")
    assert [type(event) for event in streamed] == [RunCompleted]
    assert results[0].output == "first"
    assert [message.text for message in conversation.context.messages if message.role == "user"] == ["one"]
    assert conversation.run("two").output == "second"


def test_a_turn_waits_as_long_as_it_may(store: Store) -> None:
    asked: list[str] = []

    @tool
    def slow() -> str:
        assert until(lambda: len(asked) > 3)  # another has asked, and asked again
        return "slow"

    held = runner(call("slow"), "1", call("slow"), "2", call("slow"), "3", tools=(slow,))
    seen = Between(store, lambda point, conversation, entries: asked.append(point) if point == "before lease" else None)
    conversation = held.conversation("c", seen, wait=WATCHDOG)
    results: list[Any] = []
    threads = [threading.Thread(target=lambda n=n: results.append(conversation.run(str(n)))) for n in range(2)]
    for thread in threads:
        thread.start()
    results.append(asyncio.run(conversation.arun("2")))
    for thread in threads:
        thread.join()

    assert [result.error for result in results] == [None] * 3
    assert sorted(message.text for message in conversation.context.messages if message.role == "user") == ["0", "1", "2"]


def test_a_cancelled_turn_gives_the_conversation_back(store: Store) -> None:
    begun = threading.Event()

    @tool
    async def endless() -> str:
        begun.set()
        await asyncio.Event().wait()
        return ""

    conversation = runner(call("endless"), "done", tools=(endless,)).conversation("c", store)

    async def cancelled() -> None:
        task = asyncio.create_task(conversation.arun("go"))
        await asyncio.to_thread(begun.wait, WATCHDOG)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    result = conversation.resume()

    assert result.output == "done"
    assert [message.text for message in result.messages if message.role == "tool"] == ["error: interrupted, outcome unknown"]


def test_a_turn_that_is_cancelled_while_it_takes_the_conversation_gives_it_back(database: str) -> None:
    """Also when the store answers after nobody waits for it any more."""
    asked, cancelled, taken = threading.Event(), threading.Event(), threading.Event()

    def slow(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point == "before lease":
            asked.set()
            cancelled.wait(WATCHDOG)
            time.sleep(GONE)  # what gives it back would come first, did it not wait
        if point == "after lease":
            taken.set()

    async def cancel() -> None:
        task = asyncio.create_task(runner("a").conversation("c", Between(store, slow)).arun("go"))
        await asyncio.to_thread(asked.wait, WATCHDOG)
        task.cancel()
        cancelled.set()
        await asyncio.wait([task])

    with open_store(database) as store:
        asyncio.run(cancel())
        taken.wait(WATCHDOG)

        assert runner("b").conversation("c", store).run("next").output == "b"


def test_a_stream_that_is_left_gives_the_conversation_back(store: Store) -> None:
    conversation = runner("a", "b").conversation("c", store)
    with conversation.stream("go") as stream:
        next(stream)

    assert conversation.resume().output == "a"


def test_an_async_stream_that_is_left_by_break_is_given_back_where_its_block_ends(store: Store) -> None:
    conversation = runner("a", "b").conversation("c", store)

    async def left() -> Any:
        async with conversation.astream("go") as stream:
            async for _ in stream:
                if store.list():
                    break
        return await conversation.aresume()

    assert asyncio.run(left()).output == "a"


def test_an_async_stream_that_is_left_by_break_alone_is_given_back_while_the_loop_goes_on(store: Store) -> None:
    conversation = runner("a", "b").conversation("c", store, wait=WATCHDOG)

    async def left() -> Any:
        async for _ in conversation.astream("go"):
            if store.list():
                break
        return await conversation.aresume()

    assert asyncio.run(left()).output == "a"


@pytest.mark.parametrize(
    "points",
    [
        ("before lease",),
        ("after lease",),
        ("before append 1",),
        ("after append 1",),
        ("before append 2",),
        ("after append 2",),
        ("before append 2", "before release"),
        ("before append 2", "after release"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_turn_that_is_interrupted_is_not_in_the_way_of_the_next(store: Store, points: tuple[str, ...], streamed: bool) -> None:
    """Also one whose giving back is interrupted too, and while the interrupt is still being handled."""
    due = list(points)

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if due and point == due[0]:
            due.pop(0)
            raise KeyboardInterrupt

    interrupted = runner("a").conversation("c", Between(store, at))
    try:
        if streamed:
            with interrupted.stream("go") as observations:
                list(observations)
        else:
            interrupted.run("go")
    except KeyboardInterrupt:
        assert runner("b").conversation("c", store).run("next").output == "b"
        due.clear()
    assert due == []
    assert [kept.leased for kept in store.list()] == [None]


def test_what_an_interrupted_turn_did_not_give_back_is_given_back_in_place_of_being_renewed(store: Store) -> None:
    """Also where this process never asks for that conversation again."""
    given_back = threading.Event()

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point == "after release":
            given_back.set()

    turn = journal.Journal(Between(store, at), "c", GONE, Context())
    turn.open(NOWHERE, 0.0)
    journal.LEFT[turn.owner] = turn  # and there it was interrupted

    assert given_back.wait(WATCHDOG)
    assert store.lease("c", "another", 30).owner == "another"


def test_a_turn_that_lasts_longer_than_its_lease_keeps_it(store: Store) -> None:
    renewed, lasts = renewing(store)
    others: list[Any] = []

    @tool
    def slow() -> str:
        assert until(lasts)
        others.append(runner("other").conversation("c", store).run("me too").error)
        return "slow"

    result = runner(call("slow"), "done", tools=(slow,)).conversation("c", renewed, lease=LASTS).run("go")

    assert [type(error) for error in others] == [Conflict]
    assert result.output == "done"


@pytest.mark.parametrize("fault", ["never answers", "fails"])
def test_what_is_wrong_with_one_store_costs_no_turn_of_another_its_lease(fault: str) -> None:
    asked, over = threading.Event(), threading.Event()
    conflicts: list[Any] = []
    store = MemoryStore()

    def at(point: str, conversation: str, entries: Sequence[Entry]) -> None:
        if point == "before renew":
            asked.set()
            if fault == "fails":
                raise OSError
            over.wait(WATCHDOG)

    renewed, lasts = renewing(store)

    def long(request: Any) -> str:
        assert until(lasts)
        conflicts.append(runner("other").conversation("c", store).run("me too").error)
        return "long"

    def endless(request: Any) -> str:
        over.wait(WATCHDOG)
        return "late"

    faulty = runner(endless).conversation("c", Between(MemoryStore(), at), lease=GONE)
    thread = threading.Thread(target=faulty.run, args=("go",))
    thread.start()
    asked.wait(WATCHDOG)
    result = runner(long).conversation("c", renewed, lease=LASTS).run("go")
    over.set()
    thread.join()

    assert (result.output, result.error) == ("long", None)
    assert [type(error) for error in conflicts] == [Conflict]


def test_an_owner_that_comes_back_after_another_took_over_changes_nothing(store: Store) -> None:
    """A process that slept through its lease: its next step is refused, and what it was to do then is not done."""
    acted: list[str] = []

    @tool
    def act() -> None:
        acted.append("acted")

    def asleep(request: Any) -> Any:
        assert until(lambda: store.lease("c", "another", 30).owner == "another")
        return call("act")

    slept = failing(store, "before renew")
    result = runner(asleep, "done", tools=(act,)).conversation("c", slept, lease=GONE).run("go")

    assert isinstance(result.error, Conflict)
    assert "taken the conversation over" in str(result.error)
    assert acted == []
    assert result.context == runner().conversation("c", store).context


# -- taken up ------------------------------------------------------------------------------------------------------------


def test_of_what_was_running_only_the_idempotent_is_run_again_with_the_same_key(store: Store) -> None:
    keys: list[tuple[str, str]] = []
    killing = [True]

    def body(name: str, ctx: ToolContext) -> str:
        keys.append((name, ctx.idempotency_key))
        if name == "third" and killing:
            killing.pop()
            raise KeyboardInterrupt
        return name

    @tool(idempotent=True)
    def third(ctx: ToolContext) -> str:
        return body("third", ctx)

    @tool
    def first(ctx: ToolContext) -> str:
        return body("first", ctx)

    held = runner(call("first"), call("third"), "done", tools=(first, third))
    left(held, store, LASTS)
    assert isinstance(held.conversation("c", store).resume().error, Conflict)
    result = held.conversation("c", store, wait=WATCHDOG).resume()

    assert result.output == "done"
    assert [name for name, _ in keys] == ["first", "third", "third"]
    assert keys[1] == keys[2]
    assert keys[0][1] != keys[1][1]
    trace = held.conversation("c", store).history()
    assert replay(held.machine, trace.start, trace.events) == trace


def test_the_model_is_told_of_a_call_whose_outcome_nobody_knows(store: Store) -> None:
    runs: list[int] = []

    @tool
    def pay() -> str:
        runs.append(1)
        raise KeyboardInterrupt

    held = runner(call("pay"), "let me look", tools=(pay,))
    left(held, store)
    result = held.conversation("c", store, wait=WATCHDOG).resume()

    assert (result.output, runs) == ("let me look", [1])
    assert result.messages[-2].text == "error: interrupted, outcome unknown"


def test_a_model_that_was_being_asked_is_asked_again(store: Store) -> None:
    held = runner(dying, "at last")
    left(held, store)

    assert held.conversation("c", store, wait=WATCHDOG).resume().output == "at last"


@pytest.mark.parametrize(("idempotent", "answer"), [(False, "error: interrupted, outcome unknown"), (True, "again")])
def test_an_agent_used_as_a_tool_counts_as_one_call(store: Store, idempotent: bool, answer: str) -> None:
    specialist = Agent("Specialist", model=ScriptedModel([dying, "again"]))
    ask = specialist.as_tool(name="ask").replace(idempotent=idempotent)
    held = AgentRunner(Agent("Desk", tools=(ask,), model=ScriptedModel([call("ask", input="?"), "done"])))
    left(held, store)

    result = held.conversation("c", store, wait=WATCHDOG).resume()

    assert (result.output, result.messages[-2].text) == ("done", answer)


def test_pending_approvals_survive(store: Store) -> None:
    @tool(needs_approval=True)
    def refund() -> str:
        return "refunded"

    held = runner(call("refund"), "done", tools=(refund,))
    stopped = held.conversation("c", store).run("go")
    (pending,) = held.conversation("c", store).context.pending

    assert stopped.stop_reason == "approval"
    assert store.list()[0].under_way is True
    result = held.conversation("c", store).resume({pending.id: True})
    assert (result.output, result.messages[-2].text) == ("done", "refunded")


def test_a_budget_goes_on_where_it_stood(store: Store) -> None:
    @tool(needs_approval=True)
    def ask() -> str:
        time.sleep(0.3)
        return "ok"

    held = runner(call("ask"), call("ask"), call("ask"), "done", tools=(ask,), budget=Budget(seconds=600, tool_calls=2))
    used: list[float] = []
    stopped = held.conversation("c", store).run("go")
    while stopped.stop_reason == "approval":
        progress = held.conversation("c", store).context.progress
        assert progress is not None
        used.append(progress.seconds)
        stopped = held.conversation("c", store).resume({stopped.context.pending[0].id: True})

    assert used[1] >= used[0] + 0.3
    assert stopped.stop_reason == "budget"


def test_taking_up_what_waits_for_the_user_is_an_error_in_the_result(store: Store) -> None:
    conversation = runner("a").conversation("c", store)

    assert isinstance(conversation.resume().error, ContextError)
    conversation.run("go")
    assert isinstance(conversation.resume().error, ContextError)


def test_code_that_changed_goes_on(store: Store) -> None:
    """Resumed from its state: a tool more, other instructions, another agent beside."""
    left(runner(dying), store)
    graph = AgentGraph.of(Agent("Front", handoffs=["Desk"]), Agent("Desk", instructions="New."))

    result = AgentRunner(graph, RunConfig(model=ScriptedModel(["new"]))).conversation("c", store, wait=WATCHDOG).resume()

    assert (result.output, result.context.agent) == ("new", "Desk")


# -- reading and forking -------------------------------------------------------------------------------------------------


def test_a_fork_and_its_origin_do_not_see_each_other(store: Store) -> None:
    held = runner("a", "b", "c", "d")
    origin = held.conversation("origin", store, Context(data={"n": 1}))
    origin.run("one")
    fork = origin.fork(2, "fork")
    origin.run("two")

    assert fork.context == origin.at(2)
    assert fork.run("else").messages[:2] == tuple(origin.at(2).messages)
    assert [message.text for message in origin.context.messages] == ["one", "a", "two", "b"]
    assert fork.at(0) == origin.at(2)
    with pytest.raises(Conflict, match="there is a conversation 'fork' already, at step 2; give another id"):
        origin.fork(1, "fork")
    assert origin.fork(1).id != origin.fork(1).id


def test_every_conversation_can_be_branched_off(store: Store) -> None:
    for name in ("c" * 1_000, "客" * 166, "\U0001f680" * 83, "\x00" * 166):
        conversation = runner("a", "b").conversation(name, store)
        conversation.run("go")

        assert conversation.fork(2).run("on").output == "b"


def test_a_branch_has_the_id_that_it_is_given(store: Store) -> None:
    conversation = runner("a").conversation("c", store)
    conversation.run("go")

    with pytest.raises(StoreError, match="give a text that is not empty"):
        conversation.fork(0, "")


def test_a_step_that_is_not_there_is_an_error_that_says_which_are(store: Store) -> None:
    conversation = runner("a").conversation("c", store)
    with pytest.raises(ContextError, match="it has no step yet"):
        conversation.at(0)
    conversation.run("go")
    wrong: list[Any] = [-1, 3, 10**30, "2", None]
    for seq in wrong:
        with pytest.raises(ContextError, match="it has the steps 0 to 2"):
            conversation.at(seq)


def test_a_turn_that_goes_on_in_a_deleted_conversation_has_a_conflict(store: Store) -> None:
    def deleting(request: Any) -> str:
        assert conversation.delete()
        return "too late"

    conversation = runner(deleting, "anew").conversation("c", store)

    assert isinstance(conversation.run("go").error, Conflict)
    assert conversation.run("go").output == "anew"
    assert len(conversation.context.messages) == 2


def test_a_turn_that_cannot_begin_stands_where_the_last_one_ended(store: Store) -> None:
    conversation = runner("a").conversation("c", store)
    ended = conversation.run("go")
    store.lease("c", "another", 30)

    lost = conversation.run("more")

    assert isinstance(lost.error, Conflict)
    assert lost.context == ended.context


def test_what_others_have_added_is_read(store: Store) -> None:
    held = runner(*"abcdef")
    mine, theirs = held.conversation("c", store), held.conversation("c", store)
    for conversation in (mine, theirs, theirs, mine):
        conversation.run("go")

    assert mine.context == theirs.context
    assert [message.text for message in mine.run("go").messages if message.role == "assistant"] == list("abcde")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"store": "sqlite:///file.db"}, "give a store, such as open_store"),
        ({"store": None}, "give a store, such as open_store"),
        ({"wait": -1}, "give seconds, 0 or more"),
        ({"wait": "long"}, "give seconds, 0 or more"),
        ({"lease": 0}, "give seconds, 0.1 or more"),
        ({"lease": float("inf")}, "give seconds, 0.1 or more"),
        ({"lease": 1e12}, "at most a year"),
        ({"wait": 10**400}, "at most a year"),
        ({"context": {"data": {}}}, "give a Context to begin at"),
    ],
)
def test_options_that_mean_nothing_are_refused(store: Store, options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        runner("a").conversation("c", **{"store": store, **options})


def test_a_run_that_is_not_kept_has_keys_of_its_own() -> None:
    keys: list[str] = []

    @tool
    def note(ctx: ToolContext) -> None:
        keys.append(ctx.idempotency_key)

    held = runner([call("note"), call("note")], "a", call("note"), "b", tools=(note,))
    held.run("go")
    held.run("go")

    assert len(set(keys)) == 3


LEFT = """
import sys
from agentgraph import Agent, AgentRunner, RunConfig, ScriptedModel, open_store

left = AgentRunner(Agent("Desk"), RunConfig(model=ScriptedModel(["done"]))).conversation("c", open_store("memory:")).stream("go")
sys.setswitchinterval(60)
next(left)
"""


def test_a_process_ends_that_has_left_a_stream_open() -> None:
    """Threads stand still by then; the one that renews leases, which has only begun, with its lock in hand."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", LEFT], capture_output=True, text=True, timeout=WATCHDOG / 4, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_what_a_process_has_left_open_is_given_back_when_it_ends(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/kept.db"
    command = [sys.executable, "-W", "error", "-c", LEFT.replace("memory:", url).replace("next(left)", "next(left), next(left)")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WATCHDOG / 4, check=False)
    assert (done.returncode, done.stderr) == (0, "")

    with open_store(url) as store:
        assert [(kept.under_way, kept.leased) for kept in store.list()] == [(True, None)]
