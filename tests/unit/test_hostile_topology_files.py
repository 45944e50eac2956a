"""Topology files are data only, and whatever is in one: it is read, or refused in one line, soon."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from agentgraph import AgentGraph, DefinitionError

LAUGHS = ", ".join(f"&l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" if i else "&l0 [lol]" for i in range(12))

HOSTILE = {
    "an object of Python": "!!python/object/apply:os.system ['touch /tmp/agentgraph-was-here']",
    "a name of Python": "agentgraph_topology: 1\nname: !!python/name:os.system",
    "a billion laughs": f"agentgraph_topology: 1\nname: [{LAUGHS}]",
    "an alias of itself": "agentgraph_topology: 1\nname: a\nagents: &a [*a]",
    "a list as a name": "agentgraph_topology: 1\nname: [[[[[a]]]]]\nagents: []",
    "another version": "agentgraph_topology: 99",
    "a date": "agentgraph_topology: 2026-01-01",
    "no end": "agentgraph_topology: [1, 2",
    "tabs": "\t\tagentgraph_topology:\t1",
    "nothing": "",
    "deep": "[" * 5_000,
    "an environment": "agentgraph_topology: 1\nname: ${HOME}\nagents: [{name: '{{ 7 * 7 }}'}]\nhandoffs: [{from: x, to: y, when: 'import os'}]",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(HOSTILE[what], encoding="utf-8")

    with pytest.raises(DefinitionError) as refused:
        AgentGraph.load(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1_000
    assert not Path("/tmp/agentgraph-was-here").exists()


@pytest.mark.parametrize("levels", [10, 100, 240, 300, 1_000])
def test_agents_inside_tools_inside_agents_come_to_an_end(levels: int, tmp_path: Path) -> None:
    """They are read, or it is said that they are nested too deeply, whichever of those who read them gives up first."""
    inner = '{"name": "t", "agent": {"name": "a", "tools": [' * levels + "]}}" * levels
    file = tmp_path / "deep.json"
    file.write_text('{"agentgraph_topology": 1, "name": "deep", "agents": [{"name": "a", "tools": [' + inner + "]}]}")

    with suppress(DefinitionError) if levels > 10 else nullcontext():
        assert AgentGraph.load(file).compile().entry == "a"


def test_names_are_only_names(tmp_path: Path) -> None:
    """No templates, no variables, no imports."""
    file = tmp_path / "names.yaml"
    file.write_text("agentgraph_topology: 1\nname: ${HOME}\nagents: [{name: '{{ 7 * 7 }}'}, {name: os.system}]", encoding="utf-8")

    assert list(AgentGraph.load(file).agents) == ["{{ 7 * 7 }}", "os.system"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "agents", "tools", "handoffs", "from", "to", "groups", "root", "members", "in", "agent", "group", "topology"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["name", "entry", "home", "human", "agents", "handoffs", "groups"]), json_values))
def test_no_data_raises_anything_else(data: dict[str, Any]) -> None:
    from agentgraph.graph.topology_reader import from_data

    with suppress(DefinitionError):
        assert isinstance(from_data(AgentGraph, {"agentgraph_topology": 1, **data}, "here").name, str)
