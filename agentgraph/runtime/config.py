"""How runs go about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.context import Settings
from agentgraph.conversation.frozen import EMPTY, freeze_settings
from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.secret import Secret
from agentgraph.definition.decision import Factory, Handler
from agentgraph.definition.model import Model
from agentgraph.definition.tool import checked_function
from agentgraph.errors import ContextError, DefinitionError

_WHOLE_NUMBERS = ("max_turns", "tool_output_limit", "arguments_limit", "input_limit", "tool_concurrency")
_PAIR = ("factory", "handler")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Settings of a runner or of one run. Frozen; `replace` gives a changed copy.

    Raises:
        DefinitionError: for a value that cannot mean anything.
    """

    max_turns: int = 10
    """Model calls in one run."""
    model: str | Model | None = None
    """Answers for every agent, in place of their own models."""
    params: Mapping[str, Any] = field(default=EMPTY, repr=False)
    """Sent with every model call; keys given here win over the agent's."""
    headers: Mapping[str, str | Secret] = field(default=EMPTY, repr=False)
    deps: Any = field(default=None, repr=False)
    """Live objects for tools, such as a database pool: handed over as `ctx.deps`, by reference, never copied and never stored."""
    parallel_tools: bool = True
    tool_concurrency: int | None = None
    """How many tools of one reply may run at the same time; None for all of them."""
    tool_output_limit: int = 100_000
    """Characters of one tool's output that the model is shown; the trace keeps all of it."""
    arguments_limit: int = 1_000_000
    """Characters that the arguments of one call may have; a call with more is answered as an error, and its tool is not run."""
    input_limit: int = 1_000_000
    """Characters of text that one message of the user's may have; a run with more does not begin."""
    budget: Budget | None = None
    approve: Callable[[ToolCall], bool | str] | None = None
    """Decides at once about tools that need approval: True, False, or why not. Without it the run stops, and the context says
    what is pending."""
    run_context: tuple[Factory, Handler] | None = None
    settings: Settings = field(init=False, repr=False, compare=False)
    """What the engine must know of this."""

    def __post_init__(self) -> None:
        for option in _WHOLE_NUMBERS:
            value = getattr(self, option)
            if not (type(value) is int and value >= 1) and not (value is None and option == "tool_concurrency"):
                raise DefinitionError(f"RunConfig has {option}={value!r}; give a whole number of at least 1")
        if type(self.parallel_tools) is not bool:
            raise DefinitionError(f"RunConfig has parallel_tools={self.parallel_tools!r:.60}; give True or False")
        given: Any = self.model
        if isinstance(given, type) or (isinstance(given, str) and not given.strip()):
            raise DefinitionError(f"RunConfig has model={self.model!r:.60}; give a litellm model name, or an object with reply(request)")
        if self.model is not None and not isinstance(self.model, str) and not callable(getattr(self.model, "reply", None)):
            raise DefinitionError(f"RunConfig has model={self.model!r}; give a litellm model name, or an object with reply(request)")
        if self.budget is not None and not isinstance(self.budget, Budget):
            raise DefinitionError(f"RunConfig has budget={self.budget!r}; give a Budget(...)")
        pair: Any = () if self.run_context is None else self.run_context
        if not isinstance(pair, tuple) or (self.run_context is not None and len(pair) != len(_PAIR)):
            raise DefinitionError(f"RunConfig has run_context={pair!r:.60}; give (factory, handler)")
        for option, function in (("approve", self.approve), *zip(_PAIR, pair, strict=False)):
            if function is not None:
                checked_function(function, f"RunConfig: {option}")
        for option in ("params", "headers"):
            try:
                object.__setattr__(self, option, freeze_settings(dict(getattr(self, option)), option))
            except (ContextError, TypeError, ValueError) as wrong:
                raise DefinitionError(f"RunConfig has {option} that are not a dict of JSON values: {wrong}") from wrong
        handled = self.run_context is not None
        settings = Settings(self.max_turns, self.parallel_tools, handled, self.tool_output_limit, self.arguments_limit, self.budget)
        object.__setattr__(self, "settings", settings)

    def with_run_context(self, factory: Factory, handler: Handler) -> RunConfig:
        """A copy whose runs carry a value of yours: `factory()` makes it, `handler(value, output)` follows every tool's output."""
        return replace(self, run_context=(factory, handler))

    def replace(self, **changes: Any) -> RunConfig:
        """A changed copy."""
        return replace(self, **changes)


DEFAULT = RunConfig()
