"""A model that answers as a recorded run was answered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from agentgraph.engine.events import ModelFailed, ModelReplied
from agentgraph.errors import ModelError

if TYPE_CHECKING:
    from agentgraph.conversation.reply import Reply
    from agentgraph.definition.model import ModelRequest
    from agentgraph.engine.trace import Trace


class ReplayModel:
    """Gives the replies of `trace` again, in order; a failure fails again."""

    instant = True

    def __init__(self, trace: Trace) -> None:
        self._answers = [event for event in trace.events if isinstance(event, ModelReplied | ModelFailed)]
        self._given = 0
        self._lock = threading.Lock()

    def reply(self, request: ModelRequest) -> Reply:
        """The next recorded reply.

        Raises:
            ModelError: when the recorded call failed, or no more were recorded: the run has diverged from its trace.
        """
        with self._lock:
            position, self._given = self._given, self._given + 1
        if position >= len(self._answers):
            message = f"the trace has {len(self._answers)} model calls, and {request.agent!r} was asked once more: this run is not the one that was recorded"
            raise ModelError(message)
        answer = self._answers[position]
        if isinstance(answer, ModelFailed):
            raise ModelError(answer.error)
        return answer.reply
