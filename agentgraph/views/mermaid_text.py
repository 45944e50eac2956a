"""Any text, so that Mermaid shows it as it is and takes nothing of it for syntax.

Which characters it takes, and where, was found by reading rendered diagrams back (10.9 to 12.3); the corpus of hostile names is the
test. `#NN;` stands for a character. What is safe is left raw: where labels are drawn without HTML, entities show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from agentgraph.views.display import display, one_line

Place = Literal["quoted", "line", "state"]
"""A quoted label of a flowchart, text up to the end of a line of a sequence, or a text of a state diagram."""

MOST_CHARACTERS = 45_000
"""Of one diagram: Mermaid draws a message of its own instead of more than 50,000."""

_ALWAYS: dict[Place, frozenset[str]] = {
    "quoted": frozenset('#&<>\\`"'),
    "line": frozenset("#&<>\\`;"),
    "state": frozenset('#&<>\\`";:*{}[]|%^~@'),
}
_WHEN_THERE_IS: Mapping[str, str] = {"%%": "%", "$$": "$", "style": ":;", "classDef": ":;", "~~": "~", "](": "["}
"""Directives, formulas, statements that are cut by a pattern before parsing, links."""
_DIGITS = 20
"""Of the number of a list at most; Markdown takes nine."""
_OWN_MARKS = {"#64258;\u00b0": "#64258;#8203;\u00b0", "#182;\u00df": "#182;#8203;\u00df"}  # Mermaid's private marks for entities
NOTHING = "#8203;"  # a zero-width space: an empty label is none


def escaped(text: str, place: Place = "quoted", line_break: str = "<br/>") -> str:
    """`display(text)` for `place`. O(length).

    >>> escaped('say "hi" & <b>')
    'say #34;hi#34; #38; #60;b#62;'
    """
    shown = display(text)
    if not shown:
        return NOTHING
    always = _ALWAYS[place].union(*(marks for there, marks in _WHEN_THERE_IS.items() if there in shown))
    if any(map(_has_address, shown.split())):
        always |= {"@"}
    written = line_break.join(_line(line, place, always) for line in shown.split("\n"))
    for mark, broken in _OWN_MARKS.items():
        written = written.replace(mark, broken)
    return written


def _line(line: str, place: Place, always: frozenset[str]) -> str:
    if line.isascii() and line.isalnum():
        return line
    if not line.strip("-"):
        return f"#{ord('-')};" * len(line)
    return "".join(f"#{ord(ch)};" if ch in always or _is_taken(line, at, place) else ch for at, ch in enumerate(line))


def _is_taken(line: str, at: int, place: Place) -> bool:
    """Whether Mermaid, or the Markdown that it reads labels as, would take the character there for more than itself."""
    ch, before, after = line[at], line[at - 1 : at], line[at + 1 : at + 2]
    match ch:
        case ":":
            spaced = after in ("", " ") or (before.isdigit() and after.isdigit())
            wraps = place == "line" and at <= len("nowrap") and line[:at].lower() in ("wrap", "nowrap")
            return not spaced or before in ("", ":") or wraps
        case "_":
            return place != "line" and not (before.isalnum() and after.isalnum())
        case "*":
            return place != "line"
        case "-":
            return at == 0 and after in ("", " ")
        case "+":
            return at == 0 and after in ("", " ")
        case "=":
            return at == 0 and not line.strip("=")
        case "." | ")":
            return (0 < at <= _DIGITS and line[:at].isdecimal()) or (ch == "." and line[max(0, at - 3) : at].lower() == "www")
        case "\ufb02" | "\u00b6":
            return True
        case "@":
            return after == "{"
    return False


def _has_address(word: str) -> bool:
    """Whether there is an "@" in it, and a "." behind that, each between others: what is linked as an address."""
    at = word.find("@", 1)
    return at > 0 and word.rfind(".", 0, -1) > at + 1


def quoted(text: str) -> str:
    """A label in quotes."""
    return f'"{escaped(text)}"'


def title(text: str) -> str:
    """The title in the front matter: a JSON string. No entity works there, and "<" goes through an HTML sanitiser, so it is a look-alike."""
    shown = one_line(text).replace("<", "\uff1c").replace("\ufb02\u00b0", "\ufb02 \u00b0").replace("\u00b6\u00df", "\u00b6 \u00df")
    return json.dumps(shown, ensure_ascii=False)


_WIDE = str.maketrans({ch: chr(ord(ch) + 0xFEE0) for ch in '"#&;<>\\`{}[]|%^~*'} | {"\ufb02": "fl", "\u00b6": " "})


def section_title(text: str) -> str:
    """The title of a `par` and the like: it is wrapped before entities are decoded, so full-width look-alikes stand for what is taken."""
    shown = one_line(text) or "\u2014"
    if shown.lower().startswith(("wrap", "nowrap")):
        shown = shown.replace(":", "\uff1a", 1)
    if "$$" in shown:
        shown = shown.replace("$", "\uff04")
    return shown.translate(_WIDE)
