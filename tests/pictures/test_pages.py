"""Pages of pictures with hostile texts, read as a browser reads them: no element and no attribute comes from a name."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, RunConfig, ScriptedModel, call, diff, tool
from agentgraph.graph.edge import Group
from agentgraph.views.diagram import Diagram
from agentgraph.views.picture import Message, Note, Participant, Sequence, Span

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</pre><script>alert(2)</script>",
    "</svg><script>alert(3)</script>",
    '"><script>alert(4)</script>',
    "javascript:alert(5)",
    '<a href="javascript:alert(6)">x</a>',
    "' onload='alert(7)",
    "</title></style><script>alert(8)</script>",
    "]]><svg onload=alert(9)>",
    "--><iframe src=https://example.invalid/>",
    "<style>@import url(https://example.invalid/)</style>",
    "<meta http-equiv=refresh content=0;url=https://example.invalid/>",
    "&lt;script&gt;alert(10)&lt;/script&gt;",
]
TAME = [f"Agent number {at}" for at in range(len(HOSTILE))]


def graph_of(names: list[str]) -> AgentGraph:
    """Each name as an agent, a description, a tool's description and a handoff's; the last one as a group, too."""
    graph = AgentGraph(names[0])
    for at, name in enumerate(names):

        @tool(name=f"tool_{at}", description=name)
        def look() -> str:
            return ""

        graph.add_agent(Agent(name, description=name, instructions=name, tools=[look]))
    for source, target in pairwise(names):
        graph.add_handoff(source, target, description=target)
    graph.regroup([Group(f"{names[-1]} group", names[1], tuple(names[1:3]), None, names[-1])])
    return graph


def graph_drawn(names: list[str]) -> Diagram:
    return graph_of(names).diagram(title=names[0])


def difference_drawn(names: list[str]) -> Diagram:
    return diff(graph_of(names[2:]), graph_of(names)).diagram(title=names[0])


def run_drawn(names: list[str]) -> Diagram:
    """Each name as what a tool is given, gives back, and fails with."""

    @tool
    def echo(text: str) -> str:
        """Echo."""
        return text

    @tool
    def fail(text: str) -> str:
        """Fail."""
        raise ValueError(text)

    model = ScriptedModel([*([call("echo", text=name), call("fail", text=name)] for name in names), names[0]])
    runner = AgentRunner(Agent(names[0], tools=[echo, fail], model=model), RunConfig(max_turns=len(names) + 1))
    return runner.run(names[1]).sequence(participants="agents")


DRAWN: dict[str, Callable[[list[str]], Diagram]] = {"graph": graph_drawn, "difference": difference_drawn, "run": run_drawn}


class Read(HTMLParser):
    """The elements of a page with their attributes' names, what its style sheet says, and its policy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.policy = self.style = self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements[tag] += 1
        self.attributes |= set(given)
        self._within = tag
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.style += data

    def handle_endtag(self, tag: str) -> None:
        self._within = ""


@pytest.mark.parametrize("kind", DRAWN)
def test_names_give_a_page_no_element_and_no_attribute(kind: str) -> None:
    hostile, tame = Read(DRAWN[kind](HOSTILE).to_html()), Read(DRAWN[kind](TAME).to_html())

    assert set(hostile.elements) == set(tame.elements)
    assert hostile.elements["script"] + hostile.elements["img"] + hostile.elements["a"] + hostile.elements["iframe"] == 0
    assert (hostile.elements["meta"], hostile.elements["style"], hostile.elements["title"] > 0) == (3, 1, True)
    assert hostile.attributes == tame.attributes
    assert not {name for name in hostile.attributes if name.startswith("on") or name in ("href", "src", "style", "xlink:href")}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_page_permits_itself_nothing_but_its_own_style(kind: str) -> None:
    read = Read(DRAWN[kind](HOSTILE).to_html())

    digest = b64encode(sha256(read.style.encode()).digest()).decode()
    assert read.policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in read.style
    assert "@import" not in read.style


def test_a_wide_picture_shrinks_to_its_page_and_stays_large_enough_to_be_read() -> None:
    drawn = graph_of(TAME).diagram(direction="LR")
    size = re.search(r'<svg [^>]*? width="([\d.]+)"', page := drawn.to_html())
    assert size is not None
    least = re.search(r"figure svg\{min-width:([\d.]+)px\}", Read(page).style)

    assert float(size[1]) > 1200
    assert least is not None
    assert float(least[1]) == pytest.approx(0.7 * float(size[1]), abs=0.1)
    assert "max-width:100%" in Read(page).style


def test_what_became_of_something_is_said_once() -> None:
    page = difference_drawn(TAME).to_html()

    assert "added" in page
    assert "added; added" not in page
    assert "changed: group; changed" not in page


def test_kinds_that_look_the_same_are_one_entry_of_the_legend() -> None:
    participants = (Participant("u", "User", "user"), Participant("m", "Model", "model"), Participant("a", "A", "agent"))
    page = Diagram(Sequence(participants, (Message("u", "a", "hello"),))).to_html()

    legend = page[page.index('<ul class="legend">') : page.index("<h2>In words</h2>")]
    assert re.findall(r"</svg>([^<]*)</li>", legend) == ["user, model", "agent"]


def test_marimo_is_given_a_picture_of_all_that_shows_itself() -> None:
    graph, changed = graph_of(TAME), diff(graph_of(TAME[1:]), graph_of(TAME))
    result = AgentRunner(Agent("Desk", model=ScriptedModel(["Hello"]))).run("Hi")

    for shown, drawn in ((graph, graph.diagram()), (changed, changed.diagram()), (result, result.sequence())):
        assert shown._mime_() == ("image/svg+xml", drawn.to_svg())


def borders(drawn: Diagram) -> list[tuple[float, float]]:
    """The left and the right side of each span, the outermost first."""
    found = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+" rx="4" fill="none"', drawn.to_svg())
    return [(float(left), float(left) + float(width)) for left, width in found]


def test_a_span_of_a_sequence_is_drawn_around_who_takes_part() -> None:
    participants = tuple(Participant(name, name) for name in "abcd")
    inner = Span("group", "", ((Message("c", "d", "look"), Note(("d",), "a remark")),))
    drawn = Diagram(
        Sequence(participants, (Message("a", "b", "hello"), Span("par", "", ((inner,), (Message("d", "c", "found", reply=True),)))))
    )
    lifelines = [float(x) for x in re.findall(r'<path d="M([\d.]+) 40', drawn.to_svg())]

    outer, inside = borders(drawn)
    assert lifelines[1] < outer[0] < inside[0] < lifelines[2]
    assert lifelines[3] < inside[1] < outer[1]


def test_a_span_reaches_around_what_one_says_to_itself() -> None:
    told = "what a tool gave back, which is a long text"
    span = Span("par", "", ((Message("a", "a", told),), (Message("a", "a", told),)))
    drawn = Diagram(Sequence((Participant("a", "a"), Participant("b", "b")), (span,)))
    papers = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="15" rx="0"', drawn.to_svg())

    assert len(papers) == 2
    assert borders(drawn)[0][1] > max(float(left) + float(width) for left, width in papers)
