"""Steps as version 1 wrote them: events that mean something else now, and what a run ended with, which was not written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.engine.effects import Finish
from agentgraph.engine.events import ModelFailed, ModelReplied, OutputHandled, TimeUp, ToolReturned
from agentgraph.errors import LimitReached, ModelError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.engine.events import Event

_UNKNOWN = "interrupted, outcome unknown"


def upgraded_event(given: dict[str, Any]) -> dict[str, Any]:
    """An event, as JSON holds it."""
    if given.get("type") == "ToolReturned" and given.get("error") == _UNKNOWN:
        kept = {name: value for name, value in given.items() if name in ("call_id", "elapsed")}
        return {"type": "AttemptLost", **kept}
    return given


def guessed_finish(event: Event | None, before: Context, after: Context) -> Finish | None:
    """What a run ended with at `event`, as far as can be told; None where it went on."""
    if (before.progress is None and after.progress is None) or after.progress is not None:
        return None
    last = after.messages[-1] if len(after.messages) > len(before.messages) else None
    match event:
        case ModelReplied() if last is not None and last.role == "assistant":
            return Finish("completed", last.text)
        case ModelReplied(reply=reply) if not reply.tool_calls and before.progress is not None and before.progress.note is not None:
            return Finish("error", error=ModelError(f"{before.agent!r} gave an answer that could not be used, twice", after))
        case ModelFailed(error=error):
            return Finish("error", error=ModelError(error, after))
        case TimeUp(seconds=seconds):
            return Finish("budget", error=LimitReached("seconds", seconds, after))
        case OutputHandled(decision="final", value=value):
            return Finish("final", value)
        case ToolReturned(value=value, error=None) if last is not None and not _is_used_up(before, after):
            return Finish("final", value)
        case _:
            limit = before.progress.settings.max_turns if before.progress is not None else 0
            return Finish("max_turns", error=LimitReached("max_turns", limit, after))


def _is_used_up(before: Context, after: Context) -> bool:
    """Whether the run may have been cut off because its calls were answered and no model call was left."""
    progress = before.progress
    if progress is None:
        return False
    budget = progress.settings.budget
    return progress.model_calls >= progress.settings.max_turns or (budget is not None and after.usage.total_tokens > 0)
