"""A model that answers as a recorded run was answered."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from agentgraph.engine.events import ModelFailed, ModelReplied
from agentgraph.engine.trace import Trace
from agentgraph.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentgraph.conversation.reply import Reply
    from agentgraph.definition.model import ModelRequest

Answer = ModelReplied | ModelFailed


class ReplayModel:
    """Gives each agent the replies it had in `trace`, or in the trace in that file, again, in order; a failure fails again. Agents
    used as tools too.

    Raises:
        ContextError: for a file that holds no trace.
    """

    instant = True

    def __init__(self, trace: Trace | str | Path) -> None:
        self._answers: dict[str, deque[Answer]] = {}
        for agent, answer in _recorded(trace if isinstance(trace, Trace) else Trace.load(trace)):
            self._answers.setdefault(agent, deque()).append(answer)
        self._lock = threading.Lock()

    def reply(self, request: ModelRequest) -> Reply:
        """The next recorded reply.

        Raises:
            ModelError: when the recorded call failed, or no more were recorded: the run has diverged from its trace.
        """
        with self._lock:
            left = self._answers.get(request.agent)
            answer = left.popleft() if left else None
        if answer is None:
            message = (
                f"the trace has no more replies for {request.agent!r}, which was asked once more: this run is not the one that was recorded"
            )
            raise ModelError(message)
        if isinstance(answer, ModelFailed):
            raise ModelError(answer.error)
        return answer.reply

    def __repr__(self) -> str:
        return f"ReplayModel({sum(map(len, self._answers.values()))} replies left)"


def _recorded(trace: Trace) -> Iterator[tuple[str, Answer]]:
    for before, (event, _) in zip(trace.contexts, trace, strict=False):
        if isinstance(event, ModelReplied | ModelFailed):
            yield before.agent or "", event
    for child in trace.children.values():
        yield from _recorded(child)
