"""A model that answers as a recorded run was answered."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from agentgraph.engine.events import ModelFailed, ModelReplied
from agentgraph.engine.inside import conversation_at
from agentgraph.engine.trace import Trace
from agentgraph.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agentgraph.conversation.reply import Reply
    from agentgraph.definition.model import ModelRequest
    from agentgraph.engine.inside import Address

Answer = ModelReplied | ModelFailed


class ReplayModel:
    """Gives each agent the replies it had in `trace`, or in the trace in that file, again, in order; a failure fails again. Agents
    used as tools too: each call those that it had.

    Raises:
        ContextError: for a file that holds no trace.
    """

    instant = True

    def __init__(self, trace: Trace | str | Path) -> None:
        self._answers: dict[tuple[Address, str], deque[Answer]] = {}
        for who, answer in _recorded(trace if isinstance(trace, Trace) else Trace.load(trace), ()):
            self._answers.setdefault(who, deque()).append(answer)
        self._lock = threading.Lock()

    def reply(self, request: ModelRequest) -> Reply:
        """The next recorded reply.

        Raises:
            ModelError: when the recorded call failed, or no more were recorded: the run has diverged from its trace.
        """
        with self._lock:
            left = self._answers.get((request.within, request.agent))
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


def _recorded(trace: Trace, within: Address) -> Iterator[tuple[tuple[Address, str], Answer]]:
    for before, (event, _) in zip(trace.contexts, trace, strict=False):
        if isinstance(event, ModelReplied | ModelFailed):
            asked = conversation_at(before, event.within)
            yield ((*within, *event.within), (asked.agent if asked is not None else None) or ""), event
    for call_id, child in trace.apart.items():
        yield from _recorded(child, (*within, call_id))
