"""Ids of boxes: made of the name alone, so that adding, removing or reordering agents never renames another's.

No name is an id: "end", "class" and "__proto__" break Mermaid. The kind stands before it, and what is more than lower-case
letters, digits and "_" is told apart by a hash: a longer one where letters were lost, so that thousands of names in other scripts
are thousands of ids.
"""

from __future__ import annotations

import re
from hashlib import sha256

_HASHED = re.compile(r"(.*_)?([0-9a-f]{6}|[0-9a-f]{12})\Z")  # how the id of another name may end
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 32


def made_id(kind: str, name: str) -> str:
    """An id for `name`, that letters and digits make up and no keyword is.

    >>> made_id("agent", "billing"), made_id("agent", "Billing"), made_id("agent", "客服")
    ('agent_billing', 'agent_billing_3ac8bb', 'agent_eae0efe236c3')
    """
    whole = _OTHER.sub("_", name.lower()).strip("_")
    slug = whole[:_LONGEST].rstrip("_")
    if slug and slug == name and not _HASHED.match(name):
        return f"{kind}_{name}"
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[: 6 if slug and slug == whole and name.isascii() else 12]
    return f"{kind}_{slug}_{digest}" if slug else f"{kind}_{digest}"


class ShortIds:
    """The ids of a drawing made by hand: a letter for the kind, and a number where there may be several."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._counted: dict[str, int] = {}

    def __call__(self, letter: str, name: str) -> str:
        """The id of `name`: "A1" for the first agent, "A2" for the next."""
        known = self._given.get((letter, name))
        if known is None:
            self._counted[letter] = self._counted.get(letter, 0) + 1
            known = self._given[letter, name] = f"{letter}{self._counted[letter]}"
        return known
