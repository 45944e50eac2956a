"""A history that is read when it is looked at is a history like any other."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import Context
from agentgraph.conversation.history import History
from agentgraph.conversation.message import Message
from agentgraph.conversation.unread import Unread
from tests.laws.test_stored_messages import messages

ALIKE: dict[str, Callable[[Sequence[Message]], Any]] = {
    "equal": lambda history: history,
    "the other way round": lambda history: History(history) == history,
    "hash": hash,
    "length": len,
    "truth": bool,
    "text": repr,
    "slices": lambda history: (history[:3], history[-3:], history[::2]),
    "backwards": lambda history: tuple(reversed(history)),
    "pickled": lambda history: pickle.loads(pickle.dumps(history)),
    "copied": copy.deepcopy,
    "stored": lambda history: Context(messages=history).to_json(),
    "in a context": lambda history: Context(messages=history),
    "more": lambda history: operator.add(history, [Message("user", "more")]),
    "one more": lambda history: history.add(Message("user", "more")),  # type: ignore[attr-defined]
    "less": lambda history: history.first(2),  # type: ignore[attr-defined]
    "calls": lambda history: (history.has_calls, history.has_call("call_1")),  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("how", ALIKE)
@given(said=st.lists(messages, max_size=5), times=st.sampled_from([1, 30]))
def test_it_is_as_one_that_was_read(how: str, said: list[Message], times: int) -> None:
    every = said * times
    ask = ALIKE[how]

    assert ask(Unread(len(every), lambda: every)) == ask(History(every))


def test_it_is_read_once_and_only_when_it_is_looked_at() -> None:
    reads: list[str] = []

    def read() -> list[Message]:
        reads.append("read")
        return [Message("user", "one")]

    history = operator.add(Unread(1, read), [Message("assistant", "two")])
    context = Context(agent="Desk", messages=history).with_data(plan="pro")
    assert (len(context.messages), bool(context.messages), reads) == (2, True, [])

    assert [message.text for message in context.messages] == ["one", "two"]
    assert context.messages[1].text == "two"
    assert reads == ["read"]


def test_what_it_does_not_have_is_said_as_of_any_object() -> None:
    with pytest.raises(AttributeError, match="'Unread' object has no attribute 'imagined'"):
        Unread(0, list).imagined  # noqa: B018
