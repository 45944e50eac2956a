"""Sequence -> Mermaid's sequenceDiagram."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agentgraph.views.mermaid_text import escaped, section_title, title
from agentgraph.views.picture import Message, Note, Span

if TYPE_CHECKING:
    from agentgraph.views.picture import Happening, Sequence

_INDENT = "    "
_ARROWS = {(False, False): "->>", (True, False): "-->>", (False, True): "-x", (True, True): "--x"}
"""By whether it is a reply, and whether it failed."""


def mermaid_sequence(sequence: Sequence) -> str:
    """`sequence` as Mermaid text, that ends with one line break."""
    lines = [*(["---", f"title: {title(sequence.title)}", "---"] if sequence.title else []), "sequenceDiagram"]
    lines += [f"{_INDENT}participant {p.id} as {escaped(p.label, 'line')}" for p in sequence.participants]
    if sequence.happenings:
        lines += ["", *(line for happening in sequence.happenings for line in _lines(happening, _INDENT))]
    return "\n".join(lines) + "\n"


def _lines(happening: Happening, indent: str) -> Iterator[str]:
    match happening:
        case Message():
            failed = bool({"refused", "failed"} & set(happening.marks))
            yield f"{indent}{happening.source}{_ARROWS[happening.reply, failed]}{happening.target}: {escaped(happening.text, 'line')}"
        case Note(over, text):
            yield f"{indent}Note over {','.join(over)}: {escaped(text, 'line')}"
        case Span("group", _, sections):  # a shade: Mermaid has no word for a frame that says nothing of when or whether
            yield f"{indent}rect rgba(127, 127, 127, 0.15)"
            for section in sections:
                for inner in section:
                    yield from _lines(inner, indent + _INDENT)
            yield f"{indent}end"
        case Span(kind, name, sections):
            for at, section in enumerate(sections):
                yield f"{indent}{'and' if at else kind} {section_title(name) if not at else section_title(str(at + 1))}"
                for inner in section:
                    yield from _lines(inner, indent + _INDENT)
            yield f"{indent}end"
