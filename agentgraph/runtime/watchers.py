"""Who watches every run of this process, whatever runner it belongs to: for measures of a whole, such as coverage.

Nobody does as a rule, and then a run asks for nothing but the truth of an empty tuple. Each observation is told once, with the
machine of the run it was made in; what happens inside an agent that is used as a tool has the machine of that agent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.observations import Observation

Watcher = Callable[["Machine", "Observation"], object]


class Watchers:
    """The watchers of a process. A run that began unwatched goes on unwatched."""

    __slots__ = ("_changing", "watching")

    def __init__(self) -> None:
        self.watching: tuple[Watcher, ...] = ()
        self._changing = threading.Lock()

    @contextmanager
    def told(self, watcher: Watcher) -> Iterator[None]:
        """Tell `watcher` of all that happens in runs that begin from now on. It is called in their threads."""
        with self._changing:
            self.watching = (*self.watching, watcher)
        try:
            yield
        finally:
            with self._changing:
                self.watching = tuple(other for other in self.watching if other is not watcher)

    def tell(self, machine: Machine, observation: Observation) -> None:
        """Let them know. What one raises is logged and changes nothing."""
        for watcher in self.watching:
            try:
                watcher(machine, observation)
            except Exception:
                logger.exception("a watcher failed at %s; the run goes on", type(observation).__name__)


WATCHERS = Watchers()
