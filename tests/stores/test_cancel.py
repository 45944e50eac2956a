"""`Conversation.cancel`: the turn in hand is over, whoever holds it, and nothing of it is lost."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from agentgraph import Agent, AgentRunner, Context, RunCancelled, RunConfig, ScriptedModel, Store, call, replay, tool

A_WHILE = 30.0


class Desk:
    """A tool that goes on until it is let, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.times = threading.Event(), threading.Event(), 0

    def runner(self, *script: Any, **config: Any) -> AgentRunner[str]:
        """A runner whose model says `script`."""

        @tool(retries=2)
        def slow() -> str:
            """Take a while, and fail."""
            self.times += 1
            self.begun.set()
            assert self.go_on.wait(A_WHILE)
            raise ConnectionError("again")

        @tool(needs_approval=True)
        def pay() -> str:
            """Pay."""
            self.times += 1
            return "paid"

        model = ScriptedModel([*script, *["done"] * 9])
        return AgentRunner(Agent("Desk", tools=[slow, pay], model=model), RunConfig(**config))


def outcomes(context: Context) -> list[Any]:
    """What became of each call."""
    return [message.outcome for message in context.messages if message.role == "tool"]


def test_a_turn_that_another_holds_is_over(store: Store) -> None:
    """Its tool was begun, so its outcome is unknown; the call behind it never is; and no further attempt is made."""
    desk = Desk()
    runner = desk.runner([call("slow"), call("pay")])
    results: list[Any] = []
    holder = threading.Thread(target=lambda: results.append(runner.conversation("c", store).run("hi")))
    holder.start()
    assert desk.begun.wait(A_WHILE)

    assert runner.conversation("c", store).cancel() is True
    stands = runner.conversation("c", store).context
    after = runner.conversation("c", store).run("and now?")
    desk.go_on.set()
    holder.join()

    assert stands.progress is None
    assert outcomes(stands) == ["unknown", "skipped"]
    assert after.succeeded, after.error
    assert (results[0].stop_reason, type(results[0].error)) == ("cancelled", RunCancelled)
    assert results[0].context == results[0].error.context == stands
    assert desk.times == 1
    assert "the run was cancelled" in results[0].to_mermaid()
    history = runner.conversation("c", store).history()
    assert replay(runner.machine, history.start, history.events).contexts == history.contexts


def test_a_turn_that_waits_for_a_person_is_over(store: Store) -> None:
    desk = Desk()
    conversation = desk.runner([call("pay")]).conversation("c", store)
    assert conversation.run("hi").stop_reason == "approval"

    assert conversation.cancel() is True

    assert outcomes(conversation.context) == ["skipped"]
    assert conversation.run("next").succeeded
    assert desk.times == 0


def test_where_no_turn_is_under_way_nothing_is_done(store: Store) -> None:
    conversation = Desk().runner().conversation("c", store)
    assert conversation.cancel() is False
    assert conversation.run("hi").succeeded
    before = conversation.history()

    assert conversation.cancel() is False

    assert conversation.history() == before
    assert conversation.run("next").succeeded


def test_a_turn_of_asyncio_is_over_too(store: Store) -> None:
    """And is told as it comes back."""
    desk = Desk()
    runner = desk.runner([call("slow")])
    conversation = runner.conversation("c", store)

    async def both() -> tuple[bool, Any]:
        turn = asyncio.ensure_future(conversation.arun("hi"))
        await asyncio.to_thread(desk.begun.wait, A_WHILE)
        cancelled = await runner.conversation("c", store).acancel()
        desk.go_on.set()
        return cancelled, await turn

    cancelled, result = asyncio.run(both())

    assert cancelled
    assert result.stop_reason == "cancelled"
    assert outcomes(result.context) == ["unknown"]
