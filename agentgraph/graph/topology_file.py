"""A topology as plain data, in JSON or YAML: names, tools' names, handoffs, groups. No code, so that it can be drawn and
checked without importing the application; and the fingerprint, which is read off the same data.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agentgraph.conversation.frozen import thaw
from agentgraph.definition.agent import Agent
from agentgraph.definition.group import AgentGroup
from agentgraph.definition.handoff import Handoff
from agentgraph.definition.tool import Tool
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology_reader import KEY, VERSION, from_data

if TYPE_CHECKING:
    from agentgraph.graph.topology import Topology

T = TypeVar("T", bound="Topology")
_YAML = (".yaml", ".yml")
_LARGEST = 64 * 1024 * 1024
_MOST = 10_000_000  # values: a thousand agents with everything have some fifty thousand


def save(topology: Topology, path: str | Path) -> None:
    """Write `topology` to a .json, .yaml or .yml file.

    Raises:
        DefinitionError: for another ending, and for a file that cannot be written.
    """
    file = Path(path)
    data = as_data(topology)
    if file.suffix in _YAML:
        import yaml

        readable = "\x85" not in json.dumps(data, ensure_ascii=False)  # PyYAML writes a raw NEL, and reads it back as a blank
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=readable, width=120)
    else:
        _check_suffix(file)
        text = json.dumps(data, indent=1) + "\n"
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as wrong:
        raise DefinitionError(f"{file} cannot be written: {wrong.strerror or wrong}") from wrong


def load(topology_type: type[T], path: str | Path) -> T:
    """The topology in a file that `save` wrote, or that somebody wrote by hand.

    Raises:
        DefinitionError: naming the file, the place in it, what was found and what was expected.
    """
    file = Path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise DefinitionError(f"{file} is larger than {_LARGEST:,} bytes; a topology is names and edges only")
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise DefinitionError(f"{file} cannot be read: {wrong}") from wrong
    try:
        return from_data(topology_type, _parsed(text, file), str(file))
    except RecursionError:
        raise DefinitionError(f"{file} is nested too deeply; a topology is names and edges only") from None


def _parsed(text: str, file: Path) -> Any:
    if file.suffix in _YAML:
        import yaml

        try:
            data = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError, ValueError) as wrong:
            raise DefinitionError(f"{file} is not YAML: {' '.join(str(wrong).split())}") from wrong
        if "*" in text and _counted(data, _MOST) < 0:
            raise DefinitionError(f"{file} means more than {_MOST:,} values when its aliases are written out; write fewer")
        return data
    _check_suffix(file)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise DefinitionError(f"{file} is not JSON: {wrong}") from wrong


def _counted(data: Any, left: int) -> int:
    """`left` less the values in `data`, each as often as an alias stands for it; negative when they are more."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            left = _counted(item, left - 1)
            if left < 0:
                break
    return left


def _check_suffix(file: Path) -> None:
    if file.suffix != ".json":
        raise DefinitionError(f"{file} ends with {file.suffix!r}; a topology is kept in a .json, .yaml or .yml file")


def as_data(topology: Topology) -> dict[str, Any]:
    """`topology` as JSON values, in the order it was written; what is default is left out."""
    return _lean(
        {
            KEY: VERSION,
            "name": topology.name,
            "entry": list(topology.entries),
            "home": topology.home,
            "human": list(topology.human) if isinstance(topology.human, tuple) else topology.human,
            "agents": [_agent(agent) for agent in topology.agents.values()],
            "handoffs": [_handoff(source, handoff) for source, handoff in topology.written],
            "groups": [
                _lean({"name": g.name, "root": g.root, "members": list(g.members), "in": g.parent, "description": g.description})
                for g in topology.groups.values()
            ],
        }
    )


def _agent(agent: Agent) -> dict[str, Any]:
    return _lean(
        {
            "name": agent.name,
            "description": agent.description,
            "tools": [_tool(tool) for tool in agent.tools],
            "may_finish": None if agent.may_finish else False,
        }
    )


def _tool(tool: Tool) -> dict[str, Any]:
    return _lean(
        {
            "name": tool.name,
            "description": tool.description,
            "sets": sorted(tool.sets),
            "requires": sorted(tool.requires),
            "final": tool.final or None,
            "needs_approval": bool(tool.needs_approval) or None,
            "agent": _inner(tool.agent) if tool.agent is not None else None,
        }
    )


def _inner(who: Agent | AgentGroup) -> dict[str, Any]:
    """An agent behind a tool, or a group, which is a topology of its own."""
    if isinstance(who, Agent):
        return _agent(who)
    from agentgraph.graph.topology import Topology  # here, since a topology is read by its fingerprint

    return {"group": who.name, "topology": as_data(Topology.of(who, name=who.name))}


def _handoff(source: str, handoff: Handoff) -> dict[str, Any]:
    return _lean(
        {
            "from": source,
            "to": handoff.target_name,
            "tool": handoff.tool_name,
            "description": handoff.description,
            "requires": sorted(handoff.requires),
            "conditional": True if handoff.when is not None else None,
            "payload": thaw(handoff.payload_shape.schema) if handoff.payload_shape else None,
        }
    )


def _lean(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value not in (None, "", [])}


def deciding(topology: Topology) -> dict[str, Any]:
    """What decides who can hand over to whom, when, and what tools are at hand, as JSON values; order does not matter.

    A handoff is [source, target, tool, the facts it needs, whether it has a condition, whether it has a payload].
    """
    return {
        "entry": topology.entries,
        "agents": _undescribed(sorted((_agent(agent) for agent in topology.agents.values()), key=lambda a: str(a["name"]))),
        "handoffs": sorted(
            [e.source, e.target, e.tool, sorted(e.handoff.requires), e.handoff.when is not None, e.handoff.payload_shape is not None]
            for e in topology.edges
        ),
        "groups": sorted([g.name, g.root, sorted(g.members)] for g in topology.groups.values()),
    }


def fingerprint_of(topology: Topology) -> str:
    """A hash of what decides."""
    return sha256(json.dumps(deciding(topology), sort_keys=True).encode()).hexdigest()[:16]


def _undescribed(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _undescribed(value) for key, value in data.items() if key != "description"}
    if isinstance(data, list | tuple):
        items = [_undescribed(item) for item in data]
        return sorted(items, key=json.dumps) if items and isinstance(items[0], dict) else items
    return data
