"""Each rule of the strict check finds what it is for, and a good body breaks none: make a valid thing, break it in one way."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.e2e import anthropic_rules, gemini_rules
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


CLAUDE: Body = {
    "system": [{"type": "text", "text": "You are Billing."}],
    "tools": [{"name": "lookup"}],
    "messages": [
        {"role": "user", "content": "Where is my invoice?"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Wait."}, {"type": "tool_use", "id": "c1", "name": "lookup", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "found"}, {"type": "text", "text": "Go on."}]},
        {"role": "assistant", "content": [{"type": "text", "text": "Here it is."}]},
        {"role": "user", "content": [{"type": "text", "text": "Thanks."}]},
    ],
}

GEMINI: Body = {
    "system_instruction": {"parts": [{"text": "You are Billing."}]},
    "tools": [{"function_declarations": [{"name": "lookup"}]}],
    "contents": [
        {"role": "user", "parts": [{"text": "Where is my invoice?"}]},
        {"role": "model", "parts": [{"text": "Wait."}, {"function_call": {"name": "lookup", "args": {}}}]},
        {"role": "user", "parts": [{"function_response": {"name": "lookup", "response": {"content": "found"}}}]},
        {"role": "model", "parts": [{"text": "Here it is."}]},
        {"role": "user", "parts": [{"text": "Thanks."}]},
    ],
}


def _claude(at: int, *blocks: Body) -> Callable[[Body], None]:
    return lambda body: body["messages"][at].update(content=list(blocks))


def _gemini(at: int, *parts: Body) -> Callable[[Body], None]:
    return lambda body: body["contents"][at].update(parts=list(parts))


OF_CLAUDE: list[tuple[str, str, Callable[[Body], None]]] = [
    ("A1", "the user twice", lambda body: body["messages"].append({"role": "user", "content": "Hello?"})),
    ("A2", "a call without an answer", _claude(2, {"type": "text", "text": "Go on."})),
    ("A2", "an answer to nothing", _claude(4, {"type": "tool_result", "tool_use_id": "c1", "content": "found"})),
    ("A2", "an answer behind text", lambda body: body["messages"][2]["content"].reverse()),
    ("A2", "a call at the end", lambda body: body.update(messages=body["messages"][:2])),
    ("A3", "an input that is text", _claude(1, {"type": "tool_use", "id": "c1", "name": "lookup", "input": "{}"})),
    ("A4", "blank text", _claude(3, {"type": "text", "text": " "})),
    ("H1", "a call without an answer", _claude(2, {"type": "text", "text": "Go on."})),
    ("H2", "an answer to nothing", _claude(4, {"type": "tool_result", "tool_use_id": "c9", "content": "found"})),
    ("S1", "an empty system", lambda body: body.update(system="")),
    ("T3", "calls, and no tools", lambda body: body.pop("tools")),
]

OF_GEMINI: list[tuple[str, str, Callable[[Body], None]]] = [
    ("G1", "the model twice", lambda body: body["contents"].insert(4, {"role": "model", "parts": [{"text": "Here."}]})),
    ("G1", "a role of another provider", lambda body: body["contents"][3].update(role="assistant")),
    ("G2", "a call without an answer", _gemini(2, {"text": "Go on."})),
    ("G2", "an answer of another name", _gemini(2, {"function_response": {"name": "pay", "response": {}}})),
    ("G2", "a call at the end", lambda body: body.update(contents=body["contents"][:2])),
    ("G3", "an empty part", _gemini(3, {"text": ""})),
    ("G3", "a part of nothing", _gemini(3, {})),
    ("G4", "arguments that are a list", _gemini(1, {"function_call": {"name": "lookup", "args": [1]}})),
    ("G4", "a response that is text", _gemini(2, {"function_response": {"name": "lookup", "response": "found"}})),
    ("H1", "a call without an answer", _gemini(2, {"text": "Go on."})),
    ("H2", "an answer to nothing", _gemini(4, {"function_response": {"name": "lookup", "response": {}}})),
    ("S1", "an empty system", lambda body: body.update(system_instruction={"parts": [{"text": ""}]})),
    ("T3", "calls, and no tools", lambda body: body.pop("tools")),
]

FOREIGN = [
    *(pytest.param(anthropic_rules.violations, CLAUDE, *broken, id=f"anthropic {broken[0]}: {broken[1]}") for broken in OF_CLAUDE),
    *(pytest.param(gemini_rules.violations, GEMINI, *broken, id=f"gemini {broken[0]}: {broken[1]}") for broken in OF_GEMINI),
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
    assert {code for code, _, _ in [*BROKEN, *OF_CLAUDE, *OF_GEMINI]} == set(RULES)


def test_good_bodies_of_other_protocols_break_no_rule() -> None:
    assert anthropic_rules.violations(CLAUDE) == []
    assert gemini_rules.violations(GEMINI) == []


@pytest.mark.parametrize(("check", "good", "code", "what", "change"), FOREIGN)
def test_a_broken_body_of_another_protocol_is_found(
    check: Callable[[Body], list[Violation]], good: Body, code: str, what: str, change: Callable[[Body], None]
) -> None:
    body = deepcopy(good)
    change(body)

    assert code in _codes(check(body)), what


def test_a_violation_says_the_rule_and_the_place() -> None:
    body = deepcopy(GOOD)
    _drop(4)(body)

    assert [str(found) for found in violations(body)] == [f"H1 ({RULES['H1']}): message 2: 'c1' is not answered"]
