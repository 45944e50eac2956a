"""Callbacks: functions that are told of observations. Registered on a runner, chainable, usable as decorators."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from agentgraph.errors import DefinitionError
from agentgraph.runtime.observations import (
    AgentCompleted,
    AgentHandoff,
    AgentThinking,
    LLMCallComplete,
    Observation,
    RunCompleted,
    RunStarted,
    ToolCompleted,
    ToolRefused,
    ToolStarted,
)

logger = logging.getLogger("agentgraph")

Callback = Callable[[Any], object]
Listeners = Mapping[type[Observation], tuple[Callback, ...]]

NOBODY: Listeners = MappingProxyType({})

EVENTS: Mapping[str, type[Observation]] = MappingProxyType(
    {
        "on_run_start": RunStarted,
        "on_agent_thinking": AgentThinking,
        "on_llm_call_complete": LLMCallComplete,
        "on_tool_start": ToolStarted,
        "on_tool_complete": ToolCompleted,
        "on_tool_refused": ToolRefused,
        "on_agent_handoff": AgentHandoff,
        "on_agent_complete": AgentCompleted,
        "on_run_complete": RunCompleted,
    }
)


def with_callback(listeners: Listeners, event: str, callback: Callback) -> Listeners:
    """`listeners` and one more. A new mapping: runs in flight keep the one they began with."""
    given: Any = callback
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise DefinitionError(f"{event} was given {callback!r:.60}; give a plain function of one argument, the {EVENTS[event].__name__}")
    kind = EVENTS[event]
    return MappingProxyType({**listeners, kind: (*listeners.get(kind, ()), callback)})


def tell(listeners: Listeners, observation: Observation) -> None:
    """Call who listens, in the order of registration. What one raises is logged and changes nothing."""
    for callback in listeners.get(type(observation), ()):
        try:
            callback(observation)
        except Exception:
            logger.exception("a callback for %s failed; the run goes on", type(observation).__name__)
