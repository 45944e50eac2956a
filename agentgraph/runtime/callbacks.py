"""Callbacks: functions that are told of observations. Registered on a runner, chainable, usable as decorators."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agentgraph.errors import DefinitionError
from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.runtime.observations import Observation

Callback = Callable[[Any], object]
Listeners = Mapping[type, tuple[Callback, ...]]

NOBODY: Listeners = MappingProxyType({})


def with_callback(listeners: Listeners, kind: type[Observation], callback: Callback) -> Listeners:
    """`listeners` and one more. A new mapping: runs in flight keep the one they began with."""
    given: Any = callback
    if not callable(given) or inspect.iscoroutinefunction(callback):
        raise DefinitionError(
            f"a callback for {kind.__name__} is {callback!r:.60}; give a plain function of one argument, the {kind.__name__}; one decorator a function, since it gives the runner back"
        )
    return MappingProxyType({**listeners, kind: (*listeners.get(kind, ()), callback)})


def tell(listeners: Listeners, observation: Observation) -> None:
    """Call who listens, in the order of registration. What one raises is logged and changes nothing."""
    for callback in listeners.get(type(observation), ()):
        try:
            callback(observation)
        except Exception:
            logger.exception("a callback for %s failed; the run goes on", type(observation).__name__)
