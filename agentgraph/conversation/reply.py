"""What a model answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import force_setattr

from agentgraph.conversation.frozen import FrozenDict
from agentgraph.conversation.message import TEXT_OR_NONE, ToolCall
from agentgraph.conversation.usage import NO_USAGE, Usage
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_CALLS = {ToolCall}


class Reply(Struct, frozen=True, gc=False, omit_defaults=True):
    """One answer of a model: text, tool calls, or both; and what it used."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = NO_USAGE
    finish_reason: str | None = None
    reasoning: str | None = None
    """What the model thought, as text for people."""
    provider_data: FrozenDict | None = None
    """What the provider attached, to be given back to it: JSON with a "family"."""

    if TYPE_CHECKING:

        def __init__(
            self,
            text: str | None = ...,
            tool_calls: ToolCall | Iterable[ToolCall] = ...,
            usage: Usage = ...,
            finish_reason: str | None = ...,
            reasoning: str | None = ...,
            provider_data: Mapping[str, Any] | None = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        calls: Any = self.tool_calls
        if type(calls) is not tuple:
            force_setattr(self, "tool_calls", (calls,) if isinstance(calls, ToolCall) else tuple(calls))
        made: Any = self.tool_calls
        if type(self.text) not in TEXT_OR_NONE or type(self.usage) is not Usage or (made and set(map(type, made)) != _CALLS):
            text, usage = self.text, self.usage
            message = f"a reply has text={text!r:.40}, tool_calls={self.tool_calls!r:.40}, usage={usage!r:.40}; give text or None, ToolCalls, and a Usage"
            raise ContextError(message, self)


def call(tool: str, /, **arguments: Any) -> ToolCall:
    """A call of `tool`. The engine gives it an id.

    >>> call("check_balance", account_id="ACC-17")
    ToolCall(id='', name='check_balance', arguments={'account_id': 'ACC-17'}, text=None)
    """
    return ToolCall("", tool, arguments)
