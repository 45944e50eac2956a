r"""What a reader is to see of a text that anybody may have written: nothing invisible, nothing that pretends to be something else.

Every exporter shows `display(text)`. Line breaks of all kinds become "\n" and blanks are folded, as renderers do; control
characters become their pictures, and marks that reorder or hide text are written out, since a diagram is read by people who
decide by it (Boucher and Anderson, "Trojan Source", 2021).
"""

from __future__ import annotations

import re
import unicodedata

_LINE_BREAK = re.compile("\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_BLANKS = re.compile(r"\s+")
_WRITTEN_OUT = frozenset("\u200b\ufeff\u2060\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TAGS = range(0xE0000, 0xE0080)
_UNSHOWN = frozenset({"Cc", "Cs", "Cn", "Co"})
_PICTURES = 0x2400
_DELETE, _FIRST_SHOWN = 0x7F, 0x20


def display(text: str) -> str:
    r"""`text` as it is to be read.

    >>> display("Billing\tAgent \r\n\x07")
    'Billing Agent\n␇'
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    lines = "".join(map(_shown, _LINE_BREAK.sub("\n", text))).split("\n")
    folded = (_BLANKS.sub(" ", line).strip() for line in lines)
    return "\n".join(line for line in folded if line)


def _shown(ch: str) -> str:
    code = ord(ch)
    if ch == "\n":
        return ch
    if ch == "\t":
        return " "
    if code < _FIRST_SHOWN:
        return chr(_PICTURES + code)
    if code == _DELETE:
        return "\u2421"
    if ch in _WRITTEN_OUT or code in _TAGS:
        return f"\u27e8U+{code:04X}\u27e9"
    return "\ufffd" if unicodedata.category(ch) in _UNSHOWN else ch


def shortened(text: str, most: int) -> str:
    """`text`, or its first characters and an ellipsis: `most` in all."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "\u2026"


def one_line(text: str) -> str:
    """`display(text)` in one line."""
    return display(text).replace("\n", " ")
