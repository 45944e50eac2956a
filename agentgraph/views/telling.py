"""How much of a run is told, and how its texts are: what somebody said stands in quotes, and everything is shortened."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from agentgraph.views.display import display, one_line, shortened
from agentgraph.views.moments import Words

Detail = Literal["turns", "llm", "tools"]


class Telling(Struct, frozen=True):
    """How much is told: turns and handoffs, what models do too, or tools as well; and the characters of one text."""

    detail: Detail = "tools"
    max_text: int = 80

    @property
    def models(self) -> bool:
        """Whether model calls are told."""
        return self.detail != "turns"

    @property
    def tools(self) -> bool:
        """Whether tool calls are told."""
        return self.detail == "tools"

    def words(self, words: Words) -> str:
        """What somebody gave.

        >>> Telling(max_text=8).words(Words("Where is my invoice?"))
        '"Where i…"'
        """
        return self.quoted(words.text) if words.own else self.reason(words.text)

    def quoted(self, text: str) -> str:
        """What somebody said."""
        return f'"{shortened(display(text), self.max_text)}"'

    def reason(self, text: str) -> str:
        """What is told of something, in a line."""
        return shortened(one_line(text), self.max_text)

    def because(self, what: str, why: str) -> str:
        """What happened, and why."""
        return f"{what}: {self.reason(why)}" if why.strip() else what
