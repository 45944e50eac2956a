"""What a tool is handed beside its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from agentgraph.conversation.frozen import EMPTY, FrozenDict, freeze
from agentgraph.conversation.secret import redacted_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import TypeVar

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.history import History

    Deps = TypeVar("Deps", default=Any)
else:
    from typing import TypeVar

    Deps = TypeVar("Deps")


class ToolContext(Generic[Deps]):
    """The conversation as one tool call sees it. Reading is free; `update` is the only way to write.

    Annotate a parameter of the tool with this type, wherever it stands: it is filled in and never shown to the model.
    `ToolContext[Shop]` says what `deps` is.
    """

    __slots__ = ("_origin", "_snapshot", "_updates", "call_id", "deps", "tool")

    def __init__(self, snapshot: Context, call_id: str, tool: str, deps: Deps, origin: Callable[[], str]) -> None:
        self._snapshot, self._origin = snapshot, origin
        self._updates = EMPTY
        self.call_id = call_id
        self.tool = tool
        self.deps = deps
        """The live objects that the run was given: the same for all its tools, by reference, never stored."""

    @property
    def idempotency_key(self) -> str:
        """The same each time this call is run, and of no other call: for who must not do a thing twice.

        It outlives a crash where the conversation is kept in a store; a run that is not has new ones each time it is taken up.
        """
        return f"{self._origin()}/{self.call_id}"

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
        self._updates = FrozenDict({**self._updates, **redacted_json(freeze(changes))})
