"""What a model says, in no protocol: text, calls with their arguments as raw text, why it ended, what it used."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

INPUT_TOKENS, OUTPUT_TOKENS = 5, 3


class Called(NamedTuple):
    """One call. `arguments` is text as the model wrote it, which may be no JSON at all."""

    id: str
    name: str
    arguments: str

    @property
    def value(self) -> Any:
        """The arguments where a protocol has a JSON value for them: text that is no JSON can only be sent as a string."""
        try:
            return json.loads(self.arguments)
        except ValueError:
            return self.arguments


class Saying(NamedTuple):
    """One reply of a model."""

    text: str = ""
    calls: tuple[Called, ...] = ()
    finish: str | None = None
    """As chat completions say it, "length" or "content_filter", or a protocol's own word."""

    @property
    def ended(self) -> str:
        """Why it ended; if that is not said, as it should have."""
        return self.finish or ("tool_calls" if self.calls else "stop")


class Streamed(NamedTuple):
    """A reply as the pieces of a stream. The first half ends in the middle of the last thing said: of its text, or of its arguments."""

    half: list[bytes]
    rest: list[bytes]
    finish: list[bytes]

    @property
    def pieces(self) -> list[bytes]:
        """All of it."""
        return [*self.half, *self.rest, *self.finish]


def halves(text: str) -> tuple[str, str]:
    """`text` in two."""
    middle = len(text) // 2
    return text[:middle], text[middle:]


def event(said: Any, kind: str | None = None) -> bytes:
    """One server-sent event."""
    named = f"event: {kind}\n" if kind else ""
    return f"{named}data: {said if isinstance(said, str) else json.dumps(said)}\n\n".encode()
