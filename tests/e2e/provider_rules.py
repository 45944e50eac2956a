"""What every provider accepts: the strict check of one chat-completions request body.

The mock provider answers anything, so whatever it was sent is checked here. The rules are the intersection of what
OpenAI, Anthropic and Gemini accept: a body without violations is refused by none of them. This reads nothing of
agentgraph's own code: it is the second opinion. What litellm makes of a body for another protocol is checked in
`anthropic_rules.py` and `gemini_rules.py`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

RULES: Mapping[str, str] = {
    "H1": "each call is answered once, by the tool messages that follow it at once",
    "H2": "no tool message without its call",
    "H3": "call ids are unique in the conversation",
    "H4": "every call has an id and a name",
    "H5": "the arguments of a call are the text of a JSON object",
    "C1": "no user or tool message is empty",
    "C2": "no assistant message is empty",
    "S1": "at most one system message, first, and not empty",
    "R1": "the first message after the system message is the user's",
    "R2": "the last message is the user's or a tool's",
    "R3": "every message has a role that there is",
    "T1": "tool names are letters, digits, '_' and '-', beginning with no digit and no '-', 63 at most",
    "T2": "tool names are unique",
    "T3": "tools are declared when the history holds calls",
    "A1": "the roles alternate",
    "A2": "the message after a tool_use holds the tool_result of each, before anything else, and no other",
    "A3": "the input of a tool_use is an object",
    "A4": "no text block is blank",
    "G1": "the roles are user and model, and alternate",
    "G2": "the content after a function_call holds one function_response of the same name for each, and no other",
    "G3": "no part is empty",
    "G4": "args and response are objects",
}
"""Codes and what they ask for. H: history, C: contents, S: system, R: roles, T: tools; A: Anthropic's own, G: Gemini's own."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")
_ROLES = frozenset({"system", "user", "assistant", "tool"})

Message = Mapping[str, Any]


class Violation(NamedTuple):
    """A rule that a body breaks, and where."""

    code: str
    where: str

    def __str__(self) -> str:
        return f"{self.code} ({RULES[self.code]}): {self.where}"


def violations(body: Mapping[str, Any]) -> list[Violation]:
    """Every rule that `body` breaks, in the order of its messages; tools last. O(messages + tools)."""
    messages: Sequence[Message] = body["messages"]
    spoken = [(at, message) for at, message in enumerate(messages) if message.get("role") != "system"]
    tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    return [
        *_system(messages),
        *_roles(spoken),
        *_contents(spoken),
        *_calls(spoken),
        *_exchanges(spoken),
        *_tools(tools, spoken),
    ]


def _system(messages: Sequence[Message]) -> Iterator[Violation]:
    for at, message in enumerate(messages):
        if message.get("role") == "system" and (at > 0 or not message.get("content")):
            yield Violation("S1", f"message {at}")


def _roles(spoken: Sequence[tuple[int, Message]]) -> Iterator[Violation]:
    for at, message in spoken:
        if message.get("role") not in _ROLES:
            yield Violation("R3", f"message {at} has the role {message.get('role')!r}")
    if not spoken or spoken[0][1].get("role") != "user":
        yield Violation("R1", "there is none" if not spoken else f"message {spoken[0][0]} is of {spoken[0][1].get('role')!r}")
    if spoken and spoken[-1][1].get("role") not in ("user", "tool"):
        yield Violation("R2", f"message {spoken[-1][0]} is of {spoken[-1][1].get('role')!r}")


def _contents(spoken: Sequence[tuple[int, Message]]) -> Iterator[Violation]:
    for at, message in spoken:
        if message.get("role") in ("user", "tool") and _blank(message.get("content")):
            yield Violation("C1", f"message {at}")
        if message.get("role") == "assistant" and not message.get("tool_calls") and _blank(message.get("content")):
            yield Violation("C2", f"message {at}")


def _blank(content: Any) -> bool:
    """Whether a provider would see no text and no other part."""
    if isinstance(content, list):
        return all(part.get("type") == "text" and not part.get("text", "").strip() for part in content)
    return not isinstance(content, str) or not content.strip()


def _calls(spoken: Sequence[tuple[int, Message]]) -> Iterator[Violation]:
    seen: set[str] = set()
    for at, message in spoken:
        for call in message.get("tool_calls") or ():
            function = call.get("function") or {}
            if not call.get("id") or not function.get("name"):
                yield Violation("H4", f"message {at}: {call!r}")
            elif call["id"] in seen:
                yield Violation("H3", f"message {at}: {call['id']!r} again")
            seen.add(call.get("id") or "")
            if not _is_object(function.get("arguments")):
                yield Violation("H5", f"message {at}: {function.get('arguments')!r}")


def _is_object(text: Any) -> bool:
    try:
        return isinstance(text, str) and isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _exchanges(spoken: Sequence[tuple[int, Message]]) -> Iterator[Violation]:
    """Calls and answers, read in one go: an answer belongs to the assistant message right before its run of answers."""
    open_at, awaited = 0, Counter[str]()
    for at, message in spoken:
        answer = message.get("tool_call_id") or ""
        if message.get("role") != "tool":
            yield from _unanswered(open_at, awaited)
            open_at, awaited = at, Counter({call.get("id") or "": 1 for call in message.get("tool_calls") or ()})
        elif answer in awaited and awaited[answer] == 0:
            yield Violation("H1", f"message {at} answers {answer!r} a second time")
        elif answer not in awaited:
            yield Violation("H2", f"message {at} answers {answer!r}")
        else:
            awaited[answer] = 0
    yield from _unanswered(open_at, awaited)


def _unanswered(at: int, awaited: Mapping[str, int]) -> Iterator[Violation]:
    for call, missing in awaited.items():
        if missing:
            yield Violation("H1", f"message {at}: {call!r} is not answered")


def _tools(names: Sequence[str], spoken: Sequence[tuple[int, Message]]) -> Iterator[Violation]:
    for name, times in Counter(names).items():
        if not _NAME.fullmatch(name):
            yield Violation("T1", repr(name))
        if times > 1:
            yield Violation("T2", repr(name))
    if not names and any(message.get("tool_calls") for _, message in spoken):
        yield Violation("T3", "no tools")
