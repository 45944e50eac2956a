"""Text that comes in pieces, broken between words: how it is cut into pieces makes no difference to what comes out."""

from __future__ import annotations

from unicodedata import category

from rich.cells import cell_len

_WIDE = 2
_JOINER = "\u200d"
_PRESENTED = "\ufe0f"  # makes an emoji of the sign before it, which many terminals then draw wide
_NEVER_FIRST = frozenset({"Pe", "Pf", "Po"})  # full stops, commas, what closes a quotation
_TONES = range(0x1F3FB, 0x1F400)  # of skin; they belong to the emoji before them
_INDENT = "  "
_TAB = "    "


class Wrap:
    """Follows a text from `column` on. Every further line is indented, so that no text can look like another speaker's.

    What comes after the last blank is kept until it is known where its word ends; Chinese and the like break anywhere.
    """

    def __init__(self, column: int = 0) -> None:
        self._column = column
        self._margin = 0  # where this line begins
        self._breaks = 0
        self._blanks = ""
        self._word = ""

    def feed(self, text: str, width: int | None) -> str:
        """What may be written after `text` has come. `width` is that of the terminal; None breaks no line."""
        out: list[str] = []
        for character in text:
            if character == "\n":
                out.append(self._flush(width))
                self._breaks, self._blanks = self._breaks + 1, ""
            elif character in " \t":
                out.append(self._flush(width))
                self._blanks += _TAB if character == "\t" else character
            else:
                if _may_break(self._word, character):
                    out.append(self._flush(width))
                self._word += character
        return "".join(out)

    def end(self, width: int | None) -> str:
        """What is left to be written. Blanks and empty lines at the end are nobody's."""
        return self._flush(width)

    def _flush(self, width: int | None) -> str:
        word, breaks, blanks = self._word, self._breaks, self._blanks
        if not word:
            return ""
        self._word, self._breaks, self._blanks = "", 0, ""
        before = "\n" * (breaks - 1) + self._line() if breaks else ""
        end = self._column + len(blanks) + _size(word)
        if width is None or end <= width:
            self._column = end
            return before + blanks + word
        if self._column > self._margin:
            before = self._line()
        return before + self._hard(word, width)

    def _line(self) -> str:
        """What begins a further line."""
        self._column = self._margin = len(_INDENT)
        return "\n" + _INDENT

    def _hard(self, word: str, width: int) -> str:
        """A word that is longer than a line, broken where the line ends."""
        out = ""
        for character in word:
            size = _size(character)
            if self._column + size > width and self._column > self._margin:
                out += self._line()
            out += character
            self._column += size
        return out


def _size(text: str) -> int:
    """The columns of `text`, as a terminal draws it that knows least of emoji made of several characters."""
    return sum(1 if character == _PRESENTED else _WIDE if ord(character) in _TONES else cell_len(character) for character in text)


def _may_break(word: str, character: str) -> bool:
    """Whether a line may end between `word` and the `character` right after it."""
    if cell_len(character) != _WIDE or word.endswith(_JOINER):
        return False
    return category(character) not in _NEVER_FIRST and ord(character) not in _TONES
