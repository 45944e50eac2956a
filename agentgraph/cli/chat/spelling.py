"""The few signs of ours that not every output can write."""

from __future__ import annotations

_ASCII = str.maketrans({"→": "->", "✓": "+", "✗": "x", "├": "|", "└": "`", "─": "-", "…": "..."})


def spelled(text: str, encoding: str | None) -> str:
    """`text`, with signs of ours spelled in ASCII where `encoding` has none for them.

    >>> spelled("├─ → Billing", "latin-1")
    '|- -> Billing'
    """
    if text.isascii() or writes("✓", encoding):
        return text
    return text.translate(_ASCII)


def writes(text: str, encoding: str | None) -> bool:
    """Whether `encoding` has signs for `text`."""
    try:
        text.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
