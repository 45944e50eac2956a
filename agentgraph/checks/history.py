"""Is this a conversation that every provider accepts? What they refuse, message by message, each with a stable code and a fix.

`check_history` judges what may be kept: calls and their answers, ids, arguments, contents, names. `check_request` judges what is sent: the
same, and that it ends so that a model can answer, with tools that can be told apart. Both stand alone: no graph is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from agentgraph.checks.recording import messages_of
from agentgraph.conversation.context import Context
from agentgraph.conversation.message import Message, ToolCall
from agentgraph.errors import ContextError

Code = Literal[
    "unreadable-message",
    "unanswered-call",
    "orphan-result",
    "duplicate-result",
    "duplicate-call-id",
    "missing-call-id",
    "malformed-arguments",
    "empty-content",
    "system-not-first",
    "first-not-user",
    "ends-with-assistant",
    "bad-tool-name",
    "duplicate-tool-name",
    "tools-missing",
]
_OPENAI, _ANTHROPIC, _GEMINI = "OpenAI", "Anthropic", "Gemini"
_ALL = (_OPENAI, _ANTHROPIC, _GEMINI)
_FACTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "unreadable-message": ("give chat-completions dictionaries or Message values", _ALL),
    "unanswered-call": ("answer it in a tool message right behind, if only to say that it was not executed", _ALL),
    "orphan-result": ("take it out, or put it right behind the message that made its call", _ALL),
    "duplicate-result": ("keep one answer for each call", (_OPENAI, _ANTHROPIC)),
    "duplicate-call-id": ("give every call of the conversation an id of its own", (_ANTHROPIC,)),
    "missing-call-id": ("give the call an id, and its answer the same", (_OPENAI, _ANTHROPIC)),
    "malformed-arguments": ("keep '{}' and answer the call with what was wrong", (_ANTHROPIC, _GEMINI)),
    "empty-content": ("leave the message out, or say that there was nothing: '(no output)'", (_ANTHROPIC, _GEMINI)),
    "system-not-first": ("send one system message, as the first", (_ANTHROPIC, _GEMINI)),
    "first-not-user": ("begin with what the user said", (_ANTHROPIC, _GEMINI)),
    "ends-with-assistant": ("end with what the user said or a tool gave", (_ANTHROPIC,)),
    "bad-tool-name": ("use letters, digits, '_' and '-', a letter or '_' first, 63 in all", _ALL),
    "duplicate-tool-name": ("give every tool and handoff a name of its own", _ALL),
    "tools-missing": ("declare the tools, or one that does nothing, while the history holds calls", (_ANTHROPIC,)),
}
"""What mends each, and who refuses it."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}\Z")
_CALLED = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Defect(Struct, frozen=True):
    """One thing that some provider refuses. `index` is the message it stands in; of a declared tool, its place among the tools."""

    index: int
    code: Code
    message: str

    @property
    def fix(self) -> str:
        """What mends it."""
        return _FACTS[self.code][0]

    @property
    def providers(self) -> tuple[str, ...]:
        """Who refuses it."""
        return _FACTS[self.code][1]

    def __str__(self) -> str:
        return f"message {self.index}: {self.code}: {self.message}; {self.fix} ({', '.join(self.providers)})"


def check_history(messages: Any) -> list[Defect]:
    """Every defect of a conversation, in order. It may rest with an answer: that is wrong only where it is sent. O(messages).

    >>> asked = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}]}
    >>> for defect in check_history([{"role": "user", "content": "hi"}, asked, {"role": "user", "content": "hello?"}]):
    ...     print(defect)
    message 1: unanswered-call: the call 'c1' of 'f' has no answer right behind it; answer it in a tool message right behind, if only to say that it was not executed (OpenAI, Anthropic, Gemini)

    Raises:
        ContextError: for what holds no messages. A message that is none is a finding.
    """
    read, defects = _read(messages)
    return sorted([*defects, *_of_messages(read)], key=lambda defect: defect.index)


def check_request(messages: Any, tools: Any = ()) -> list[Defect]:
    """Every defect of what is to be sent: of the conversation, of its end, and of the tools (specs as providers get them, or `Tool` values).

    Raises:
        ContextError: for what holds no messages, and for tools that are none.
    """
    read, defects = _read(messages)
    found = [*defects, *_of_messages(read), *_of_end(read)]
    return [*sorted(found, key=lambda defect: defect.index), *_of_tools(_tool_names(tools), read)]


Numbered = list[tuple[int, Message]]


