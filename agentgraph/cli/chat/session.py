"""A chat as a value: the conversation as it is, and what it was before each thing that changed it."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.context import Context


class Before(Struct, frozen=True):
    """The conversation as it was before something was done."""

    context: Context
    done: str


class Chat(Struct, frozen=True):
    """The conversation and its past. `failed` says whether the last turn did."""

    context: Context = Context()
    past: tuple[Before, ...] = ()
    failed: bool = False

    def moved(self, context: Context, done: str, *, failed: bool = False) -> Chat:
        """The chat after `done` has led to `context`. What changes nothing is nothing to undo."""
        past = self.past if context is self.context else (*self.past, Before(self.context, done))
        return Chat(context, past, failed)

    def after_failure(self) -> Chat:
        """The same chat, after something that did not work."""
        return replace(self, failed=True)

    @property
    def last(self) -> Before | None:
        """What `undone` goes back to; None when there is nothing to undo."""
        return self.past[-1] if self.past else None

    def undone(self) -> Chat:
        """The chat as it was before the last thing done; itself when nothing was."""
        return Chat(self.past[-1].context, self.past[:-1]) if self.past else self
