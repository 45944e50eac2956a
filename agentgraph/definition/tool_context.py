"""What a tool is handed beside its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.frozen import EMPTY, FrozenDict, freeze

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.conversation.history import History


class ToolContext:
    """The conversation as one tool call sees it. Reading is free; `update` is the only way to write.

    Annotate a parameter of the tool with this type, wherever it stands: it is filled in and never shown to the model.
    """

    __slots__ = ("_snapshot", "_updates", "call_id", "tool")

    def __init__(self, snapshot: Context, call_id: str, tool: str) -> None:
        self._snapshot = snapshot
        self._updates = EMPTY
        self.call_id = call_id
        self.tool = tool

    @property
    def agent(self) -> str:
        """Whose tool this is."""
        return self._snapshot.agent or ""

    @property
    def data(self) -> FrozenDict:
        """The shared data, read-only, with this call's own updates."""
        return FrozenDict({**self._snapshot.data, **self._updates}) if self._updates else self._snapshot.data

    @property
    def facts(self) -> frozenset[str]:
        """The facts that earlier tools have set."""
        return self._snapshot.facts

    @property
    def messages(self) -> History:
        """What has been said up to this call."""
        return self._snapshot.messages

    @property
    def updates(self) -> FrozenDict:
        """What this call has changed so far."""
        return self._updates

    def update(self, **changes: Any) -> None:
        """Change the shared data. Committed with the call's result, in call order: of two calls the later wins.

        Raises:
            ContextError: for a value that JSON cannot hold, with its path.
        """
        self._updates = FrozenDict({**self._updates, **freeze(changes)})
