"""What a hostile user found: each was a traceback from inside, or a wrong answer, and is one clear line now."""

from __future__ import annotations

import copy
import pickle
from math import inf
from pathlib import Path
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, DefinitionError, LiteLLMModel


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": None}, "a litellm model is called None; give a name"),
        ({"name": 3}, "a litellm model is called 3; give a name"),
        ({"timeout": "60"}, "has timeout='60'; give seconds"),
        ({"timeout": None}, "has timeout=None; give seconds"),
        ({"timeout": True}, "has timeout=True; give seconds"),
        ({"timeout": inf}, "has timeout=inf; give seconds"),
        ({"fallbacks": None}, "has fallbacks=None; give a list"),
    ],
    ids=str,
)
def test_an_option_of_a_model_that_cannot_mean_anything_is_refused_where_it_is_given(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        LiteLLMModel(**{"name": "openai/x", **options})
    assert said in str(refused.value)


def two() -> AgentGraph:
    return AgentGraph.of(Agent("Desk", handoffs=["Bills"]), Agent("Bills"))


@pytest.mark.parametrize("name", ["nowhere/desk.json", "desk.json"])
def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "desk.json").mkdir()
    file = tmp_path / name
    for write in (two().save, two().render):
        with pytest.raises(DefinitionError) as refused:
            write(file)
        assert str(refused.value).startswith(f"{file} cannot be written: ")


def test_the_formats_that_there_are_are_named() -> None:
    with pytest.raises(DefinitionError, match="'nonsense'; it has mermaid, md,"):
        format(two(), "nonsense")


@pytest.mark.parametrize("theme", ["", [], {}, ["plain"], 0], ids=repr)
def test_what_is_no_theme_is_refused(theme: Any) -> None:
    with pytest.raises(DefinitionError, match="there is no theme"):
        two().diagram(theme=theme)


@pytest.mark.parametrize("theme", ["agentgraph", "plain"])
def test_a_diagram_is_a_value_that_can_be_copied_and_sent_to_another_process(theme: str) -> None:
    diagram = two().diagram(theme=theme)
    for again in (copy.deepcopy(diagram), pickle.loads(pickle.dumps(diagram))):
        assert again == diagram
        assert again.to_svg() == diagram.to_svg()
