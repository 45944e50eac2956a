"""No regular expression of ours may be made slow by the text that it reads.

The law, which is stricter than it need be: behind a repeat without bound stands nothing that can fail, and in it no other. Then
nothing that was matched is ever given back, and a text is read once. What needs more is listed, with why it is safe.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import agentgraph
from agentgraph.engine.answer import unfenced
from agentgraph.views.mermaid_text import escaped

ROOT = Path(agentgraph.__file__).parent
SAFE = {
    r"(?<=.)#\d+\Z": "digits from a '#', and no digit is a '#': no two attempts read the same text",
    r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z": "what follows the repeat is no part of it; an attempt fails in the last line alone",
    r"( {0,3})<!-- agentgraph: (.*\S) -->[ \t]*(\r\n|\r|\n|\Z)": "a whole line; each blank between two ends of a comment is read once",
    r" {0,3}<!-- /agentgraph -->[ \t]*(?:\r\n|\r|\n|\Z)": "a whole line; what follows the repeat is no part of it",
    r" {0,3}(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?P<marks>`{3,}(?=[^`]*\Z)|~{3,})": "at the beginning; a mark, a blank and a fence share nothing",
    r" {0,3}<!--(?!.*-->)": "at the beginning, and one repeat",
    r"(.*_)?([0-9a-f]{6}|[0-9a-f]{12})\Z": "at the beginning, one repeat, and what follows is short",
    r'^<svg .*? width="([\d.]+)" height="([\d.]+)"': "at the beginning of our own SVG; a number and what follows it share nothing",
    r'^<svg [^>]*?\bwidth="([\d.]+)"': "at the beginning of our own SVG; a number and what follows it share nothing",
}
_READING = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


def patterns() -> Iterator[tuple[str, str]]:
    """Where a pattern is written, and the pattern; one that is not written out is None."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=attr), args=[pattern, *_]) if attr in _READING:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield where, ast.literal_eval(pattern) if isinstance(pattern, ast.Constant) else ""


WRITTEN = dict(patterns())


def repeats(parsed: Any) -> bool:
    """Whether there is a repeat without bound in it."""
    return any(
        (op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT) and argument[1] is _constants.MAXREPEAT)
        or any(repeats(part) for part in inside(argument))
        for op, argument in parsed
    )


def inside(argument: Any) -> Iterator[Any]:
    """The patterns within one part of a pattern."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for one in argument:
            yield from inside(one)


def gives_back(parsed: Any, last: bool = True) -> bool:
    """Whether something behind a repeat without bound can fail, or a repeat stands in another. `last`: nothing behind `parsed` can."""
    parts = list(parsed)
    for at, (op, argument) in enumerate(parts):
        rest = parts[at + 1 :]
        unfailing = last and all(op is _constants.MAX_REPEAT and argument[0] == 0 for op, argument in rest)
        if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            _, most, body = argument
            if most is _constants.MAXREPEAT and (not unfailing or repeats(body)):
                return True
            if repeats(body):
                return True
        elif any(gives_back(part, unfailing) for part in inside(argument)):
            return True
    return False


def test_patterns_are_found() -> None:
    assert len(WRITTEN) > 20
    assert set(SAFE) <= set(WRITTEN.values()), "a pattern that is gone needs no reason"


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"\s*\n(.*?)\n?\s*x", r"\S@\S+\.\S", r"(?:a|b+)c", r"a*a*b", r"x\d+(?=y)"])
def test_the_law_sees_what_is_slow(pattern: str) -> None:
    assert gives_back(_parser.parse(pattern))


@pytest.mark.parametrize(("where", "pattern"), WRITTEN.items(), ids=WRITTEN)
def test_no_pattern_gives_back_what_it_has_matched(where: str, pattern: str) -> None:
    if not pattern:
        assert where.startswith("runtime/models/keyword.py"), "a pattern that is not written out can be judged by nobody"  # the user's own
        return
    assert pattern in SAFE or not gives_back(_parser.parse(pattern))


# -- what replaces the patterns that were ---------------------------------------------------------------------------------


@pytest.mark.parametrize("opening", ["```", "```json", "```json  ", "\n ```", "```\r", "```\n\n"])
@pytest.mark.parametrize("closing", ["```", "\n```", "\n\n```  ", "\r\n ```\n"])
def test_a_fence_around_an_answer_is_taken_off(opening: str, closing: str) -> None:
    assert unfenced(f'{opening}\n{{"x": "```"}}{closing}').strip() == '{"x": "```"}'


@pytest.mark.parametrize("text", ['{"x": 1}', "```\n1", "1\n```", "```python\n1\n```", "```", "``````", "see ```\n1\n```", "```json 1```"])
def test_what_is_no_fence_is_left(text: str) -> None:
    assert unfenced(text) == text


def addressed(text: str) -> bool:
    """As Mermaid looks for addresses; slow, and short texts only."""
    return re.search(r"\S@\S+\.\S", text) is not None


@pytest.mark.parametrize(
    "text", ["a@b.c", "@b.c", "a@.c", "a@..c", "a@b.", "a@b c.d", "@a@b.c", "a@@.c", "a @b.c", "a@b@c.d", "a@b.c.", "x a@b.c y", "a.b@c"]
)
def test_addresses_are_seen_as_mermaid_sees_them(text: str) -> None:
    assert ("#64;" in escaped(text)) == addressed(text)
