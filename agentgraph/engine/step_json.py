"""What a step is told to have done, beside the context after it, as JSON: what happened, and what a run ended with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentgraph.conversation.context_json import as_value, plain
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.stored import frozen
from agentgraph.conversation.text import as_json
from agentgraph.engine.effects import Finish
from agentgraph.errors import AgentGraphError, ContextError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context

TOLD = frozenset({"happened", "finish"})


def plain_told(happened: tuple[Happening, ...], finish: Finish | None, after: Context) -> dict[str, Any]:
    """What was told of the step to `after`. An answer that is the output of the run is not written twice."""
    told: dict[str, Any] = {}
    if happened:
        told["happened"] = plain(happened)
    if finish is not None:
        ended = told["finish"] = {"reason": finish.reason}
        if finish.error is not None:
            ended["error"] = str(finish.error)
        elif finish.reason != "completed" or finish.output != after.messages[-1].content:
            ended["output"] = plain(as_json(finish.output))
    return told


def as_told(after: Context, told: Mapping[str, Any]) -> tuple[tuple[Happening, ...], Finish | None]:
    """What happened in the step to `after`, and what a run ended with there.

    Raises:
        ValueError, ContextError: for what `plain_told` does not give.
    """
    happened = as_value(told.get("happened", ()), tuple[Happening, ...])
    finish = told.get("finish")
    if finish is None:
        return happened, None
    if not isinstance(finish, Mapping) or not isinstance(finish.get("reason"), str) or not isinstance(finish.get("error"), str | None):
        raise ContextError(f"the run ended with {finish!r:.60}; an object with a reason is expected", finish)
    error = finish.get("error")
    if error is not None:
        return happened, Finish(finish["reason"], error=AgentGraphError(error))
    output = frozen(finish["output"]) if "output" in finish else after.messages[-1].content if after.messages else None
    return happened, Finish(finish["reason"], output)


as_value([], tuple[Happening, ...])  # for the reason that `context_json` gives
