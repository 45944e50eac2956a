r"""Any text as a quoted string of DOT, so that Graphviz shows it as it is.

Graphviz decodes HTML entities in every quoted label, and takes a backslash for an escape; in tooltips it does so twice.
"""

from __future__ import annotations

from agentgraph.views.display import display

_LABEL = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_TOOLTIP = _LABEL | {ord("\\"): "\\" * 4}


def quoted(text: str) -> str:
    r"""`display(text)` as a label.

    >>> print(quoted('say "hi" & <b>'))
    "say \"hi\" &amp; &lt;b&gt;"
    """
    return f'"{display(text).translate(_LABEL)}"'


def tooltip(text: str) -> str:
    """`display(text)` as a tooltip."""
    return f'"{display(text).translate(_TOOLTIP)}"'


def listed(**attributes: str | float | None) -> str:
    """Attributes in brackets, each value as it is; those that are None are left out, and nothing at all where all are.

    >>> listed(shape="box", style=None), listed(style=None)
    (' [shape=box]', '')
    """
    told = [f"{name}={value}" for name, value in attributes.items() if value is not None]
    return f" [{' '.join(told)}]" if told else ""
