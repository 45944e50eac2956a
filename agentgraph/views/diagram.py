"""Diagram: a picture or a sequence, and every way to show it. What `graph.diagram()` and `result.sequence()` give.

Exporters are imported when they are first asked. Nothing here goes over a network.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgraph.errors import DefinitionError
from agentgraph.views.picture import Picture, Sequence, as_data
from agentgraph.views.theme import Theme, theme_called

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import graphviz


class Diagram:
    """What is drawn, as a value, and the texts and pictures of it. Equal diagrams give equal bytes, but for SVG and PNG of other renderers.

    In a notebook it shows itself.
    """

    __slots__ = ("drawn", "theme")

    def __init__(self, drawn: Picture | Sequence, theme: str | Theme | None = None) -> None:
        self.drawn = drawn
        self.theme = theme_called(theme)

    def to_mermaid(self) -> str:
        """Mermaid text: a flowchart, a state diagram or a sequence diagram.

        Raises:
            DefinitionError: when it is larger than Mermaid takes, with what to do.
        """
        if isinstance(self.drawn, Sequence):
            from agentgraph.views.mermaid_sequence import mermaid_sequence

            return mermaid_sequence(self.drawn)
        from agentgraph.views.mermaid import mermaid

        return mermaid(self.drawn, self.theme)

    def to_dot(self) -> str:
        """DOT text, for Graphviz."""
        from agentgraph.views.drawing import dot_text_of

        return dot_text_of(self.drawn, self.theme)

    def to_graphviz(self) -> graphviz.Digraph:
        """The same as a `graphviz.Digraph`, to be added to."""
        import graphviz

        return graphviz.Digraph(body=self.to_dot().splitlines(keepends=True)[1:-1])

    def to_svg(self) -> str:
        """An SVG document that needs nothing else.

        Graphviz lays it out where it is installed, our own layout where it is not, or where AGENTGRAPH_LAYOUT=own asks for the same bytes
        everywhere.
        """
        from agentgraph.views.drawing import svg_of

        return svg_of(self.drawn, self.theme)

    def to_png(self) -> bytes:
        """A PNG.

        Raises:
            DefinitionError: where nothing is installed that paints one, with what to install.
        """
        from agentgraph.views.drawing import png_of

        return png_of(self.drawn, self.theme)

    def to_html(self) -> str:
        """One page with the picture, a legend, and the same in words. It needs no network and runs no script."""
        from agentgraph.views.html import html_page

        return html_page(self.drawn, self.theme, self.to_svg())

    def to_text(self) -> str:
        """A tree of lines, for terminals and screen readers; a sequence as numbered lines."""
        from agentgraph.views.text_tree import text_tree

        return text_tree(self.drawn)

    def to_dict(self) -> dict[str, Any]:
        """The picture as JSON values, with the number of their schema."""
        return as_data(self.drawn)

    def save(self, path: str | Path) -> Path:
        """Write it to a file, in the format that its ending names; where it was written. A new file of a run can be read by nobody else:
        people spoke in it.

        Raises:
            DefinitionError: for an ending that there is not, and for a file that cannot be written.
        """
        file = Path(path)
        write = _FORMATS.get(file.suffix.lower())
        if write is None:
            raise DefinitionError(f"{str(path)!r} ends with {file.suffix!r}; a diagram is written as {', '.join(_FORMATS)}")
        given = write(self)
        try:
            opener = _private if isinstance(self.drawn, Sequence) else None
            with open(file, "wb", opener=opener) as writing:
                writing.write(given if isinstance(given, bytes) else given.encode("utf-8"))
        except OSError as wrong:
            raise DefinitionError(f"{file} cannot be written: {wrong.strerror or wrong}") from wrong
        return file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Diagram) and (self.drawn, self.theme) == (other.drawn, other.theme)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if isinstance(self.drawn, Sequence):
            return f"Diagram({len(self.drawn.participants)} participants, {len(self.drawn.happenings)} messages)"
        return f"Diagram({len(self.drawn.boxes)} boxes, {len(self.drawn.arrows)} arrows)"

    def __format__(self, spec: str) -> str:
        if spec not in _SPOKEN:
            raise DefinitionError(f"a diagram has no format {spec!r}; it has {', '.join(filter(None, _SPOKEN))}")
        return _SPOKEN[spec](self)

    # -- notebooks -------------------------------------------------------------------------------------------------

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Text for what shows only text, and then what draws: never HTML, which would hide the others."""
        bundle = {"text/plain": self.to_text(), "image/svg+xml": self.to_svg()}
        try:
            return bundle | {"text/vnd.mermaid": self.to_mermaid()}
        except DefinitionError:  # larger than Mermaid takes
            return bundle

    def _mime_(self) -> tuple[str, str]:
        """What marimo shows, which does not know Mermaid."""
        return "image/svg+xml", self.to_svg()


def _fenced(diagram: Diagram) -> str:
    return f"```mermaid\n{diagram.to_mermaid()}```\n"


def _json(diagram: Diagram) -> str:
    return json.dumps(diagram.to_dict(), indent=1) + "\n"


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


_FORMATS: Mapping[str, Callable[[Diagram], str | bytes]] = {
    ".mmd": Diagram.to_mermaid,
    ".md": _fenced,
    ".json": _json,
    ".dot": Diagram.to_dot,
    ".svg": Diagram.to_svg,
    ".png": Diagram.to_png,
    ".html": Diagram.to_html,
    ".txt": Diagram.to_text,
}
_SPOKEN: Mapping[str, Callable[[Diagram], str]] = {
    "": repr,
    "mermaid": Diagram.to_mermaid,
    "md": _fenced,
    "json": _json,
    "dot": Diagram.to_dot,
    "svg": Diagram.to_svg,
    "html": Diagram.to_html,
    "text": Diagram.to_text,
}
