"""Published topologies in every view, in the formats that Mermaid does not read: the boxes and arrows of the picture, no more and no less.

That the picture is the topology is what `test_topologies.py` shows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from agentgraph.views.display import display
from agentgraph.views.look import View
from agentgraph.views.picture import Picture
from tests.conformance.test_corpus import TOPOLOGIES, graph_of
from tests.unit.views_drawn import graphviz_json, label_read, svg_texts

EACH = pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda one: one["id"])
VIEWS: tuple[View, ...] = ("topology", "architecture", "full", "machine")


@EACH
def test_graphviz_reads_the_same(topology: dict[str, Any]) -> None:
    for view in VIEWS:
        diagram = graph_of(topology).diagram(view)
        drawn = diagram.drawn
        assert isinstance(drawn, Picture)
        read = graphviz_json(diagram.to_dot())
        nodes = {thing["_gvid"]: thing for thing in read.get("objects", ()) if not thing["name"].startswith("cluster_")}

        assert Counter(thing["name"] for thing in nodes.values()) == Counter(box.id for box in drawn.boxes)
        assert Counter(label_read(thing) for thing in nodes.values()) == Counter(display(box.label) for box in drawn.boxes)
        assert Counter((nodes[edge["tail"]]["name"], nodes[edge["head"]]["name"]) for edge in read.get("edges", ())) == Counter(
            (arrow.source, arrow.target) for arrow in drawn.arrows
        )
        clusters = [thing for thing in read.get("objects", ()) if thing["name"].startswith("cluster_")]
        assert Counter(map(label_read, clusters)) == Counter(display(frame.name) for frame in drawn.frames)


@EACH
def test_svg_and_json_say_the_same(topology: dict[str, Any]) -> None:
    for view in VIEWS:
        diagram = graph_of(topology).diagram(view)
        drawn, data = diagram.drawn, diagram.to_dict()
        assert isinstance(drawn, Picture)
        said = [box.label for box in drawn.boxes] + [arrow.label for arrow in drawn.arrows] + [frame.name for frame in drawn.frames]

        assert Counter(svg_texts(diagram.to_svg())) == Counter(filter(None, map(display, [*said, drawn.title])))
        assert [box["id"] for box in data["boxes"]] == [box.id for box in drawn.boxes]
        assert [(arrow["source"], arrow["target"]) for arrow in data.get("arrows", ())] == [
            (arrow.source, arrow.target) for arrow in drawn.arrows
        ]
