"""Elements of SVG and HTML as text. Every text goes through `display` and an escape here, so nothing else can make markup of a name.

After `display` only characters are left that XML allows; so what is made of these elements is well-formed, whatever the texts are.
"""

from __future__ import annotations

from collections.abc import Iterable

from agentgraph.views.display import display

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """`display(text)`, and nothing of it markup.

    >>> escaped('say "hi" & <b>')
    'say &quot;hi&quot; &amp; &lt;b&gt;'
    """
    return Markup(display(text).translate(_ESCAPES))


def element(name: str, /, *inside: str, **attributes: str | float | None) -> Markup:
    """An element; what is inside of it is text, unless it is markup. Attributes that are None are left out; "_" in their names is "-".

    >>> element("text", "a<b", text_anchor="middle", x=1.5, y=None)
    '<text text-anchor="middle" x="1.5">a&lt;b</text>'
    """
    told = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if not inside:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{joined(inside)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Texts and markup, one after the other."""
    return Markup(between.join(part if isinstance(part, Markup) else escaped(part) for part in parts))


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """A coordinate: at most one digit after the point.

    >>> number(3.0), number(2.449), number(-0.01)
    ('3', '2.4', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
