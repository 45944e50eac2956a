"""What was ever stored can be read: contexts and traces of every version, and how a version is upgraded to the next.

The files in `tests/corpus` were written once, by the version in their names. They are never written again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentgraph import Agent, AgentRunner, Context, ContextError, ReplayModel, RunConfig, Trace
from agentgraph.conversation.context_json import FORM, load
from agentgraph.conversation.stored import Form, Upgrade

CORPUS = Path(__file__).parent.parent / "corpus"
CONTEXTS: list[dict[str, Any]] = [
    json.loads(line) for file in sorted(CORPUS.glob("contexts_v*.jsonl")) for line in file.read_text(encoding="ascii").splitlines()
]


def summary(context: Context) -> dict[str, Any]:
    """What every version must be able to say of a context."""
    return {
        "agent": context.agent,
        "turn": context.turn,
        "phase": str(context.phase),
        "pending": [call.name for call in context.pending],
        "facts": sorted(context.facts),
        "messages": [message.text for message in context.messages],
        "tokens": context.usage.total_tokens,
    }


@pytest.mark.parametrize("stored", CONTEXTS, ids=lambda stored: stored["name"])
def test_a_context_of_any_version_is_read(stored: dict[str, Any]) -> None:
    context = Context.from_json(json.dumps(stored["context"]))

    assert summary(context) == stored["expect"]
    assert Context.from_json(context.to_json()) == context


def test_a_trace_of_any_version_is_read_and_answers_again() -> None:
    files = sorted(CORPUS.glob("trace_v*.jsonl"))
    assert files
    for file in files:
        trace = Trace.load(file)

        assert [type(event).__name__ for event in trace.events].count("ModelReplied") == 4
        assert [len(child) for child in trace.children.values()] == [2]
        assert trace.contexts[-1].facts == {"verified"}
        inner = AgentRunner(Agent("Inner"), RunConfig(model=ReplayModel(next(iter(trace.children.values())))))
        assert inner.run("x").output == "Ada"


def speaker_to_holder(given: dict[str, Any]) -> dict[str, Any]:
    """Of version 1 to 2: what was called `speaker` is called `holder`."""
    return {"holder" if key == "speaker" else key: value for key, value in given.items()}


def holder_to_agent(given: dict[str, Any]) -> dict[str, Any]:
    """Of version 2 to 3: `holder` is called `agent`, and must be there."""
    return {**{key: value for key, value in given.items() if key != "holder"}, "agent": given["holder"]}


def stored_as(version: Any, **fields: Any) -> str:
    return json.dumps({FORM.key: version, **fields})


def of(*upgrades: Upgrade) -> Form:
    return Form(FORM.key, FORM.name, upgrades)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (stored_as(1, speaker="A", turn=2), of(speaker_to_holder, holder_to_agent)),
        (stored_as(2, holder="A", turn=2), of(speaker_to_holder, holder_to_agent)),
        (stored_as(3, agent="A", turn=2), of(speaker_to_holder, holder_to_agent)),
        (stored_as(1, agent="A", turn=2), of()),
    ],
)
def test_an_older_context_is_upgraded_step_by_step(text: str, form: Form) -> None:
    assert load(text, form) == Context("A", turn=2)


@pytest.mark.parametrize("version", [4, 0, -1, "1", 1.0, True, None, [], 10**30])
def test_a_version_that_there_is_not_is_refused(version: Any) -> None:
    with pytest.raises(ContextError, match=r"this context has version .*; this library reads 3") as refused:
        load(stored_as(version, agent="A"), of(speaker_to_holder, holder_to_agent))

    assert refused.value.given == stored_as(version, agent="A")


@pytest.mark.parametrize("fields", [{}, {"speaker": 5}, {"speaker": {}}, {"speaker": "A", "agnet": "B"}])
def test_an_older_context_that_is_not_what_it_says_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ContextError, match="damaged"):
        load(stored_as(1, **fields), of(speaker_to_holder, holder_to_agent))


@pytest.mark.parametrize(
    "fields",
    [
        '"usage":{"cost":1e999}',
        '"progress":{"\\ud800":1,"calls":[{"call":{"id":"c","name":"n"},"stage":"\\ud800"}]}',
        '"handed":{"\\ud800":1}',
        '"progress":{"seconds":-1e400}',
        '"progress":{"calls":[{"call":{"id":"c","name":"n"},"returned":{"value":' + "[" * 500 + "]" * 500 + "}}]}",
    ],
)
def test_what_could_not_be_stored_is_not_read_either(fields: str) -> None:
    with pytest.raises(ContextError):
        Context.from_json(f'{{"agentgraph_context":1,{fields}}}')


def test_what_a_tool_returned_comes_back_frozen() -> None:
    text = '{"agentgraph_context":1,"agent":"A","progress":{"calls":[{"call":{"id":"c","name":"n"},"returned":{"value":{"a":[1]}}}]}}'
    progress = Context.from_json(text).progress
    assert progress is not None
    returned = progress.calls[0].returned
    assert returned is not None

    with pytest.raises(TypeError, match="cannot change"):
        returned.value["a"].append(2)
