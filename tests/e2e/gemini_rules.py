"""What Gemini accepts: its own rules about the body that was on the wire, and the common ones about what that body says.

Gemini's calls have no ids: an answer belongs to a call by its name and its place, so ids are made of these.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.e2e import provider_rules
from tests.e2e.provider_rules import Violation

Part = Mapping[str, Any]

_ROLES = {"user": "user", "model": "assistant"}
_HOLDS = frozenset({"text", "function_call", "function_response", "inline_data", "file_data"})


def violations(body: Mapping[str, Any]) -> list[Violation]:
    """Every rule that `body`, of a request for generateContent, breaks."""
    return [*_own(body["contents"]), *provider_rules.violations(as_openai(body))]


def as_openai(body: Mapping[str, Any]) -> dict[str, Any]:
    """What `body` says, as a body of chat completions."""
    contents = body["contents"]
    system = [{"role": "system", "content": _text(body["system_instruction"]["parts"])}] if "system_instruction" in body else []
    declared = [tool["name"] for tools in body.get("tools") or () for tool in tools.get("function_declarations") or ()]
    said = [said for at, content in enumerate(contents) for said in _said(at, content)]
    return {"messages": [*system, *said], "tools": [{"type": "function", "function": {"name": name}} for name in declared]}


def _own(contents: Sequence[Mapping[str, Any]]) -> Iterator[Violation]:
    awaited: Counter[str] = Counter()
    for at, content in enumerate(contents):
        parts, role = content["parts"], content.get("role")
        if role not in _ROLES:
            yield Violation("G1", f"content {at} is of {role!r}")
        if at and role == contents[at - 1].get("role"):
            yield Violation("G1", f"content {at} is of {role!r} again")
        answered = Counter(part["function_response"]["name"] for part in parts if "function_response" in part)
        if answered != awaited:
            yield Violation("G2", f"content {at} answers {sorted(answered.elements())}; awaited are {sorted(awaited.elements())}")
        for part in parts:
            if not _HOLDS & set(part) or part.get("text") == "":
                yield Violation("G3", f"content {at}: {part!r}")
            if "function_call" in part and not isinstance(part["function_call"].get("args", {}), dict):
                yield Violation("G4", f"content {at}: {part['function_call']!r}")
            if "function_response" in part and not isinstance(part["function_response"]["response"], dict):
                yield Violation("G4", f"content {at}: {part['function_response']!r}")
        awaited = Counter(part["function_call"]["name"] for part in parts if "function_call" in part)
    if awaited:
        yield Violation("G2", f"nothing follows {sorted(awaited)}")


def _said(at: int, content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    parts, role = content["parts"], _ROLES.get(content.get("role", ""), content.get("role"))
    calls = [part["function_call"] for part in parts if "function_call" in part]
    answers = [part["function_response"] for part in parts if "function_response" in part]
    for answer, call_id in zip(answers, _ids(at - 1, answers), strict=True):
        yield {"role": "tool", "tool_call_id": call_id, "content": json.dumps(answer["response"])}
    if calls:
        ids = _ids(at, calls)
        asked = [
            {"id": i, "function": {"name": c["name"], "arguments": json.dumps(c.get("args", {}))}} for i, c in zip(ids, calls, strict=True)
        ]
        yield {"role": role, "content": _text(parts) or None, "tool_calls": asked}
    elif not answers or _text(parts):
        yield {"role": role, "content": _text(parts)}


def _ids(at: int, named: Sequence[Mapping[str, Any]]) -> list[str]:
    """The n-th call of a name in content `at`."""
    seen: Counter[str] = Counter()
    ids = []
    for one in named:
        ids.append(f"{at}.{one['name']}.{seen[one['name']]}")
        seen[one["name"]] += 1
    return ids


def _text(parts: Sequence[Part]) -> str:
    return "\n".join(part["text"] for part in parts if "text" in part)
