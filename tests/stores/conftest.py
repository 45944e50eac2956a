"""Every promise of a store is held by each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agentgraph import Store, open_store
from tests.stores.cluster import Cluster, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The server; with xdist, one for each worker."""
    with cluster() as server:
        yield server


@pytest.fixture
def crashing() -> Iterator[Cluster]:
    """A server for one test, which may crash it: it comes back the sooner the fewer databases it has."""
    with cluster() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store that other processes can open too."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/kept.db"
    server: Cluster = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    match request.param:
        case "memory":
            url = "memory:"
        case "sqlite":
            url = f"sqlite:///{tmp_path}/kept.db"
        case _:
            url = request.getfixturevalue("postgres").database()
    opened = open_store(url)
    yield opened
    opened.close()
