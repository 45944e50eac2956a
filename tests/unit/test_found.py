"""What a hostile user found: each was a traceback from inside, or a wrong answer, and is one clear line now."""

from __future__ import annotations

import copy
import pickle
from math import inf
from pathlib import Path
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    ContextError,
    DefinitionError,
    LiteLLMModel,
    ProviderError,
    RunConfig,
    ScriptedModel,
    call,
    tool,
)


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


@pytest.mark.parametrize("given", [[], ()], ids=repr)
def test_an_empty_list_is_an_empty_message(given: Any) -> None:
    result = AgentRunner(Agent("Desk", model=ScriptedModel(["Yes?"]))).run(given)
    assert isinstance(result.error, DefinitionError)
    assert "an empty message" in str(result.error)


@tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def till(*replies: Any) -> AgentRunner:
    return AgentRunner(Agent("Till", tools=[pay], model=ScriptedModel(list(replies))))


@pytest.mark.parametrize("decision", [1, 0, None, [], {}], ids=repr)
def test_an_approval_that_is_neither_yes_nor_no_decides_nothing(decision: Any) -> None:
    asked = till(call("pay", amount=1)).run("Pay").context
    (pending,) = asked.pending
    result = till("Done").resume(asked, {pending.id: decision})
    assert isinstance(result.error, ContextError)
    assert "give True, False, or why not" in str(result.error)
    assert result.context.pending == asked.pending
    assert till("Done").resume(result.context, {pending.id: True}).messages[2].content == "paid 1"


@pytest.mark.parametrize("approvals", [3, [], "call_1", [("call_1", True)]], ids=repr)
def test_approvals_that_are_no_dict_are_refused(approvals: Any) -> None:
    asked = till(call("pay", amount=1)).run("Pay").context
    with pytest.raises(DefinitionError, match="give a dict from the id of a call"):
        till("Done").resume(asked, approvals)


@pytest.mark.parametrize("run_context", [3, (list,), [list, print]], ids=repr)
def test_a_run_context_that_is_no_pair_is_refused(run_context: Any) -> None:
    with pytest.raises(DefinitionError, match=r"give \(factory, handler\)"):
        RunConfig(run_context=run_context)


@pytest.mark.parametrize("headers", [{}, {"X-Desk": "1"}], ids=repr)
def test_no_headers_of_a_model_hide_no_failure_of_it(headers: dict[str, str]) -> None:
    nobody = LiteLLMModel("openai/x", api_base="http://127.0.0.1:9", api_key="not-a-key", retries=0, extra_headers=None)
    result = AgentRunner(Agent("Desk", model=nobody), RunConfig(headers=headers)).run("Hello")
    assert result.error is not None
    assert isinstance(result.error.__cause__, ProviderError)
    assert result.error.__cause__.reason == "unavailable"
