"""Which monitors may watch a machine: those that tell themselves apart, and speak of what is there."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agentgraph.machine.happening import Monitor
    from agentgraph.machine.machine import Machine

NOT_WATCHED: Mapping[str, Monitor] = MappingProxyType({})


def checked_monitors(machine: Machine, given: Any) -> Mapping[str, Monitor]:
    """The monitors that were `given` for `machine`, by what each demands.

    Raises:
        DefinitionError: for what is no monitor, for two that demand the same, and for names that are not in `machine`.
    """
    monitors: dict[str, Monitor] = {}
    known = _names(machine)
    for monitor in _several(given):
        if not _is_monitor(monitor):
            raise DefinitionError(f"{machine.name!r} was given the monitor {monitor!r:.60}; give a spec, such as never(calls('refund'))")
        words = str(monitor)
        if words in monitors:
            raise DefinitionError(f"{machine.name!r} was given {words} twice; once is enough")
        for kind, name in monitor.names:
            if name not in known.get(kind, ()):
                raise DefinitionError(
                    f"{words} speaks of {name!r}, but {machine.name!r} has no such {kind}; it has {listed(known.get(kind, ()))}"
                )
        monitors[words] = monitor
    if machine.monitors and monitors:
        raise DefinitionError(f"{machine!r} is monitored already; give all monitors at once to a machine that has none")
    return MappingProxyType(monitors) if monitors else NOT_WATCHED


def _is_monitor(given: Any) -> bool:
    is_value = not isinstance(given, type) and type(getattr(given, "start", None)) is int and hasattr(given, "names")
    return is_value and all(callable(getattr(given, method, None)) for method in ("after", "sees"))


def _several(given: Any) -> list[Any]:
    try:
        return list(given)
    except TypeError:
        raise DefinitionError(f"monitors is {given!r:.60}; give a list of specs") from None


def _names(machine: Machine) -> dict[str, dict[str, None]]:
    """What there is to speak of, also inside tools that are agents, in the order written."""
    known: dict[str, dict[str, None]] = {"agent": {}, "tool": {}, "group": {}}
    for each in _and_inside(machine):
        known["agent"] |= dict.fromkeys(each.agents)
        known["tool"] |= dict.fromkeys(tool.name for agent in each.agents.values() for tool in agent.tools)
        known["group"] |= dict.fromkeys((*each.groups, *(group for agent in each.agents for group in each.entering(agent).groups)))
    return known


def _and_inside(machine: Machine) -> Iterator[Machine]:
    yield machine
    tools: Iterable[Any] = (tool for agent in machine.agents.values() for tool in agent.tools if tool.agent is not None)
    for tool in tools:
        yield from _and_inside(machine.nested(tool))
