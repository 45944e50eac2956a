"""What a command is about: `module:attribute`, `path/to/file.py:attribute`, or a saved topology.

Naming a module or a .py file executes it, as importing does; a saved topology is only data. Nothing is looked up on a
path that was not named, and the attribute is a plain dotted name: no calls, nothing private.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from agentgraph.agent_graph import AgentGraph
from agentgraph.definition.agent import Agent
from agentgraph.definition.group import AgentGroup
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import Topology
from agentgraph.machine.machine import Machine
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.config import RunConfig
from agentgraph.views.compare.comparing import as_topology

TOPOLOGY_FILES = (".json", ".yaml", ".yml")
_FORMS = "give module:attribute, path/to/file.py:attribute, or a saved topology (.json, .yaml)"


def runner_at(target: str) -> AgentRunner:
    """The runner that `target` names, or one for the graph, machine, agent or group that it names.

    Raises:
        DefinitionError: saying what of `target` could not be found.
    """
    found = value_at(target)
    return found if isinstance(found, AgentRunner) else AgentRunner(found)


@cache  # a document names one graph several times; its file is run once
def topology_at(target: str) -> Topology:
    """The topology that `target` names, or that what it names was made of.

    Raises:
        DefinitionError: saying what of `target` could not be found.
    """
    found = value_at(target)
    if isinstance(found, Agent | AgentGroup):
        return AgentGraph.of(found, name=found.name)
    return as_topology(found.machine if isinstance(found, AgentRunner) else found)


def configured(runner: AgentRunner, target: str, model: str | None) -> RunConfig:
    """The config of `runner`, which `target` named, with `model` in place of the agents' own where one is given.

    Raises:
        DefinitionError: when nobody could answer.
    """
    if model is not None and not model.strip():
        raise DefinitionError("--model is empty; give a litellm model name, such as openai/gpt-5-mini")
    config = runner.config.replace(model=model) if model is not None else runner.config
    if target.endswith(TOPOLOGY_FILES) and config.model is None:
        raise DefinitionError(f"{target} is a saved topology, which holds no code; name a model with --model, or the graph in its module")
    return config


def look_in(folder: Path | None) -> None:
    """Let modules be found in `folder`, before anywhere else.

    Raises:
        DefinitionError: when there is no such folder.
    """
    if folder is None:
        return
    if not folder.is_dir():
        raise DefinitionError(f"there is no folder {str(folder)!r} to look for modules in")
    sys.path.insert(0, str(folder.resolve()))


def value_at(target: str) -> Any:
    """The graph, runner, machine, agent or group that `target` names."""
    if target.endswith(TOPOLOGY_FILES):
        return AgentGraph.load(target)
    found = attribute_at(target)
    if not isinstance(found, AgentRunner | Topology | Machine | Agent | AgentGroup):
        raise DefinitionError(f"{target!r} is a {type(found).__name__}; name an AgentGraph, an AgentRunner, an agent or a group")
    return found


def attribute_at(target: str) -> Any:
    """Whatever `target` names in a module or a .py file.

    Raises:
        DefinitionError: saying what of `target` could not be found.
    """
    where, colon, attribute = target.rpartition(":")
    if not colon or not where or not attribute:
        hint = f"; {_suggested(_file(target))}" if target.endswith(".py") and Path(target).is_file() else ""
        raise DefinitionError(f"{target!r} names nothing that can be run; {_FORMS}{hint}")
    if not all(part.isidentifier() and not part.startswith("_") for part in attribute.split(".")):
        raise DefinitionError(f"{attribute!r} in {target!r} is not a public dotted name; {_FORMS}")
    module = found = _file(where) if where.endswith(".py") else _module(where)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise DefinitionError(f"{where} has no {attribute!r}; {_suggested(module)}")
        found = getattr(found, part)
    return found


def _module(name: str) -> Any:
    if not all(part.isidentifier() for part in name.split(".")):
        raise DefinitionError(f"{name!r} is not the name of a module; {_FORMS}")
    try:
        return import_module(name)
    except ImportError as wrong:
        raise DefinitionError(
            f"the module {name!r} cannot be imported ({wrong}); is it installed, or did you mean a file, such as {name}.py:graph?"
        ) from wrong
    except (Exception, SystemExit) as wrong:
        raise DefinitionError(f"the module {name!r} failed while it was imported: {type(wrong).__name__}: {wrong}") from wrong


def _file(name: str) -> Any:
    path = Path(name)
    if not path.is_file():
        raise DefinitionError(f"there is no file {name!r}")
    spec = spec_from_file_location(f"agentgraph_target_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.resolve().parent))  # as `python file.py` does: its tools may import their neighbours later
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as wrong:
        raise DefinitionError(f"{name} failed while it was read: {type(wrong).__name__}: {wrong}") from wrong
    return module


def _suggested(module: Any) -> str:
    names = [
        name
        for name, value in vars(module).items()
        if isinstance(value, AgentRunner | Topology | Machine | Agent | AgentGroup) and not name.startswith("_")
    ]
    return f"it has {', '.join(names)}" if names else "it has no graph, runner, agent or group"
