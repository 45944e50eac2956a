"""Each rule of the strict check finds what it is for, and a good body breaks none: make a valid thing, break it in one way."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.e2e.provider_rules import RULES, Violation, violations

Body = dict[str, Any]


def _call(call_id: str, arguments: str = "{}") -> Body:
    return {"id": call_id, "type": "function", "function": {"name": "lookup", "arguments": arguments}}


def _answer(call_id: str, content: str = "found") -> Body:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


GOOD: Body = {
    "model": "gpt-4o",
    "tools": [{"type": "function", "function": {"name": "lookup"}}, {"type": "function", "function": {"name": "handoff_to_billing"}}],
    "messages": [
        {"role": "system", "content": "You are Billing."},
        {"role": "user", "content": "Where is my invoice?"},
        {"role": "assistant", "content": None, "tool_calls": [_call("c1"), _call("c2")]},
        _answer("c2"),
        _answer("c1"),
        {"role": "assistant", "content": "Here it is."},
        {"role": "user", "content": [{"type": "text", "text": "And this one?"}]},
    ],
}


def _set(at: int, key: str, value: object) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        body["messages"][at][key] = value

    return change


def _insert(at: int, message: Body) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        body["messages"].insert(at, message)

    return change


def _drop(at: int) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        del body["messages"][at]

    return change


def _tools(*names: str) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        body["tools"] = [{"type": "function", "function": {"name": name}} for name in names]

    return change


BROKEN: list[tuple[str, str, Callable[[Body], None]]] = [
    ("H1", "a call without an answer", _drop(3)),
    ("H1", "a call answered twice", _insert(5, _answer("c1"))),
    ("H2", "an answer to nothing", _insert(5, _answer("c9"))),
    ("H2", "an answer that comes too late", _insert(6, _answer("c1"))),
    ("H3", "an id used twice in the conversation", _insert(5, {"role": "assistant", "tool_calls": [_call("c1")]})),
    ("H4", "a call without an id", _set(2, "tool_calls", [_call("c1"), _call("c2"), _call("")])),
    ("H5", "arguments cut short", _set(2, "tool_calls", [_call("c1"), _call("c2", '{"a": ')])),
    ("H5", "arguments that are a list", _set(2, "tool_calls", [_call("c1"), _call("c2", "[1]")])),
    ("C1", "an empty user message", _set(1, "content", "")),
    ("C1", "a user message of blanks", _set(1, "content", " \n")),
    ("C1", "parts without text", _set(6, "content", [{"type": "text", "text": ""}])),
    ("C1", "an empty tool message", _set(3, "content", "")),
    ("C2", "an empty assistant message", _set(5, "content", "")),
    ("C2", "an assistant message of nothing", _set(5, "content", None)),
    ("S1", "a second system message", _insert(1, {"role": "system", "content": "Be kind."})),
    ("S1", "a system message in the middle", _insert(5, {"role": "system", "content": "Be kind."})),
    ("S1", "an empty system message", _set(0, "content", "")),
    ("R1", "a beginning that is not the user's", _drop(1)),
    ("R1", "no messages", lambda body: body.update(messages=[])),
    ("R2", "an end that is the assistant's", _drop(6)),
    ("R3", "a role that there is not", _set(6, "role", "developer")),
    ("T1", "a name with a blank", _tools("look up")),
    ("T1", "a name that begins with a digit", _tools("2nd_lookup")),
    ("T1", "a name of 64 characters", _tools("x" * 64)),
    ("T1", "a name with a line break at its end", _tools("lookup\n")),
    ("T2", "a name twice", _tools("lookup", "lookup")),
    ("T3", "calls in the history, and no tools", lambda body: body.pop("tools")),
]


def _codes(found: list[Violation]) -> set[str]:
    return {violation.code for violation in found}


def test_a_good_body_breaks_no_rule() -> None:
    assert violations(GOOD) == []


@pytest.mark.parametrize(("code", "what", "change"), BROKEN, ids=[f"{code}: {what}" for code, what, _ in BROKEN])
def test_a_broken_body_is_found(code: str, what: str, change: Callable[[Body], None]) -> None:
    body = deepcopy(GOOD)
    change(body)

    assert code in _codes(violations(body)), what


def test_every_rule_has_a_body_that_breaks_it() -> None:
    assert {code for code, _, _ in BROKEN} == set(RULES)


def test_a_violation_says_the_rule_and_the_place() -> None:
    body = deepcopy(GOOD)
    _drop(4)(body)

    assert [str(found) for found in violations(body)] == [f"H1 ({RULES['H1']}): message 2: 'c1' is not answered"]
