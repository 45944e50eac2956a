"""Conversations for tests: strategies and a state machine for Hypothesis, and mutations. Needs the extra [testing].

Loaded when it is first used, so that the pytest plugin beside it costs nothing where it is not asked for anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentgraph.testing.mutating import MUTATIONS as MUTATIONS, Mutation as Mutation, mutations as mutations
    from agentgraph.testing.reference import Deviation as Deviation
    from agentgraph.testing.state_machine import machine as machine
    from agentgraph.testing.strategies import contexts as contexts, graphs as graphs, runs as runs
    from agentgraph.testing.stubs import stubbed as stubbed

_HOME = {
    "Deviation": "reference",
    "MUTATIONS": "mutating",
    "Mutation": "mutating",
    "contexts": "strategies",
    "graphs": "strategies",
    "machine": "state_machine",
    "mutations": "mutating",
    "runs": "strategies",
    "stubbed": "stubs",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names, above


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'agentgraph.testing' has no attribute {name!r}")
        try:
            value = getattr(import_module(f"agentgraph.testing.{_HOME[name]}"), name)
        except ModuleNotFoundError as missing:
            if missing.name not in {"hypothesis", "pytest"}:
                raise
            raise ModuleNotFoundError(
                f"agentgraph.testing needs {missing.name}, which is not installed; pip install 'agentgraph-fsm[testing]'", name=missing.name
            ) from None
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
