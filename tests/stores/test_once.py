"""A turn that was submitted is held once, whoever takes it up, however often, and wherever it was left."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentgraph import Agent, AgentRunner, Conflict, Entry, KeywordModel, ModelRequest, Reply, StoreError, call, open_store, tool
from agentgraph.engine.journal import NOWHERE, Place, latest
from agentgraph.integrations.once import Outcome, Remembered, hold_once
from agentgraph.stores.sql import SQLStore

DONE = Outcome("completed", "done: booked tea")


@tool
def book(what: str) -> str:
    """Book it."""
    return f"booked {what}"


class Clerk:
    """Books what the user says, and says what came of it."""

    def reply(self, request: ModelRequest) -> Reply:
        last = request.messages[-1]
        return Reply(f"done: {last.text}") if last.role == "tool" else Reply(None, (call("book", what=last.text),))


CLERK = AgentRunner(Agent("Clerk", model=Clerk(), tools=[book]))


@pytest.fixture
def store(database: str) -> Iterator[SQLStore]:
    opened = open_store(database)
    assert isinstance(opened, SQLStore)
    yield opened
    opened.close()


def submitted(store: SQLStore, run: str, text: str = "tea", conversation: str = "c") -> None:
    store.submit(run, conversation, json.dumps(text))


def hold(store: SQLStore, run: str, wait: float = 0.0) -> Outcome | None:
    turn = store.turn(run)
    assert turn is not None
    hold_once(CLERK, store, turn, 5.0, wait, NOWHERE)
    settled = store.turn(run)
    return None if settled is None or settled.outcome is None else Outcome.from_json(settled.outcome)


def said(store: SQLStore) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in CLERK.conversation("c", store).context.messages]


WHOLE = [("user", "tea"), ("assistant", ""), ("tool", "booked tea"), ("assistant", "done: booked tea")]


@pytest.mark.parametrize("kept", range(5))
def test_wherever_it_was_left_it_is_brought_to_one_end(store: SQLStore, kept: int) -> None:
    """`kept` steps of the turn were written when its worker died; nothing of its outcome was."""
    submitted(store, "whole", conversation="model")
    assert hold(store, "whole") == DONE
    entries = store.entries("model")
    submitted(store, "run")
    if kept:
        store.lease("c", "run.died", 5.0)
        store.append("c", "run.died", entries[: kept + 1], 5.0)
        store.release("c", "run.died")

    outcome = hold(store, "run")
    unknown = kept == 2  # the tool was called, and may have run: it is no idempotent one

    assert outcome == (Outcome("completed", f"done: {said(store)[2][1]}") if unknown else DONE)
    assert ("unknown" in said(store)[2][1]) == unknown
    assert [role for role, _ in said(store)] == [role for role, _ in WHOLE]
    assert hold(store, "run") == outcome
    assert CLERK.conversation("c", store).context.turn == 1


def test_eight_workers_that_take_up_one_turn_hold_it_once(store: SQLStore) -> None:
    submitted(store, "run")
    ready = threading.Barrier(8)

    def take_up(_: int) -> Outcome | None:
        ready.wait()
        return hold(store, "run", wait=20.0)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take_up, range(8))) == [DONE] * 8
    assert said(store) == WHOLE


def test_a_turn_waits_for_another_one_and_says_so_when_it_has_waited(store: SQLStore) -> None:
    submitted(store, "run")
    store.lease("c", "somebody", 5.0)

    with pytest.raises(Conflict):
        hold(store, "run")
    store.release("c", "somebody")
    assert hold(store, "run") == DONE


def test_what_others_said_meanwhile_interrupts_a_turn_that_was_left(store: SQLStore) -> None:
    submitted(store, "whole", conversation="model")
    hold(store, "whole")
    submitted(store, "run")
    store.lease("c", "run.died", 5.0)
    store.append("c", "run.died", store.entries("model")[:3], 5.0)
    store.release("c", "run.died")
    CLERK.conversation("c", store).run("coffee")
    before = said(store)

    outcome = hold(store, "run")

    assert outcome is not None
    assert outcome.stop_reason == "interrupted"
    assert said(store) == before


def test_a_turn_that_others_have_finished_has_their_end(store: SQLStore) -> None:
    submitted(store, "whole", conversation="model")
    hold(store, "whole")
    submitted(store, "run")
    store.lease("c", "run.died", 5.0)
    store.append("c", "run.died", store.entries("model")[:4], 5.0)  # the tool has returned
    store.release("c", "run.died")
    CLERK.conversation("c", store).resume()
    CLERK.conversation("c", store).run("coffee")

    assert hold(store, "run") == DONE


def test_a_turn_of_a_damaged_conversation_ends_with_what_is_wrong_and_lets_the_next_one_come(store: SQLStore) -> None:
    store.lease("c", "somebody", 5.0)
    store.append("c", "somebody", [Entry(0, "", '{"v":1}', True, "", under_way=False)], 0.0)
    before = store.entries("c")
    submitted(store, "run")
    submitted(store, "later")

    outcomes = [hold(store, "run"), hold(store, "later")]

    assert [outcome and outcome.stop_reason for outcome in outcomes] == ["error", "error"]
    assert all(outcome and "step 0 of the conversation 'c' cannot be read" in str(outcome.error) for outcome in outcomes)
    assert (store.turns_left(0.0), store.entries("c")) == ([], before)
    assert store.lease("c", "the next", 5.0).owner == "the next"


def test_a_turn_of_a_conversation_of_a_newer_version_waits_for_a_worker_that_can_read_it(store: SQLStore) -> None:
    store.lease("c", "somebody", 5.0)
    store.append("c", "somebody", [Entry(0, "", '{"v":99}', True, "", under_way=False)], 0.0)
    submitted(store, "run")

    with pytest.raises(StoreError, match="version 99"):
        hold(store, "run")
    assert [turn.id for turn in store.turns_left(0.0)] == ["run"]


def test_what_nobody_has_foreseen_ends_its_turn_alone(store: SQLStore, caplog: pytest.LogCaptureFixture) -> None:
    store.submit("run", "c", "this is no JSON")
    submitted(store, "later")

    outcome = hold(store, "run")

    assert outcome is not None
    assert (outcome.stop_reason, outcome.output) == ("error", None)
    assert outcome.error is not None
    assert outcome.error.startswith("JSONDecodeError: ")
    assert "turn run is given up: JSONDecodeError: " in caplog.text
    assert hold(store, "later") == DONE


def test_what_is_known_is_not_read_again_and_is_not_believed_of_another_conversation_of_its_name(store: SQLStore) -> None:
    def held(run: str, known: Place) -> Place:
        submitted(store, run)
        turn = store.turn(run)
        assert turn is not None
        return hold_once(CLERK, store, turn, 5.0, 0.0, known)

    known = held("first", NOWHERE)
    assert known == latest("c", NOWHERE, store.entries("c"))
    store._wrote("UPDATE agentgraph_steps SET messages = 'damaged' WHERE conversation = 'c' AND seq < ?", known.seq)
    known = held("second", known)
    assert known.context.turn == 2

    store.delete("c")
    assert held("third", known).context.turn == 1


def test_a_worker_remembers_the_conversations_it_held_last() -> None:
    remembered = Remembered(2)
    one, two, three = (Place(born=born) for born in "123")
    remembered.put("1", one)
    remembered.put("2", two)
    remembered.put("1", remembered.taken("1"))
    remembered.put("3", three)

    assert len(remembered) == 2
    assert (remembered.taken("1"), remembered.taken("3")) == (one, three)
    assert remembered.taken("2").born == ""


def test_turns_are_due_in_the_order_they_came_and_text_is_kept_until_its_turn_is_over(store: SQLStore) -> None:
    for number in range(12):
        submitted(store, f"r{11 - number}", f"text {number}")
    last, third = store.turn("r0"), store.turn("r9")
    assert last is not None
    assert third is not None

    assert [json.loads(turn.said) for turn in store.turns_due(third)] == ["text 0", "text 1", "text 2"]
    hold(store, "r11")
    first = store.turn("r11")
    assert first is not None
    assert (first.said, [turn.id for turn in store.turns_due(third)]) == ("", ["r10", "r9"])
    assert len(store.turns_due(last)) == 11
    assert len(store.turns_left(0.0)) == 11
    assert store.turns_left(60.0) == []


def test_a_turn_is_forgotten_with_its_conversation(store: SQLStore) -> None:
    submitted(store, "run")
    turn = store.turn("run")
    assert turn is not None
    store.lease("c", "other", 0.1)
    store.delete("c")

    hold_once(CLERK, store, turn, 5.0, 1.0, NOWHERE)
    assert (store.turn("run"), store.list()) == (None, [])


def test_submitting_again_is_submitting_once(store: SQLStore) -> None:
    submitted(store, "run")
    submitted(store, "run", "another")
    turn = store.turn("run")

    assert turn is not None
    assert json.loads(turn.said) == "tea"


def test_what_a_user_says_is_kept_as_it_is(store: SQLStore) -> None:
    text = "NUL \0, half \ud800, 客服, '; DROP TABLE agentgraph_turns; --"
    submitted(store, "run", text, conversation=text)
    echo = AgentRunner(Agent("Echo", model=KeywordModel(default="heard")))
    turn = store.turn("run")
    assert turn is not None
    hold_once(echo, store, turn, 5.0, 0.0, NOWHERE)

    assert echo.conversation(text, store).context.messages[0].content == text


def test_a_worker_that_says_nothing_counts_as_dead(store: SQLStore) -> None:
    store.beat("a", 30.0)
    store.beat("b", -1.0)
    assert store.workers() == {"a"}
    store.beat("b", 30.0)
    assert store.workers() == {"a", "b"}
    store.leave("a")
    assert store.workers() == {"b"}
