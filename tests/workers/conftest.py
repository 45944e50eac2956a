"""Workers are processes, and take their time: `make test-all` runs these, `make test` does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stores.conftest import crashing, database, postgres

__all__ = ["crashing", "database", "postgres"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.load)
