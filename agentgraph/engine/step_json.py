"""What a step is told to have done, beside the context after it, as JSON: what happened, and what a run ended with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.context import Context
from agentgraph.conversation.context_json import as_followed, as_value, plain, plain_changes
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.stored import frozen
from agentgraph.conversation.text import as_json
from agentgraph.engine.effects import Finish
from agentgraph.engine.inside import Address, conversation_at
from agentgraph.engine.trace import Ended
from agentgraph.errors import AgentGraphError, ContextError

if TYPE_CHECKING:
    from agentgraph.engine.trace import Taken

TOLD = frozenset({"happened", "finish", "ended"})


def plain_told(before: Context, taken: Taken) -> dict[str, Any]:
    """What was told of a step from `before`. Of a conversation inside that it ends, what it changed: the context after it has it no more."""
    _, after, happened, finish, ended = taken
    told: dict[str, Any] = {}
    if happened:
        told["happened"] = plain(happened)
    if finish is not None:
        told["finish"] = _plain_finish(finish, after)
    if ended:
        told["ended"] = [
            {
                "in": list(one.within),
                "then": plain_changes(conversation_at(before, one.within) or Context(), one.context),
                "finish": _plain_finish(one.finish, one.context),
            }
            for one in ended
        ]
    return told


def _plain_finish(finish: Finish, after: Context) -> dict[str, Any]:
    """What a conversation ended with. An answer that is its output is not written twice."""
    ended: dict[str, Any] = {"reason": finish.reason}
    if finish.error is not None:
        ended["error"] = str(finish.error)
    elif finish.reason != "completed" or finish.output != after.messages[-1].content:
        ended["output"] = plain(as_json(finish.output))
    return ended


def as_told(before: Context, after: Context, told: Mapping[str, Any]) -> tuple[tuple[Happening, ...], Finish | None, tuple[Ended, ...]]:
    """What happened in the step from `before` to `after`, and what ended there.

    Raises:
        ValueError, ContextError: for what `plain_told` does not give.
    """
    happened = as_value(told.get("happened", ()), tuple[Happening, ...])
    finish = told.get("finish")
    ended = tuple(_as_ended(before, one) for one in told.get("ended", ()))
    return happened, None if finish is None else _as_finish(finish, after), ended


def _as_ended(before: Context, given: Mapping[str, Any]) -> Ended:
    within = as_value(given["in"], Address)
    context = as_followed(conversation_at(before, within) or Context(), given["then"])
    return Ended(within, context, _as_finish(given["finish"], context))


def _as_finish(finish: Any, after: Context) -> Finish:
    if not isinstance(finish, Mapping) or not isinstance(finish.get("reason"), str) or not isinstance(finish.get("error"), str | None):
        raise ContextError(f"the run ended with {finish!r:.60}; an object with a reason is expected", finish)
    error = finish.get("error")
    if error is not None:
        return Finish(finish["reason"], error=AgentGraphError(error))
    output = frozen(finish["output"]) if "output" in finish else after.messages[-1].content if after.messages else None
    return Finish(finish["reason"], output)


as_value([], tuple[Happening, ...])  # for the reason that `context_json` gives
