"""Mermaid itself, where `make setup-mermaid` could fetch it."""

from __future__ import annotations

import importlib.util
import os
from functools import cache

import pytest

from tests.pictures.mermaid_parser import HOME, VERSIONS, Mermaid


@cache
def asked(version: str) -> Mermaid:
    """The parser of one version."""
    script = HOME / version / "mermaid.min.js"
    missing = not script.exists() or importlib.util.find_spec("py_mini_racer") is None
    if missing and os.environ.get("CI"):
        pytest.fail(f"Mermaid {version} is not there, and CI may not skip it: make setup-mermaid")
    if missing:
        pytest.skip(f"Mermaid {version} is not there: make setup-mermaid")
    return Mermaid(script)


@pytest.fixture(scope="session")
def mermaid() -> Mermaid:
    """Mermaid's own parser, the newest."""
    return asked(VERSIONS[-1])


@pytest.fixture(params=VERSIONS, scope="session")
def any_mermaid(request: pytest.FixtureRequest) -> Mermaid:
    """Each parser in turn."""
    return asked(request.param)
