"""What a tool and a handler say about an output, before the model sees it.

A handler is `handler(value, output) -> (value, decision)`: it accumulates a value of its own type over a run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from agentgraph.conversation.frozen import EMPTY, FrozenDict


class ToolOutput(Struct, frozen=True):
    """What a tool gave: a value, or an error as text."""

    name: str
    arguments: FrozenDict = EMPTY
    value: Any = None
    error: str | None = None
    agent: str = ""


class Forward(Struct, frozen=True):
    """Let the output pass as it is."""


class Rewrite(Struct, frozen=True):
    """Let the model see `value` instead. Of an error this makes a success."""

    value: Any


class Final(Struct, frozen=True):
    """End the run, with `value` as its output."""

    value: Any


class Unset(Struct, frozen=True):
    """What a tool gives that ran and has not done what it stands for: `return Unset("no such customer")`.

    The model reads `value` as any output. No fact of the tool's is set, a spec sees no success, and a final tool does not end the turn.
    """

    value: Any = None


Decision = Forward | Rewrite | Final
Factory = Callable[[], Any]
Handler = Callable[[Any, ToolOutput], tuple[Any, Decision]]
