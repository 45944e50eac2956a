"""`agentgraph render`: a target as a diagram; and what options mean that come as words, from a shell or a document."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agentgraph.cli.target import topology_at
from agentgraph.cli.visible import visible
from agentgraph.errors import DefinitionError
from agentgraph.views.compare.comparing import diff
from agentgraph.views.diagram import Diagram
from agentgraph.views.look import look_at
from agentgraph.views.scene import picture_of


def render(target: str, file: str | None, words: Mapping[str, Sequence[str]]) -> None:
    """Write the diagram of `target` to `file`, or its Mermaid text to stdout."""
    diagram = drawn(target, words)
    if file is None or file == "-":
        print_plain(diagram.to_mermaid())
    else:
        diagram.save(file)


def drawn(target: str, words: Mapping[str, Sequence[str]]) -> Diagram:
    """The diagram of `target` with these options of `graph.diagram`; `compare` is a target too.

    Raises:
        DefinitionError: for a target or an option that there is not.
    """
    options = {option: _meant(option, given) for option, given in words.items() if given}
    theme, before = options.pop("theme", None), options.pop("compare", None)
    topology = topology_at(target)
    if before is not None:
        return diff(topology_at(before), topology).diagram(theme=theme, **options)
    return Diagram(picture_of(topology, look_at(**options)), theme)


def print_plain(text: str) -> None:
    """Print `text`: to a terminal what can be seen of it, to a pipe byte by byte."""
    sys.stdout.write(visible(text) if sys.stdout.isatty() else text)


def _meant(option: str, given: Sequence[str]) -> Any:
    if option == "groups":
        return _groups(given)
    if len(given) > 1:
        raise DefinitionError(f"{option} is given {len(given)} times; give it once")
    word = given[0]
    if option == "hops":
        return int(word) if word.isdecimal() else word
    return word


def _groups(given: Sequence[str]) -> Any:
    """open, closed, a depth; or Name=closed, as often as there are groups to name."""
    if len(given) == 1 and "=" not in given[0]:
        return int(given[0]) if given[0].isdecimal() else given[0]
    named: dict[str, str] = {}
    for word in given:
        name, equals, state = word.rpartition("=")
        if not equals:
            raise DefinitionError(
                f"groups is given {word!r} among others; give open, closed or a depth alone, or Name=closed for each group"
            )
        named[name] = state
    return named
