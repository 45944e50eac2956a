"""What a run is given that is not part of its conversation: where it runs, how it goes about it, who answers and who watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from agentgraph.conversation.frozen import EMPTY
from agentgraph.definition.model import Model
from agentgraph.machine.machine import Machine
from agentgraph.runtime.callbacks import Listeners
from agentgraph.runtime.config import RunConfig


class Surroundings(Struct, frozen=True):
    """What a run is given that is not part of its conversation."""

    machine: Machine
    config: RunConfig
    models: Callable[[str], Model]
    listeners: Listeners
    streaming: bool = False
    """Whether models are asked to write piece by piece."""
    collecting: bool = False
    """Whether observations are kept in the outbox for who drives the run."""
    approvals: Mapping[str, bool | str] = EMPTY
    deps: Any = None
    """What tools are handed: `ctx.deps`."""

    def __repr__(self) -> str:
        return f"Surroundings({self.machine!r})"
