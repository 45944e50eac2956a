"""Diagram -> one HTML page that needs nothing else: the picture, what its colours mean, and the same in words.

It has no script at all, and its policy permits none, no network and no style but its own. It follows the page's light or dark.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence as Several
from hashlib import sha256
from typing import TYPE_CHECKING

from agentgraph.views.display import one_line
from agentgraph.views.markup import Markup, element, joined, number
from agentgraph.views.outline import Item, outline
from agentgraph.views.picture import Sequence
from agentgraph.views.placed import Rect
from agentgraph.views.svg import PANEL, STROKE, rectangle
from agentgraph.views.told import MARKS

if TYPE_CHECKING:
    from agentgraph.views.picture import Kind, Mark, Picture
    from agentgraph.views.theme import Paint, Theme

_STYLE = Markup("""
:root{color-scheme:light dark;--ink:#1f2328;--page:#f6f8fa;--line:#8c959f}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--page:#0d1117;--line:#57606a}}
body{margin:0 auto;max-width:90rem;padding:1.5rem;color:var(--ink);background:var(--page);font:16px/1.5 Helvetica,Arial,sans-serif}
h1{font-size:1.4rem;overflow-wrap:anywhere}h2{font-size:1.1rem}
figure{margin:0;overflow:auto;border:1px solid var(--line);border-radius:6px;background:#fff}
figure svg{display:block;margin:0 auto;max-width:100%;height:auto}
ul.legend{display:flex;flex-wrap:wrap;gap:.4rem 1.2rem;padding:0;list-style:none}
ul.legend svg{vertical-align:-3px;margin-right:.4rem}
li{unicode-bidi:isolate;overflow-wrap:anywhere}
""")
_SMALLEST = 0.7
"""How much a wide picture may shrink to fit its page: to 8 pixels for its smallest text. Wider ones are scrolled."""
_WIDTH = re.compile(r'^<svg [^>]*?\bwidth="([\d.]+)"')
_KINDS: Mapping[Kind, str] = {"handoff": "handoff tool"}
"""How a kind is said, where its own name says too little."""


def html_page(drawn: Picture | Sequence, theme: Theme, svg: str) -> str:
    """The page around `svg`, which was made of `drawn`. It ends with one line break."""
    title = one_line(drawn.title) or "Diagram"
    style = Markup(f"{_STYLE}{_no_narrower(svg)}")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    legend = list(_legend(drawn, theme))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'),
        element("meta", name="viewport", content="width=device-width"),
        element("title", title),
        element("style", style),
    )
    body = [
        element("h1", title),
        element("figure", Markup(svg)),
        *([element("h2", "Legend"), element("ul", *legend, class_="legend")] if legend else []),
        element("h2", "In words"),
        _list(outline(drawn)),
    ]
    page = element("html", Markup("\n"), head, Markup("\n"), element("body", element("main", joined(body, "\n"))), Markup("\n"), lang="en")
    return f"<!doctype html>\n{page}\n"


def _no_narrower(svg: str) -> str:
    """The rule that keeps the text of a picture large enough to be read."""
    size = _WIDTH.match(svg)
    return f"figure svg{{min-width:{number(float(size[1]) * _SMALLEST)}px}}\n" if size else ""


def _list(items: Several[Item]) -> Markup:
    """Lists in lists. What happens in an order is numbered by its own numbers."""
    if not items:
        return element("p", "There is nothing to be seen.")
    entries = [element("li", item.text, *([_list(item.inside)] if item.inside else []), value=item.number) for item in items]
    return element("ol" if items[0].number is not None else "ul", joined(entries, "\n"))


def _legend(drawn: Picture | Sequence, theme: Theme) -> Iterator[Markup]:
    """The kinds and marks that occur, in the order in which they do; what looks the same is one entry."""
    if isinstance(drawn, Sequence):
        kinds = [participant.kind for participant in drawn.participants]
        marks: list[Mark] = []
    else:
        kinds = [box.kind for box in drawn.boxes if box.kind not in ("start", "end")]
        marks = [mark for marked in (drawn.boxes, drawn.frames, drawn.arrows) for thing in marked for mark in thing.marks]
    alike: dict[Paint, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        alike.setdefault(theme.mixed(kind, ()), []).append(_KINDS.get(kind, kind))
    for mark in dict.fromkeys(marks):
        alike.setdefault(theme.mixed("", (mark,)), []).append(MARKS.get(mark, mark))
    yield from (_swatch(", ".join(said), paint) for paint, said in alike.items())


def _swatch(said: str, paint: Paint) -> Markup:
    dashes = "5 3" if paint.dashed else None
    box = rectangle(Rect(14, 8, 24, 13), 3, paint.fill or PANEL, paint.stroke or STROKE, wide=3 if paint.heavy else 1.3, dashes=dashes)
    return element("li", element("svg", box, width=28, height=16, aria_hidden="true"), said)
