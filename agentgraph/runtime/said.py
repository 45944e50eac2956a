"""What a user may say."""

from __future__ import annotations

from typing import Any

from agentgraph.conversation.frozen import freeze
from agentgraph.conversation.message import Message
from agentgraph.errors import DefinitionError


def read_said(said: Any) -> tuple[Any, str]:
    """What the user said, as a message holds it, and the text in it.

    Raises:
        DefinitionError: for what nobody can say.
    """
    if not isinstance(said, str | list | tuple):
        raise DefinitionError(f"a run was given the input {said!r:.60}; give text, a list of content parts, or None to take up a run")
    if not said or (isinstance(said, str) and said.isspace()):
        raise DefinitionError("a run was given an empty message; say something, or give None to take up a run that was left")
    if isinstance(said, str):
        return said, said
    message = Message("user", freeze(list(said), "input"))
    for part in message.content or ():
        if not _is_part(part):
            raise DefinitionError(
                f"a run was given a message with the part {part!r:.60}; give dicts such as {{'type': 'text', 'text': 'hello'}}, with a text that is not empty"
            )
    return message.content, message.text


def _is_part(given: Any) -> bool:
    """Whether it can be a part of a message. What no provider takes would be in the history, and refused, for ever."""
    kind = given.get("type") if isinstance(given, dict) else None
    text = given.get("text") if kind == "text" else "."
    return isinstance(kind, str) and isinstance(text, str) and text.strip() != ""
