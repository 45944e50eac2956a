"""Diagram -> SVG, PNG and HTML: which program or drawing makes them, of those that are there."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from agentgraph.errors import DefinitionError
from agentgraph.views.picture import Sequence

if TYPE_CHECKING:
    from agentgraph.views.picture import Picture
    from agentgraph.views.theme import Theme

LAYOUT = "AGENTGRAPH_LAYOUT"
"""The environment variable that is "own" where SVG is to be the same bytes on every machine, whatever Graphviz it has."""
_SIZE = re.compile(r'^<svg .*? width="([\d.]+)" height="([\d.]+)"')
_MOST_PIXELS = 12_000
"""Of the longer side."""


def dot_text_of(drawn: Picture | Sequence, theme: Theme) -> str:
    """DOT."""
    if isinstance(drawn, Sequence):
        from agentgraph.views.dot_sequence import dot_sequence

        return dot_sequence(drawn, theme)
    from agentgraph.views.dot import dot

    return dot(drawn, theme)


def svg_of(drawn: Picture | Sequence, theme: Theme) -> str:
    """SVG: laid out by Graphviz, where there is one, else by `layered.py`; a sequence by itself."""
    from agentgraph.views.text_tree import text_tree

    if isinstance(drawn, Sequence):
        from agentgraph.views.svg_sequence import svg_sequence

        return svg_sequence(drawn, theme, text_tree(drawn))
    from agentgraph.views.graphviz_layout import graphviz_layout
    from agentgraph.views.layered import layered_layout
    from agentgraph.views.svg import svg

    placed = None if os.environ.get(LAYOUT) == "own" else graphviz_layout(drawn)
    return svg(drawn, theme, placed or layered_layout(drawn), text_tree(drawn))


def png_of(drawn: Picture | Sequence, theme: Theme) -> bytes:
    """PNG: the SVG, where resvg is installed to paint it; else the DOT, by Graphviz.

    Raises:
        DefinitionError: where there is neither, with what to install.
    """
    if find_spec("resvg_py") is not None:
        import resvg_py

        return bytes(resvg_py.svg_to_bytes(svg_string=(svg := svg_of(drawn, theme)), zoom=_zoom(svg)))
    from agentgraph.views.graphviz_program import is_there, rendered

    if not is_there():
        raise DefinitionError("a PNG needs a program that paints it; pip install 'agentgraph-fsm[png]', or install Graphviz")
    painted = rendered(dot_text_of(drawn, theme), "png")
    if painted is None:
        raise DefinitionError("Graphviz could not paint this diagram; pip install 'agentgraph-fsm[png]', or give on_large='collapse'")
    return painted


def _zoom(svg: str) -> float:
    """Twice as many pixels as the SVG says, for sharp screens; fewer, where that would be too many to hold."""
    size = _SIZE.match(svg)
    return min(2.0, _MOST_PIXELS / max(map(float, size.groups()))) if size else 1.0
