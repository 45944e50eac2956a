"""Text that comes in pieces, broken between words: how it is cut into pieces makes no difference to what comes out."""

from __future__ import annotations

from rich.cells import cell_len

_JOINER = "\u200d"
_WIDE = 2
_INDENT = "  "
_TAB = "    "


class Wrap:
    """Follows a text from `column` on. Every further line is indented, so that no text can look like another speaker's.

    What comes after the last blank is kept until it is known where its word ends; Chinese and the like break anywhere.
    """

    def __init__(self, column: int = 0) -> None:
        self._column = column
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
                if cell_len(character) == _WIDE and not self._word.endswith(_JOINER):
                    out.append(self._flush(width))
                self._word += character
        return "".join(out)

    def end(self, width: int | None) -> str:
        """What is left to be written. Blanks and empty lines at the end are nobody's."""
        return self._flush(width)

    def _flush(self, width: int | None) -> str:
        word, self._word = self._word, ""
        if not word:
            return ""
        before = self._blanks
        if self._breaks:
            before = "\n" * self._breaks + _INDENT + self._blanks
            self._column = len(_INDENT)
        size = len(self._blanks) + cell_len(word)
        if width is not None and self._column + size > width and self._column > len(_INDENT):
            before, size = (before if self._breaks else "") + "\n" + _INDENT, cell_len(word)
            self._column = len(_INDENT)
        self._breaks, self._blanks = 0, ""
        if width is not None and self._column + size > width:
            return before + self._hard(word, width)
        self._column += size
        return before + word

    def _hard(self, word: str, width: int) -> str:
        """A word that is longer than a line, broken where the line ends."""
        out = ""
        for character in word:
            size = cell_len(character)
            if self._column + size > width and self._column > len(_INDENT):
                out += "\n" + _INDENT
                self._column = len(_INDENT)
            out += character
            self._column += size
        return out
