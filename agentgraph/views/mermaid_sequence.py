"""Sequence -> Mermaid's sequenceDiagram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from agentgraph.errors import DefinitionError
from agentgraph.views.mermaid_text import MOST_CHARACTERS, escaped, section_title, title
from agentgraph.views.picture import Message, Note, Span

if TYPE_CHECKING:
    from agentgraph.views.picture import Happening, Sequence

_INDENT = "    "
_ARROWS = {(False, False): "->>", (True, False): "-->>", (False, True): "-x", (True, True): "--x"}
"""By whether it is a reply, and whether it failed."""
_BORDER = "rect rgba(128, 128, 128, 0.15)"  # seen on a light page and on a dark one


def mermaid_sequence(sequence: Sequence) -> str:
    """`sequence` as Mermaid text, that ends with one line break.

    Raises:
        DefinitionError: when it is larger than Mermaid takes, with what to ask for instead.
    """
    order = {participant.id: at for at, participant in enumerate(sequence.participants)}
    lines = [*(["---", f"title: {title(sequence.title)}", "---"] if sequence.title else []), "sequenceDiagram"]
    lines += [f"{_INDENT}participant {p.id} as {escaped(p.label, 'line')}" for p in sequence.participants]
    if sequence.happenings:
        lines += ["", *(line for happening in sequence.happenings for line in _lines(happening, _INDENT, order))]
    text = "\n".join(lines) + "\n"
    if len(text) > MOST_CHARACTERS:
        raise DefinitionError(
            f"this sequence has {len(text):,} characters, and Mermaid takes no more than {MOST_CHARACTERS:,} of them; "
            "ask for detail='turns', for a smaller max_text, or for a part of the run"
        )
    return text


def _lines(happening: Happening, indent: str, order: Mapping[str, int]) -> Iterator[str]:
    match happening:
        case Message():
            failed = bool({"refused", "failed"} & set(happening.marks))
            yield f"{indent}{happening.source}{_ARROWS[happening.reply, failed]}{happening.target}: {escaped(happening.text, 'line')}"
        case Note(over, text):
            yield f"{indent}{_note(over, text, order)}"
        case Span("par", name, sections):
            for at, section in enumerate(sections):
                yield f"{indent}and {at + 1}" if at else f"{indent}par {section_title(name)}"
                yield from _within(section, indent, order)
            yield f"{indent}end"
        case Span("group", name, sections):  # Mermaid has no block that is only a border with a title
            inside = [inner for section in sections for inner in section]
            yield f"{indent}{_BORDER}"
            if name and (ends := list(_ends(inside))):
                yield f"{indent}{_INDENT}{_note(ends, name, order)}"
            yield from _within(inside, indent, order)
            yield f"{indent}end"


def _within(section: Iterable[Happening], indent: str, order: Mapping[str, int]) -> Iterator[str]:
    for inner in section:
        yield from _lines(inner, indent + _INDENT, order)


def _note(over: Iterable[str], text: str, order: Mapping[str, int]) -> str:
    """A note stands over one participant, or from one to another: Mermaid takes no more than two."""
    known = sorted(over, key=lambda participant: order.get(participant, 0))
    return f"Note over {','.join(dict.fromkeys((known[0], known[-1])))}: {escaped(text, 'line')}"


def _ends(happenings: Iterable[Happening]) -> Iterator[str]:
    """Whoever takes part in these."""
    for happening in happenings:
        match happening:
            case Message():
                yield from (happening.source, happening.target)
            case Note(over, _):
                yield from over
            case Span(_, _, sections):
                for section in sections:
                    yield from _ends(section)
