"""Contexts as version 1 wrote them, brought to version 2: what became of a call was to be read off the words of its answer.

Nothing else reads those words.
"""

from __future__ import annotations

from typing import Any

_INTERRUPTED = "error: interrupted, outcome unknown"
_FAILED = "error:"


def upgraded_context(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a context, all or some of them."""
    if "messages" in given:
        given = {**given, "messages": [upgraded_message(message) for message in given["messages"]]}
    progress = given.get("progress")
    if progress is not None and progress.get("calls"):
        given = {**given, "progress": {**progress, "calls": [_pending(pending) for pending in progress["calls"]]}}
    return given


def upgraded_message(given: dict[str, Any]) -> dict[str, Any]:
    """A message."""
    if given["role"] != "tool":
        return given
    skipped = given.get("skipped", False)
    rest = {name: value for name, value in given.items() if name != "skipped"}
    return {**rest, "outcome": "skipped" if skipped else _outcome(given)}


def _outcome(given: dict[str, Any]) -> str:
    if given.get("agent") is not None:
        return "handed_off"
    text = given.get("content")
    if text == _INTERRUPTED:
        return "unknown"
    return "failed" if isinstance(text, str) and text.startswith(_FAILED) else "given"


def _pending(given: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in given.items() if name not in ("ran", "returned")}
    ran, back = given.get("ran", False), given.get("returned")
    if ran:
        rest["attempt"] = 1
    if back is not None:
        failed = back.get("failed", False)
        rest["returned"] = {name: value for name, value in back.items() if name != "failed"}
        if failed:
            rest["returned"]["outcome"] = "failed" if ran else "refused"
    return rest
