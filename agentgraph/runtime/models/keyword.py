"""A model of rules: for demos and tutorials without a provider. It understands nothing, and says what its rules say."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from agentgraph.conversation.reply import Reply
from agentgraph.definition.model import ModelRequest
from agentgraph.errors import DefinitionError
from agentgraph.runtime.models.scripted import Line, as_reply


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    reply: Line | Callable[[Any], Any]
    agent: str | None
    tool: str | None
    """None: the pattern is looked for in what the user said last; else in what this tool gave just now."""


@dataclass(frozen=True, slots=True)
class KeywordModel:
    """Answers by the first rule that fits. Each method gives a new model with one more rule.

    >>> model = KeywordModel().when("bill|invoice", "About your bill: it is paid.").otherwise("What is it about?")
    """

    rules: tuple[_Rule, ...] = ()
    default: Line = "I am an offline demonstration and have no rule for this."
    instant = True

    def when(self, pattern: str, reply: Line | Callable[[re.Match[str]], Any], *, agent: str | None = None) -> KeywordModel:
        """When `pattern` (a regular expression, case ignored) is in what the user said last, reply so.

        `reply` is a line as in `ScriptedModel`, or a function of the match to one. The pattern runs on what anybody says, so it should be
        one that no text makes slow: no repeat in a repeat, as in "(a+)+".
        """
        return self._with(_Rule(_compiled(pattern), reply, agent, None))

    def after(self, tool: str, reply: Line | Callable[[str], Any], *, agent: str | None = None, pattern: str = "") -> KeywordModel:
        """After `tool` has come back, and `pattern` is in what it gave, reply so; a function is given that text."""
        return self._with(_Rule(_compiled(pattern), reply, agent, tool))

    def otherwise(self, reply: Line) -> KeywordModel:
        """When no rule fits, reply so."""
        return replace(self, default=reply)

    def _with(self, rule: _Rule) -> KeywordModel:
        return replace(self, rules=(*self.rules, rule))

    def reply(self, request: ModelRequest) -> Reply:
        """The reply of the first rule that fits."""
        messages = request.messages
        said = next((m.text for m in reversed(messages) if m.role == "user"), "")
        tool, output = _came_back(messages)
        for rule in self.rules:
            if rule.agent not in (None, request.agent) or rule.tool != tool:
                continue
            found = rule.pattern.search(output if tool else said)
            if found:
                line: Any = rule.reply
                if callable(line) and not isinstance(line, type):
                    line = line(output if tool else found)
                return as_reply(line)
        return as_reply(self.default)


def _came_back(messages: Any) -> tuple[str | None, str]:
    """The tool that has just come back, and what it gave. A handoff is no tool: the user's words are what counts then."""
    last = messages[-1]
    if last.role != "tool":
        return None, ""
    calls = (call for m in reversed(messages) for call in m.tool_calls)
    name = next((call.name for call in calls if call.id == last.tool_call_id), None)
    return (None, "") if name is None or last.agent is not None else (name, last.text)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as wrong:
        raise DefinitionError(f"the rule {pattern!r} is not a regular expression: {wrong}") from wrong
