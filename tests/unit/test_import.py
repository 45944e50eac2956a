"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys


def test_import_loads_nothing_that_can_wait() -> None:
    code = "import sys, agentgraph; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())

    assert not loaded & {
        "litellm",
        "graphviz",
        "hypothesis",
        "networkx",
        "pydantic",
        "transitions",
        "asyncio",
        "typer",
        "rich",
        "yaml",
        "jsonschema",
    }


def test_every_exported_name_is_there() -> None:
    import agentgraph

    for name in agentgraph.__all__:
        assert getattr(agentgraph, name) is not None
