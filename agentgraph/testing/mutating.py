"""Conversations that are wrong in one way that has a name: a valid one is made, and then broken.

For whatever reads conversations: an importer, a monitor, a check of one's own. Each mutation says which message it broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.message import Message, ToolCall

if TYPE_CHECKING:
    from agentgraph.runtime.result import RunResult

Messages = tuple[Message, ...]
PHANTOM = "nobody of this graph"
"""The agent that a broken conversation names."""


class Mutation(Struct, frozen=True):
    """A conversation that is wrong: what was done to it, and at which message."""

    messages: Messages
    name: str
    index: int


def drop_answer(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """A call is never answered."""
    for at, message in enumerate(messages):
        if message.role == "tool":
            yield (*messages[:at], *messages[at + 1 :]), at


def duplicate_answer(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """A call is answered twice."""
    for at, message in enumerate(messages):
        if message.role == "tool":
            yield (*messages[: at + 1], message, *messages[at + 1 :]), at + 1


def orphan_answer(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """An answer names a call that nobody made."""
    for at, message in enumerate(messages):
        if message.role == "tool":
            yield _put(messages, at, replace(message, tool_call_id=f"{message.tool_call_id}-nobody")), at


def duplicate_call_id(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """Two calls, and their answers, share one id."""
    ids = [(at, call.id) for at, message in enumerate(messages) for call in message.tool_calls]
    for (_, first), (at, second) in pairwise(ids):
        yield tuple(_renamed(message, second, first) for message in messages), at


def reorder_answers(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """The answers of one reply come in another order than its calls."""
    for at, (one, other) in enumerate(pairwise(messages)):
        if one.role == other.role == "tool":
            yield (*messages[:at], other, one, *messages[at + 2 :]), at


def answer_before_call(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """An answer comes before its call."""
    for at, (one, other) in enumerate(pairwise(messages)):
        if one.tool_calls and other.role == "tool":
            yield (*messages[:at], other, one, *messages[at + 2 :]), at


def foreign_tool(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """A tool was called that the agent does not have."""
    for at, message in enumerate(messages):
        if message.tool_calls:
            first, *others = message.tool_calls
            yield _put(messages, at, replace(message, tool_calls=(ToolCall(first.id, "tool_of_nobody"), *others))), at


def phantom_agent(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """An agent speaks that the graph does not have."""
    for at, message in enumerate(messages):
        if message.role == "assistant" and message.agent is not None:
            yield _put(messages, at, replace(message, agent=PHANTOM)), at


def phantom_edge(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """A handoff leads where no handoff leads."""
    for at, message in _handoffs(messages):
        yield _put(messages, at, replace(message, agent=PHANTOM)), at


def drop_handoff(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """The conversation moved without a handoff: the call and its answers are gone, what the next agent said is there."""
    for at, _ in _handoffs(messages):
        asked = max(i for i in range(at) if messages[i].tool_calls)
        behind = next((i for i in range(at, len(messages)) if messages[i].role != "tool"), len(messages))
        if behind < len(messages):
            yield (*messages[:asked], *messages[behind:]), asked


def silent_switch(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """A handoff was answered as refused, and the target speaks all the same."""
    for at, message in _handoffs(messages):
        if any(later.role == "assistant" and later.agent == message.agent for later in messages[at:]):
            yield _put(messages, at, replace(message, agent=None, content="error: refused", outcome="refused")), at


def early_end(messages: Messages) -> Iterator[tuple[Messages, int]]:
    """The conversation stops in the middle of a reply: calls are left open. One that waits for a person does so already."""
    for at, message in enumerate(messages[:-1]):
        if message.tool_calls:
            yield messages[: at + 1], at


MUTATIONS: Mapping[str, Callable[[Messages], Iterator[tuple[Messages, int]]]] = MappingProxyType(
    {
        mutation.__name__: mutation
        for mutation in (
            drop_answer,
            duplicate_answer,
            orphan_answer,
            duplicate_call_id,
            reorder_answers,
            answer_before_call,
            foreign_tool,
            phantom_agent,
            phantom_edge,
            drop_handoff,
            silent_switch,
            early_end,
        )
    }
)
"""By name: each gives every way in which it can break a conversation."""


def mutations(run: RunResult | Iterable[Message], *names: str) -> list[Mutation]:
    """Every way to break the conversation of `run` by the mutations called `names`; by all of them, where none is named.

    >>> said = [Message("user", "hi"), Message("assistant", None, "A", (ToolCall("c1", "look"),)), Message("tool", "ok", tool_call_id="c1")]
    >>> [(broken.name, broken.index) for broken in mutations(said, "drop_answer", "early_end")]
    [('drop_answer', 2), ('early_end', 1)]
    """
    given: Any = run
    messages: Messages = tuple(getattr(given, "messages", given))
    return [
        Mutation(broken, name, at)
        for name in names or MUTATIONS
        for broken, at in MUTATIONS[name](messages)
    ]  # fmt: skip


def _put(messages: Messages, at: int, message: Message) -> Messages:
    return (*messages[:at], message, *messages[at + 1 :])


def _handoffs(messages: Messages) -> Iterator[tuple[int, Message]]:
    """The answers that say that the conversation moved."""
    return ((at, message) for at, message in enumerate(messages) if message.role == "tool" and message.agent is not None)


def _renamed(message: Message, old: str, new: str) -> Message:
    if message.tool_call_id == old:
        return replace(message, tool_call_id=new)
    calls = tuple(replace(call, id=new) if call.id == old else call for call in message.tool_calls)
    return replace(message, tool_calls=calls) if calls else message
