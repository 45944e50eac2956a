"""The laws of valid conversations: whatever is sent has no defect, and every defect that is put in is found where it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given, strategies as st

from agentgraph import AgentGraph, AgentRunner, Context
from agentgraph.checks import check_history, check_request
from agentgraph.engine.view import provider_view
from tests.laws.test_recordings import COMPLETE, completed
from tests.laws.test_runs import configs
from tests.strategies import Improviser, Move, conversations, graphs

Messages = list[dict[str, Any]]


@given(graphs(), conversations(), configs())
def test_what_a_model_is_sent_has_no_defect(graph: AgentGraph, script: list[Move], config: Any) -> None:
    model = Improviser(script)
    AgentRunner(graph, config.replace(model=model)).run("hello")

    for request in model.requests:
        assert check_request(request.messages, request.tools) == []


def calling(messages: Messages) -> int:
    """The first message with a call that is not the last; there are such in what is drawn here."""
    found = [at for at, message in enumerate(messages) if message.get("tool_calls")]
    assume(found)
    return found[0]


def without_an_answer(messages: Messages) -> int:
    at = calling(messages)
    del messages[at + 1]
    return at


def answered_late(messages: Messages) -> int:
    at = calling(messages)
    messages.insert(at + 1, {"role": "user", "content": "meanwhile"})
    return at


def answer_to_nothing(messages: Messages) -> int:
    messages.append({"role": "tool", "tool_call_id": "nobody's", "content": "hm"})
    return len(messages) - 1


def answered_twice(messages: Messages) -> int:
    at = calling(messages)
    messages.insert(at + 2, dict(messages[at + 1]))
    return at + 2


def id_used_again(messages: Messages) -> int:
    at = calling(messages)
    calls, end = messages[at]["tool_calls"], len(messages)
    messages += [{**messages[at]}, *({"role": "tool", "tool_call_id": call["id"], "content": "again"} for call in calls)]
    return end


def no_id(messages: Messages) -> int:
    at = calling(messages)
    messages[at]["tool_calls"][0]["id"] = ""
    return at


def cut_arguments(messages: Messages) -> int:
    at = calling(messages)
    messages[at]["tool_calls"][0]["function"]["arguments"] = '{"key": '
    return at


def arguments_that_are_a_list(messages: Messages) -> int:
    at = calling(messages)
    messages[at]["tool_calls"][0]["function"]["arguments"] = "[1]"
    return at


def user_says_nothing(messages: Messages) -> int:
    messages.append({"role": "user", "content": ""})
    return len(messages) - 1


def user_says_blanks(messages: Messages) -> int:
    messages.append({"role": "user", "content": " \n"})
    return len(messages) - 1


def tool_gives_blanks(messages: Messages) -> int:
    at = calling(messages)
    messages[at + 1]["content"] = "\t"
    return at + 1


def tool_gives_nothing(messages: Messages) -> int:
    at = calling(messages)
    messages[at + 1]["content"] = ""
    return at + 1


def assistant_says_nothing(messages: Messages) -> int:
    messages.append({"role": "assistant", "content": None})
    return len(messages) - 1


def system_within(messages: Messages) -> int:
    messages.append({"role": "system", "content": "Be brief."})
    return len(messages) - 1


def assistant_begins(messages: Messages) -> int:
    messages.insert(0, {"role": "assistant", "content": "Welcome!"})
    return 0


def unspeakable_name(messages: Messages) -> int:
    at = calling(messages)
    messages[at]["tool_calls"][0]["function"]["name"] = "multi_tool_use.parallel"
    return at


def no_message(messages: Messages) -> int:
    messages.append({"role": "narrator", "content": "Night falls."})
    return len(messages) - 1


SEEDED: list[tuple[str, Callable[[Messages], int]]] = [
    ("unanswered-call", without_an_answer),
    ("unanswered-call", answered_late),
    ("orphan-result", answer_to_nothing),
    ("duplicate-result", answered_twice),
    ("duplicate-call-id", id_used_again),
    ("missing-call-id", no_id),
    ("malformed-arguments", cut_arguments),
    ("malformed-arguments", arguments_that_are_a_list),
    ("empty-content", user_says_nothing),
    ("empty-content", tool_gives_nothing),
    ("empty-content", user_says_blanks),
    ("empty-content", tool_gives_blanks),
    ("empty-content", assistant_says_nothing),
    ("system-not-first", system_within),
    ("first-not-user", assistant_begins),
    ("bad-tool-name", unspeakable_name),
    ("unreadable-message", no_message),
]


@given(graphs(), conversations(), st.sampled_from(SEEDED))
def test_a_defect_is_found_where_it_was_put(graph: AgentGraph, script: list[Move], seeded: tuple[str, Callable[[Messages], int]]) -> None:
    code, seed = seeded
    result = completed(graph, script)
    messages = json.loads(json.dumps([message.to_openai() for message in result.messages]))
    assume(check_history(messages) == [])
    at = seed(messages)

    found = check_history(messages)

    assert (at, code) in {(defect.index, defect.code) for defect in found}
    assert found[0].index == at


@given(graphs(), conversations(), st.sampled_from([seed for code, seed in SEEDED if code != "unreadable-message"]))
def test_every_defect_is_mended_in_what_is_sent(graph: AgentGraph, script: list[Move], seed: Callable[[Messages], int]) -> None:
    result = completed(graph, script)
    messages = json.loads(json.dumps([message.to_openai() for message in result.messages]))
    seed(messages)

    assert check_history(provider_view(Context(messages=messages).messages)) == []


@given(graphs(), conversations())
def test_a_history_of_ours_is_mended_or_sound(graph: AgentGraph, script: list[Move]) -> None:
    """What we keep, where no call is pending, may only hold names that a model made up: they are kept as they came."""
    result = AgentRunner(graph, COMPLETE.replace(model=Improviser(script))).run("hello")
    assume(not result.context.pending)

    assert {defect.code for defect in check_history(result.context)} <= {"bad-tool-name", "empty-content"}
    assert check_history(Context(messages=result.messages)) == check_history(list(result.messages))
