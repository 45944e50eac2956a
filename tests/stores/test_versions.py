"""What version 1 has kept goes on: a store that was left by it in the middle of turns, read, taken up and written by this one.

`tests/corpus/store_v1.sql` was written once, by the last library of that version. It is never written again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Conversation,
    Reply,
    RunConfig,
    ScriptedModel,
    Store,
    ToolContext,
    Unset,
    call,
    open_store,
    tool,
)
from agentgraph.checks import at_most, calls, precedes, succeeds
from agentgraph.conversation.context_json import FORM
from agentgraph.engine.journal import NOWHERE, places
from agentgraph.integrations.once import _came_to

CORPUS = Path(__file__).parent.parent / "corpus"
ran: list[str] = []


@tool(sets="verified")
def verify(code: int) -> str:
    """Say who it is."""
    return "ok"


@tool(idempotent=True)
def look_up(account: str) -> str:
    """Look an account up."""
    ran.append("look_up")
    return f"{account}: 12"


@tool
def pay(amount: int) -> str:
    """Pay."""
    ran.append("pay")
    return f"paid {amount}"


@tool
def note(text: str, ctx: ToolContext) -> str:
    """Write a text down."""
    ctx.update(note=text)
    return "noted"


@tool
def says_error() -> str:
    """Give a text that looks like an error."""
    return "error: it says so itself"


@tool(final=True)
def goodbye() -> str:
    """End the turn."""
    return "bye"


@tool(needs_approval=True)
def refund() -> str:
    """Ask a person first."""
    ran.append("refund")
    return "refunded"


TOOLS = [verify, look_up, pay, note, says_error, goodbye, refund]
GRAPH = AgentGraph.of(Agent("Desk", tools=TOOLS, handoffs=["Billing"]), Agent("Billing", tools=TOOLS, handoffs=["Desk"]), name="desk")
VERIFIED_FIRST = precedes(calls("verify"), calls("pay"))
CONVERSATIONS = ["answered", "ended by a tool", "waits", "asked", "killed in pay", "killed in look_up", "long"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The store that version 1 has left."""
    ran.clear()
    kept = tmp_path / "kept.db"
    with closing(sqlite3.connect(kept)) as made:
        made.executescript((CORPUS / "store_v1.sql").read_text(encoding="ascii"))
    return kept


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    """That store, opened."""
    with open_store(f"sqlite:///{file}") as opened:
        yield opened


def talk(store: Store, name: str, *replies: Any) -> Conversation[Any]:
    return AgentRunner(GRAPH, RunConfig(model=ScriptedModel(replies)), monitors=[VERIFIED_FIRST]).conversation(name, store)


def outcomes(conversation: Conversation[Any]) -> list[str | None]:
    return [message.outcome for message in conversation.context.messages if message.role == "tool"]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_all_that_was_kept_is_read(store: Store, name: str) -> None:
    conversation = talk(store, name)
    trace = conversation.history()

    assert [conversation.at(seq) for seq in range(len(trace) + 1)] == list(trace.contexts)
    assert conversation.context == trace.contexts[-1]
    assert all(message.outcome is not None for message in conversation.context.messages if message.role == "tool")


def test_what_became_of_calls_is_read_off_the_words_once(store: Store) -> None:
    """Of a call that did not run version 1 says only that; of one that did, what its text looks like."""
    assert outcomes(talk(store, "answered")) == ["given", "handed_off", "skipped", "given", "skipped", "failed"]
    assert outcomes(talk(store, "ended by a tool")) == ["given", "given"]


def test_how_runs_ended_is_read(store: Store) -> None:
    finishes = {name: [f.reason for f in talk(store, name).history().finishes if f is not None] for name in CONVERSATIONS}

    assert finishes == {
        "answered": ["completed", "completed"],
        "ended by a tool": ["final"],
        "waits": [],
        "asked": ["error"],
        "killed in pay": [],
        "killed in look_up": [],
        "long": ["completed"] * 30 + ["error"],
    }
    came_to = _came_to("ended by a tool", store.entries("ended by a tool"), 1)
    assert came_to is not None
    assert (came_to.stop_reason, came_to.output) == ("final", "bye")


def test_a_call_that_waits_for_a_person_is_decided(store: Store) -> None:
    waits = talk(store, "waits", "there you are")
    (pending,) = waits.context.pending
    result = waits.resume(approvals={pending.id: True})

    assert (result.output, ran) == ("there you are", ["refund"])
    assert outcomes(waits) == ["given", "given"]


def test_a_tool_that_was_running_is_unknown_or_is_begun_again(store: Store) -> None:
    pays, looks = talk(store, "killed in pay", "who knows"), talk(store, "killed in look_up", "twelve")

    assert (pays.resume().output, looks.resume().output) == ("who knows", "twelve")
    assert ran == ["look_up"]
    assert outcomes(pays) == ["given", "unknown"]
    assert outcomes(looks) == ["given", "given"]
    assert looks.context.messages[-2].earlier == ("unknown",)


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_next_message_is_answered_and_all_is_read_again(store: Store, name: str) -> None:
    conversation = talk(store, name, call("verify", code=1), call("pay", amount=2), "Paid.")
    before = conversation.context
    result = conversation.run("pay, please")

    assert result.output == "Paid."
    again = talk(store, name)
    trace = again.history()
    assert again.context == result.context == trace.contexts[-1]
    assert tuple(again.context.messages)[: len(before.messages)] == tuple(before.messages)
    assert [again.at(seq) for seq in range(len(trace) + 1)] == list(trace.contexts)
    assert VERIFIED_FIRST.check(trace, GRAPH)
    assert [at_most(1, succeeds("pay")).check(form, GRAPH).holds for form in (trace, again.context)] == [paid(again) <= 1] * 2


def paid(conversation: Conversation[Any]) -> int:
    """How often `pay` gave its output, or may have."""
    names = {c.id: c.name for message in conversation.context.messages for c in message.tool_calls}
    given = [message for message in conversation.context.messages if message.outcome in ("given", "unknown")]
    return [names[message.tool_call_id or ""] for message in given].count("pay")


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_the_first_row_that_is_written_is_whole_and_says_its_version(store: Store, name: str) -> None:
    kept = list(store.entries(name))
    talk(store, name, "Well.").run("hello?")
    new = store.entries(name)[len(kept) :]

    assert list(store.entries(name))[: len(kept)] == kept
    assert new[0].whole
    assert new[0].state.startswith(f'{{"v":{FORM.version},')
    assert [place.version for _, place in places(name, NOWHERE, store.entries(name))] == [1] * len(kept) + [FORM.version] * len(new)


def test_the_tables_tell_older_libraries_to_upgrade(file: Path) -> None:
    """They look at the version of the tables first, and refuse one that they do not know before they touch anything."""
    with open_store(f"sqlite:///{file}"):
        pass
    with closing(sqlite3.connect(file)) as read:
        assert read.execute("SELECT version FROM agentgraph_schema").fetchall() == [(4,)]


def test_what_a_tool_unsets_is_kept(store: Store) -> None:
    """What version 1 did not know is in the rows that follow its own."""

    @tool(name="verify", sets="vip")
    def no_luck(code: int) -> Any:
        """Say that it is not."""
        return Unset("wrong code")

    graph = AgentGraph.of(Agent("Desk", tools=[no_luck], model=ScriptedModel([Reply(None, (call("verify", code=2),)), "no"])), name="desk")
    conversation = AgentRunner(graph).conversation("asked", store)
    conversation.run("again")

    assert conversation.context.messages[-2].unset
    assert "vip" not in conversation.context.facts
