"""The laws of messages as stored text: there are two ways of reading them, and one is faster."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, strategies as st

from agentgraph import Message, ToolCall
from agentgraph.conversation.context_json import as_value, messages_in, plain
from agentgraph.conversation.stored import parsed, written
from agentgraph.errors import ContextError

texts = st.text(st.characters(exclude_categories=()), max_size=8)  # halves of characters too
numbers = st.one_of(st.integers(), st.integers(-(10**40), 10**40), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
calls = st.builds(ToolCall, texts, texts, st.dictionaries(texts, values, max_size=3))
messages = st.one_of(
    st.builds(Message, st.sampled_from(["user", "system"]), texts),
    st.builds(Message, st.just("assistant"), st.none(), st.none() | texts, st.lists(calls, max_size=2).map(tuple)),
    st.builds(
        Message,
        st.just("tool"),
        texts,
        tool_call_id=texts,
        outcome=st.sampled_from([None, "given", "failed", "refused", "skipped", "unknown", "handed_off"]),
    ),
)
pieces = st.sampled_from(['"', "{", "]", ",", "0", "1e999", "NaN", "null", "\\ud800", "\\u0000", "\x01", "\ud800", "客", ""])


@given(st.lists(messages, max_size=4))
def test_what_was_written_is_read(said: list[Message]) -> None:
    assert messages_in(written(plain(said))) == said


@given(st.lists(messages, min_size=1, max_size=3), st.data())
def test_both_ways_read_and_refuse_the_same(said: list[Message], data: st.DataObject) -> None:
    """Also where the text was damaged."""
    text = written(plain(said))
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(begin + 20, len(text))))
    damaged = text[:begin] + data.draw(pieces) + text[end:]

    assert read(messages_in, damaged) == read(lambda text: as_value(parsed(text, list), list[Message]), damaged)


def read(way: Callable[[str], list[Message]], text: str) -> str:
    """What came of it; `repr` tells 1 from 1.0 and from True."""
    try:
        return repr(way(text))
    except (ValueError, ContextError) as wrong:
        return f"{type(wrong).__name__}: {wrong}"