def _read(given: Any) -> tuple[Numbered, list[Defect]]:
    if isinstance(given, Context):
        given = given.messages
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ContextError(f"a conversation was given as a {type(given).__name__}; give a list of messages", given)
    read: Numbered = []
    defects: list[Defect] = []
    for index, each in enumerate(given):
        try:
            read.append((index, messages_of([each])[0]))
        except ContextError as wrong:
            defects.append(Defect(index, "unreadable-message", str(wrong).removeprefix("message 0: ")))
    return read, defects


def _of_messages(read: Numbered) -> Iterator[Defect]:
    ids: set[str] = set()
    begun = False
    at = 0
    while at < len(read):
        index, message = read[at]
        at += 1
        if message.role == "system":
            if index > 0:
                yield Defect(index, "system-not-first", "a system message stands within the conversation")
            continue
        if not begun and message.role != "user":
            yield Defect(index, "first-not-user", f"the conversation begins with the role {message.role!r}")
        begun = True
        if message.role == "tool":  # those behind calls are read with them
            yield Defect(index, "orphan-result", f"no call right before it has the id {message.tool_call_id!r}")
        if _is_empty(message):
            yield Defect(index, "empty-content", f"the {message.role} message has no content")
        if message.tool_calls:
            behind = at
            while behind < len(read) and read[behind][1].role == "tool":
                behind += 1
            yield from _of_calls(index, message.tool_calls, ids)
            yield from _of_answers(index, message.tool_calls, read[at:behind])
            at = behind


def _of_calls(index: int, calls: Sequence[ToolCall], ids: set[str]) -> Iterator[Defect]:
    for call in calls:
        if not call.id:
            yield Defect(index, "missing-call-id", f"the call of {call.name!r} has no id")
        elif call.id in ids:
            yield Defect(index, "duplicate-call-id", f"the id {call.id!r} was used before")
        ids.add(call.id)
        if not _CALLED.match(call.name):
            yield Defect(index, "bad-tool-name", f"a tool called {call.name!r:.80} cannot be named")
        if call.malformed:
            yield Defect(index, "malformed-arguments", f"the arguments of {call.name!r} are not a JSON object: {call.malformed}")


def _of_answers(asking: int, calls: Sequence[ToolCall], answers: Numbered) -> Iterator[Defect]:
    called, answered = {call.id for call in calls}, set[str]()
    for index, answer in answers:
        given = answer.tool_call_id or ""
        if given not in called:
            yield Defect(index, "orphan-result", f"no call right before it has the id {answer.tool_call_id!r}")
        elif given in answered:
            yield Defect(index, "duplicate-result", f"the call {given!r} was answered before")
        answered.add(given)
        if _is_empty(answer):
            yield Defect(index, "empty-content", "the tool message has no content")
    for call in calls:
        if call.id not in answered:
            yield Defect(asking, "unanswered-call", f"the call {call.id!r} of {call.name!r} has no answer right behind it")


def _is_empty(message: Message) -> bool:
    """Without calls there must be something: words, or a part that is no text."""
    if message.tool_calls:
        return False
    if isinstance(message.content, list):
        return not message.text.strip() and all(isinstance(part, dict) and part.get("type") == "text" for part in message.content)
    return not message.content or message.content.isspace()


def _of_end(read: Numbered) -> Iterator[Defect]:
    if read and read[-1][1].role == "assistant" and not read[-1][1].tool_calls:
        yield Defect(read[-1][0], "ends-with-assistant", "the last message is the assistant's, so there is nothing to answer")


# -- tools ---------------------------------------------------------------------------------------------------------------


def _tool_names(tools: Any) -> list[str]:
    if isinstance(tools, str | bytes | Mapping) or not isinstance(tools, Iterable):
        raise ContextError(f"tools were given as a {type(tools).__name__}; give a list of tools", tools)
    return [_tool_name(at, tool) for at, tool in enumerate(tools)]


def _tool_name(at: int, tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else getattr(tool, "name", None)
    if not isinstance(name, str):
        raise ContextError(f"tool {at} is a {type(tool).__name__} without a name; give a tool as providers get it, or a Tool", tool)
    return name


def _of_tools(names: Sequence[str], read: Numbered) -> Iterator[Defect]:
    for at, name in enumerate(names):
        if not _NAME.match(name):
            yield Defect(at, "bad-tool-name", f"the tool {name!r:.80} cannot be declared")
        if name in names[:at]:
            yield Defect(at, "duplicate-tool-name", f"two tools are called {name!r}")
    calling = next((index for index, message in read if message.tool_calls), None)
    if not names and calling is not None:
        yield Defect(calling, "tools-missing", "the conversation holds calls, and no tools are declared")
