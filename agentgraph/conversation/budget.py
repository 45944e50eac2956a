"""What one run may use, beside its model calls."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from agentgraph.errors import DefinitionError


class Budget(Struct, frozen=True, gc=False, omit_defaults=True):
    """Limits of one run; None is no limit. They start with the run, and resuming it does not reset them; the time between, when
    nobody was at work, does not count. An agent used as a tool may use what is left.

    Raises:
        DefinitionError: for a limit that is not a number above zero.
    """

    tokens: int | None = None
    """In and out together. Looked at before each model call."""
    cost: float | None = None
    """US dollars, as far as prices are known. Looked at before each model call."""
    seconds: float | None = None
    tool_calls: int | None = None
    handoffs: int | None = None
    visits: int | None = None
    """How often one agent may take over in a run: what bounds going round in a cycle."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: Any = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
                raise DefinitionError(f"Budget has {name}={value!r}; give a number above 0, or None for no limit")
