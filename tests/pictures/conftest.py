"""Mermaid itself, where `make setup-mermaid` could fetch it."""

from __future__ import annotations

import importlib.util
import os

import pytest

from tests.pictures.mermaid_parser import HOME, Mermaid


@pytest.fixture(scope="session")
def mermaid() -> Mermaid:
    """Mermaid's own parser."""
    scripts = sorted(HOME.glob("*/mermaid.min.js"))
    missing = not scripts or importlib.util.find_spec("py_mini_racer") is None
    if missing and os.environ.get("CI"):
        pytest.fail("Mermaid is not there, and CI may not skip it: make setup-mermaid")
    if missing:
        pytest.skip("Mermaid is not there: make setup-mermaid")
    return Mermaid(scripts[-1])
