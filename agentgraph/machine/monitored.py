"""Which monitors may watch a machine: those that tell themselves apart, and speak of what is there."""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_args

from agentgraph.conversation.happening import HappeningKind
from agentgraph.conversation.shown import failure
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.machine.happening import SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agentgraph.machine.happening import Monitor, NameKind
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
        words, names = _described(machine, monitor)
        if words in monitors:
            raise DefinitionError(f"{machine.name!r} was given {words} twice; once is enough")
        for kind, name in names:
            if name not in known.get(kind, ()):
                raise DefinitionError(
                    f"{words} speaks of {name!r}, but {machine.name!r} has no such {kind}; it has {listed(known.get(kind, ()))}"
                )
        monitors[words] = monitor
    if machine.monitors and monitors:
        raise DefinitionError(f"{machine!r} is monitored already; give all monitors at once to a machine that has none")
    return MappingProxyType(monitors) if monitors else NOT_WATCHED


def _described(machine: Machine, monitor: Monitor) -> tuple[str, list[tuple[NameKind, str]]]:
    """What `monitor` demands, in words, and what it speaks of.

    Raises:
        DefinitionError: where it cannot say so.
    """
    try:
        words, names, kinds = str(monitor), [(kind, name) for kind, name in monitor.names], getattr(monitor, "kinds", SHOWN)
    except Exception as wrong:
        raise DefinitionError(
            f"{machine.name!r} was given a {type(monitor).__name__} that cannot say what it demands: {failure(wrong)}"
        ) from wrong
    every = get_args(HappeningKind)
    if isinstance(kinds, str) or not isinstance(kinds, Collection) or not all(kind in every for kind in kinds):
        raise DefinitionError(f"{words} has kinds={kinds!r:.60}; give a set of {', '.join(every)}")
    return words, names


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
