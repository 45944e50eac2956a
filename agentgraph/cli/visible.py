"""What others wrote, made fit for a terminal: nothing in it is obeyed, everything in it can be seen.

A model, a tool or a file may write an escape sequence that clears the screen, or a mark that shows text in another order
than it has. Such characters are shown as JSON writes them, one by one, so text may come in pieces, and JSON stays the
same JSON.
"""

from __future__ import annotations

import json
from functools import lru_cache
from unicodedata import category

_KEPT = frozenset("\n\t\u200c\u200d")  # the last two join letters of several scripts, and the parts of an emoji
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # control, format, half a character, two kinds of line end


def visible(text: str) -> str:
    r"""`text` with every character that a terminal would obey, or not show, written out. A carriage return is left out.

    >>> visible("\x1b[2J gone?")
    '\\u001b[2J gone?'
    """
    return text if text.isprintable() else "".join(map(_shown, text))


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    if character == "\r":
        return ""
    return json.dumps(character)[1:-1] if category(character) in _INVISIBLE and character not in _KEPT else character


def one_line(text: str, most: int) -> str:
    r"""`text` in a line, no longer than `most` characters.

    >>> one_line("so many\n words", 9)
    'so many …'
    """
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"
