"""What importing the package costs."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest


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
        "sqlite3",
        "psycopg",
    }


@pytest.mark.parametrize("face", ["agentgraph", "agentgraph.checks", "agentgraph.engine", "agentgraph.models", "agentgraph.testing"])
def test_every_exported_name_is_there(face: str) -> None:
    module = import_module(face)

    for name in module.__all__:
        assert getattr(module, name) is not None


def test_what_a_type_checker_reads_is_what_there_is() -> None:
    """The two lists of names in the package's face are one."""
    import re
    from pathlib import Path

    import agentgraph

    text = Path(agentgraph.__file__).read_text(encoding="utf-8")
    typed = set(re.findall(r"\b(\w+) as \1\b", text))

    assert typed == set(agentgraph.__all__) - {"__version__"}
