"""Names that every provider accepts.

OpenAI and Anthropic take letters, digits, underscores and dashes for a tool, 64 in all. What is generated here stays within
what Gemini takes too: it begins with a letter and has at most 63.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

from agentgraph.errors import DefinitionError

_ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_PREFIX = "handoff_to_"
_LONGEST = 63 - len(_PREFIX)
_NAMESAKE = re.compile(r"(?<=.)#\d+\Z", re.DOTALL)
_OTHER = re.compile(r"[^a-z0-9]+")


def handoff_tool_name(target: str) -> str:
    """The name of the tool that hands over to `target`: `handoff_to_` and the target in lower snake case.

    Accents are dropped; what another script says is kept apart by a short hash; long names are cut and hashed. "Ann#2"
    is a second "Ann": the mark is not part of the name, so that the two are seen to collide.

    >>> handoff_tool_name("Seat Booking Agent"), handoff_tool_name("Café-Zürich")
    ('handoff_to_seat_booking_agent', 'handoff_to_cafe_zurich')
    >>> handoff_tool_name("客服") != handoff_tool_name("账单")
    True
    """
    return _PREFIX + snake_case(target)


def snake_case(name: str) -> str:
    """`name` in lower snake case, at most 52 characters, never empty. Two names in other scripts never agree by losing letters."""
    if name.isascii() and name.isidentifier() and len(name) <= _LONGEST and name[0] != "_" != name[-1] and "__" not in name:
        return name.lower()
    bare = _NAMESAKE.sub("", name)
    folded = "".join(ch for ch in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(ch))
    plain = _OTHER.sub("_", folded.lower()).strip("_")
    lost = any(not ch.isascii() and ch.isalnum() for ch in folded) or not plain
    if not lost and len(plain) <= _LONGEST:
        return plain
    mark = sha256(bare.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[: _LONGEST - 9].rstrip('_')}_{mark}" if plain else f"x{mark}"


def acceptable(name: str) -> str:
    """`name`, or the nearest that providers accept: for calls of tools that a model made up.

    >>> acceptable("multi_tool_use.parallel"), acceptable("")
    ('multi_tool_use_parallel', 'unknown')
    """
    return name if _ACCEPTED.match(name) else re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64] or "unknown"


def checked_tool_name(name: object, what: str) -> str:
    """`name`, if every provider accepts it.

    Raises:
        DefinitionError: naming `what` carries it, what is accepted, and a name that would be.
    """
    if isinstance(name, str) and _ACCEPTED.match(name):
        return name
    proposal = re.sub(r"[^A-Za-z0-9_-]+", "_", name if isinstance(name, str) else "").strip("_")[:63]
    proposal = proposal if _ACCEPTED.match(proposal) else f"t_{snake_case(str(name))}"
    message = f"{what} is called {name!r}, which no provider accepts; use 1 to 64 ASCII letters, digits, '_' and '-', such as {proposal!r}"
    raise DefinitionError(message)


def checked_agent_name(name: object, what: str) -> str:
    """`name`, if it is text that is not blank. Any script and any punctuation will do: names are never used as ids.

    Raises:
        DefinitionError: for anything else.
    """
    if isinstance(name, str) and name.strip():
        return name
    raise DefinitionError(f"{what} is called {name!r}; give it a name of at least one visible character")
