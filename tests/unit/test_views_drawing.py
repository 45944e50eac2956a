"""What drawings are like: where things lie, who draws them, and that equal diagrams are equal bytes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agentgraph import Agent, AgentGraph, DefinitionError
from agentgraph.cli.demo import graph as demo
from agentgraph.views.diagram import Diagram
from agentgraph.views.display import display
from agentgraph.views.graphviz_layout import graphviz_layout
from agentgraph.views.layered import layered_layout
from agentgraph.views.picture import Arrow, Box, Frame, Message, Note, Participant, Picture, Sequence, Span
from agentgraph.views.placed import Placed, Rect, label_size
from agentgraph.views.svg import svg
from agentgraph.views.text_tree import text_tree
from agentgraph.views.theme import theme_called
from tests.unit.views_drawn import needs_graphviz, sequence_with, svg_texts

PNG = b"\x89PNG\r\n\x1a\n"
graphviz = pytest.mark.skipif(needs_graphviz, reason="Graphviz is not installed")


# -- where things lie --------------------------------------------------------------------------------------------------


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    """Boxes in nested frames, arrows anywhere, some with labels, loops and pairs among them."""
    frames = tuple(
        Frame(f"f{at}", "Group", f"f{draw(st.integers(0, at - 1))}" if at and draw(st.booleans()) else None)
        for at in range(draw(st.integers(0, 4)))
    )
    inside = [None, *(frame.id for frame in frames)]
    boxes = tuple(
        Box(f"b{at}", "Agent\n2 tools" if at % 3 else "A", frame=draw(st.sampled_from(inside))) for at in range(draw(st.integers(1, 12)))
    )
    ends = st.sampled_from([box.id for box in boxes])
    arrows = draw(st.lists(st.builds(Arrow, ends, ends, st.sampled_from(["", "", "needs verified"])), max_size=25))
    return Picture(boxes, tuple(arrows), frames, draw(st.sampled_from(["TD", "LR"])))


def apart(one: Rect, other: Rect) -> bool:
    slack = 0.5
    return abs(one.x - other.x) * 2 + slack >= one.width + other.width or abs(one.y - other.y) * 2 + slack >= one.height + other.height


def within(inner: Rect, outer: Rect) -> bool:
    slack = 0.5
    return (
        abs(inner.x - outer.x) * 2 <= outer.width - inner.width + slack
        and abs(inner.y - outer.y) * 2 <= outer.height - inner.height + slack
    )


def assert_laid_out(picture: Picture, placed: Placed) -> None:
    boxes, frames = placed.boxes, placed.frames
    page = Rect(placed.width / 2, placed.height / 2, placed.width, placed.height)
    parents = {frame.id: frame.parent for frame in picture.frames}

    def around(frame: str | None) -> list[str]:
        return [] if frame is None else [frame, *around(parents[frame])]

    for at, box in enumerate(picture.boxes):
        assert within(boxes[box.id], page)
        assert all(apart(boxes[box.id], boxes[other.id]) for other in picture.boxes[:at])
        assert all(within(boxes[box.id], rect) == (frame in around(box.frame)) for frame, rect in frames.items())
        assert all(apart(boxes[box.id], rect) for frame, rect in frames.items() if frame not in around(box.frame))
    labels: list[Rect] = []
    for arrow, route in zip(picture.arrows, placed.routes, strict=True):
        for end, rect in ((route.curve[0], boxes[arrow.source]), (route.curve[-1], boxes[arrow.target])):
            assert within(Rect(*end, 0, 0), Rect(rect.x, rect.y, rect.width + 3, rect.height + 3))
        assert len(route.curve) % 3 == 1
        if arrow.label:
            assert route.label is not None
            label = Rect(*route.label, *label_size(arrow))
            assert all(apart(label, rect) for rect in boxes.values())
            assert all(apart(label, other) for other in labels)
            labels.append(label)


@given(pictures())
def test_layers_in_pure_python_overlap_nothing(picture: Picture) -> None:
    assert_laid_out(picture, layered_layout(picture))


def test_ids_that_end_like_the_points_of_a_lifeline_stay_apart() -> None:
    said = Sequence(
        (Participant("A", "one"), Participant("A_1", "other")),
        (Message("A", "A_1", "hello"), Note((), "on nobody"), Span("par", "nothing", ())),
    )

    assert svg_texts(Diagram(said).to_svg()) == ["hello", "one", "other"]
    assert '"A@1" -> "A_1@1" [label="hello" style=solid arrowhead=normal' in Diagram(said).to_dot()


def test_an_empty_picture_is_drawn() -> None:
    empty = Diagram(Picture(()))

    assert svg_texts(empty.to_svg()) == []
    assert empty.to_text() == "nothing to be seen\n"
    assert empty.to_dot().startswith("digraph {")
    assert svg_texts(Diagram(Sequence(())).to_svg()) == []
    assert Diagram(Sequence(())).to_dot().startswith("digraph {")


def large(count: int) -> Picture:
    boxes = tuple(Box(f"b{at}", f"Agent {at}", frame=f"f{at // 10}") for at in range(count))
    arrows = [Arrow(f"b{at - at % 10}", f"b{at}") for at in range(count)] + [Arrow(f"b{at}", f"b{at - at % 10}") for at in range(count)]
    return Picture(boxes, tuple(arrows), tuple(Frame(f"f{at}", f"Team {at}") for at in range(count // 10)))


def test_two_hundred_boxes_are_quick() -> None:
    """It takes some 0.05 s; the bound leaves room for slow machines, and none for what grows with the square."""
    picture, theme = large(200), theme_called(None)
    begun = time.process_time()
    svg(picture, theme, layered_layout(picture), "")

    assert time.process_time() - begun < 0.5


# -- what is drawn -----------------------------------------------------------------------------------------------------


def test_dot_says_all_that_a_picture_says() -> None:
    boxes = (
        Box("a", "Triage", name="Triage", about="greets", marks=("entry",)),
        Box("g", "Team", "group", marks=("removed",)),
        Box("s", "", "start"),
    )
    arrows = (Arrow("a", "g", "needs x", "dotted"), Arrow("a", "g", line="thick", both=True), Arrow("s", "a", weight=3, marks=("failed",)))
    dot = Diagram(Picture(boxes, arrows, direction="LR", title="Who")).to_dot()

    for said in (
        "rankdir=LR",
        'label="Who"',
        '"a" [label="Triage" tooltip="greets" fillcolor="#fff3e0" color="#ef6c00" fontcolor="#201400" penwidth=3]',
        '"g" [label="Team" peripheries=2 style="filled,dashed" fillcolor="#ffcdd2" color="#c62828" fontcolor="#3b0a0a"]',
        '"s" [shape=point',
        '"a" -> "g" [label="needs x" style=dotted]',
        '"a" -> "g" [style=bold dir=both]',
        '"s" -> "a" [color="#c62828" fontcolor="#c62828" penwidth=3]',
    ):
        assert said in dot


def test_an_agent_more_changes_no_other_line_of_dot() -> None:
    def graph(*names: str) -> str:
        made = AgentGraph("g")
        for name in names:
            made.add_agent(Agent(name))
        return made.add_handoff("A", "C").to_dot()

    before, after = graph("A", "C").splitlines(), graph("A", "B", "C").splitlines()

    assert [line for line in after if line in before] == before
    assert len(after) == len(before) + 1


def test_a_graphviz_digraph_is_the_same_text() -> None:
    assert demo.to_graphviz(view="full").source == demo.to_dot(view="full")


def test_a_tree_says_agents_groups_and_handoffs() -> None:
    boxes = (Box("a", "Triage\n2 tools", frame="f", marks=("entry",)), Box("b", "Billing", frame="f"), Box("c", "Boss", "human"))
    arrows = (Arrow("a", "b", "needs verified", "dotted"), Arrow("b", "c", both=True, weight=2))

    assert text_tree(Picture(boxes, arrows, (Frame("f", "Desk"),), title="Who")) == (
        "Who\n"
        "Boss\n"
        "Desk (a group)\n"
        "├─ Triage (2 tools; starts here)\n"
        "│  └─ → Billing (needs verified)\n"
        "└─ Billing\n"
        "   └─ ↔ Boss (2 times)\n"
    )


def test_a_tree_of_a_sequence_is_numbered() -> None:
    assert text_tree(sequence_with("x")) == (
        "x\n"
        "1. x → x: x\n"
        "2. Note on x: x\n"
        "3. At the same time: x\n"
        "├─ Part 1\n"
        "│  ├─ 4. x → x (reply; failed): x\n"
        "│  └─ 5. Note on x, x: x\n"
        "└─ Part 2\n"
        "   └─ 6. x → x: x\n"
    )


def test_a_page_of_fifty_agents_is_small_and_asks_for_nothing() -> None:
    page = Diagram(large(50)).to_html()
    policy = re.search('Content-Security-Policy" content="([^"]*)"', page)

    assert len(page.encode()) < 60_000
    assert policy is not None
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_an_svg_says_what_it_shows_to_who_cannot_see_it() -> None:
    root = ET.fromstring(demo.to_svg(title="The desk"))

    assert root.get("role") == "img"
    assert [(child.tag.rpartition("}")[2], child.text) for child in root[:2]] == [
        ("title", "The desk"),
        ("desc", display(demo.to_text(title="The desk"))),
    ]


# -- notebooks and files -----------------------------------------------------------------------------------------------


def test_a_notebook_is_given_text_mermaid_and_svg_and_never_html() -> None:
    bundle = demo._repr_mimebundle_()

    assert bundle == {"text/plain": demo.to_text(), "text/vnd.mermaid": demo.to_mermaid(), "image/svg+xml": demo.to_svg()}
    assert demo._mime_() == ("text/html", f'<div style="overflow:auto">{bundle["image/svg+xml"]}</div>')


@pytest.mark.parametrize("ending", ["dot", "svg", "html", "txt"])
def test_a_file_is_what_the_method_gives(tmp_path: Path, ending: str) -> None:
    method = {"txt": "text"}.get(ending, ending)
    written = demo.render(tmp_path / f"x.{ending}", view="machine").read_bytes()

    assert written.decode() == getattr(demo, f"to_{method}")(view="machine")
    assert written.endswith(b"\n")
    assert not written.endswith(b"\n\n")
    assert b"\r" not in written
    assert format(demo.diagram(view="machine"), method) == written.decode()


# -- who draws ---------------------------------------------------------------------------------------------------------


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """As where these are not installed."""
    for name in missing:
        if name == "dot":
            monkeypatch.setenv("PATH", "")
        else:
            monkeypatch.setitem(sys.modules, name, None)


@graphviz
@pytest.mark.parametrize("missing", [(), ("dot",), ("dot", "pygraphviz")], ids=["dot", "wheel", "python"])
def test_whoever_lays_it_out_the_same_is_drawn(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    without(monkeypatch, *missing)
    for view in ("topology", "architecture", "full", "machine"):
        diagram = demo.diagram(view=view)
        assert isinstance(diagram.drawn, Picture)
        reference = svg(diagram.drawn, diagram.theme, layered_layout(diagram.drawn), "")

        assert svg_texts(diagram.to_svg()) == svg_texts(reference)
        assert (graphviz_layout(diagram.drawn) is None) == ("pygraphviz" in missing)


@graphviz
@pytest.mark.parametrize("missing", [("resvg_py",), ("resvg_py", "dot")], ids=["dot", "wheel"])
def test_graphviz_paints_pngs(monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]) -> None:
    without(monkeypatch, *missing)

    assert demo.to_png().startswith(PNG)
    assert Diagram(sequence_with("x")).to_png().startswith(PNG)


def test_resvg_paints_pngs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resvg_py")
    without(monkeypatch, "dot", "pygraphviz")

    assert demo.to_png().startswith(PNG)
    assert Diagram(sequence_with("x")).to_png().startswith(PNG)


def test_where_nothing_paints_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "resvg_py", "dot", "pygraphviz")

    with pytest.raises(DefinitionError, match=r"pip install 'agentgraph-fsm\[png\]'"):
        demo.to_png()


def test_bytes_do_not_depend_on_hash_seeds() -> None:
    code = (
        "import hashlib; from tests.unit.test_views_drawing import large; from tests.unit.views_drawn import *; from agentgraph.views.layered import layered_layout;"
        "from agentgraph.views.diagram import Diagram;"
        "made = [Diagram(d) for d in (large(40), picture_with(NAMES[:40]), sequence_with('x'))];"
        "print([hashlib.sha256(f().encode()).hexdigest() for d in made for f in (d.to_dot, d.to_svg, d.to_html, d.to_text)], layered_layout(large(40)))"
    )
    root = Path(__file__).parents[2]
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, cwd=root, env=os.environ | {"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("0", "1", "2")
    }

    assert len(seen) == 1
