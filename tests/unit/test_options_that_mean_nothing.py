"""Options that cannot mean anything are refused where they are written, not by a provider, and not in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agentgraph import Agent, AgentGraph, AgentRunner, DefinitionError, LiteLLMModel, RunConfig, ScriptedModel, Secret


@pytest.mark.parametrize("make", [RunConfig, lambda headers: Agent("A", headers=headers)])
@pytest.mark.parametrize("value", [3, None, ["x"], True, b"x"])
def test_a_header_that_is_no_text(make: Callable[..., object], value: Any) -> None:
    with pytest.raises(DefinitionError, match=r"headers\['X-Key'\] is a \w+; give text, or a Secret"):
        make(headers={"X-Key": value})


@pytest.mark.parametrize("make", [RunConfig, lambda headers: Agent("A", headers=headers)])
def test_headers_that_are_text_or_secrets(make: Callable[..., object]) -> None:
    make(headers={"X-Key": "x", "Authorization": Secret("sk-canary")})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RunConfig(parallel_tools="no"), "parallel_tools='no'; give True or False"),  # type: ignore[arg-type]
        (lambda: RunConfig(model=""), "model=''"),
        (lambda: RunConfig(model=ScriptedModel), "model=<class"),  # type: ignore[arg-type]
        (lambda: LiteLLMModel("openai/gpt-4o", accept_truncated="yes"), "accept_truncated='yes'; give True or False"),  # type: ignore[arg-type]
    ],
)
def test_an_option_of_the_wrong_kind(make: Callable[[], object], said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        make()
    assert said in str(refused.value)


def test_every_run_over_a_picture_is_one_of_its_graph() -> None:
    """Also when another one is: a run that is left out would not be missed."""
    ours, foreign = (AgentGraph.of(Agent(name), name=name) for name in ("ours", "foreign"))
    runs = [AgentRunner(graph, RunConfig(model=ScriptedModel(["hello"]))).run("hi") for graph in (ours, foreign)]

    ours.diagram(run=runs[:1])
    with pytest.raises(DefinitionError, match="held by 'foreign', none of whom is in the graph 'ours'"):
        ours.diagram(run=runs)
