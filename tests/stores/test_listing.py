"""A page of a list is found by the index, and holds what begins with the prefix."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

import psycopg
import pytest
from hypothesis import example, given, strategies as st

from agentgraph import Entry, Store, StoreError, open_store
from agentgraph.conversation.store import key_of
from agentgraph.stores.sql import SQLStore
from agentgraph.stores.sqlite import SQLiteStore
from tests.stores.cluster import Cluster

LETTERS = ["a", "b", " ", "}", "~", "\x7f", "\x00", '"', "\\", "\u00e9", "\ud800", "\U0001f680"]
"""Before and behind others in every order that one might mean; the last that a key may have."""


def ids() -> list[str]:
    return ["".join(letters) for count in (1, 2) for letters in product(LETTERS, repeat=count)] + [
        "~" * 3,
        "~" * 1_000,
        "ab" * 400,
        "a" * 1_000,
    ]


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that has a conversation of each id."""
    match request.param:
        case "memory":
            url = "memory:"
        case "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('listed')}/kept.db"
        case _:
            url = request.getfixturevalue("postgres").database()
    with open_store(url) as store:
        if isinstance(store, SQLiteStore):
            assert store._open is not None
            store._open.execute("PRAGMA synchronous = OFF")
        for name in ids():
            store.lease(name, "me", 30)
            store.append(name, "me", [Entry(0, "", "{}", True, "", under_way=False)], 0)
        yield store


def can_be(text: str) -> bool:
    try:
        return text == "" or bool(key_of(text))
    except StoreError:
        return False


texts = st.text(st.sampled_from([*LETTERS, "A", "c", "!", "\x1f"]), max_size=3).filter(can_be)


@given(prefix=texts, after=texts, limit=st.integers(0, 200))
@example(prefix="", after="", limit=200)
@example(prefix="~", after="", limit=200)
@example(prefix="a~", after="", limit=200)
@example(prefix="~" * 1_000, after="", limit=200)
@example(prefix="a" * 1_000, after="", limit=200)
def test_a_page_has_what_begins_with_the_prefix_and_nothing_else(filled: Store, prefix: str, after: str, limit: int) -> None:
    begins, behind = (key_of(text) if text else "" for text in (prefix, after))
    keys = sorted(key for key in map(key_of, ids()) if key.startswith(begins) and key > behind)

    assert [key_of(found.id) for found in filled.list(prefix, after, limit)] == keys[:limit]


Page = tuple[tuple[str, str], list[tuple[str, tuple[object, ...]]]]
PAGES = {"no prefix": ("", ""), "a prefix": ("b", ""), "the next page": ("b", "ba"), "behind another": ("b", "a")}


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Page:
    """What is asked for, and the statements that are asked."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    read = SQLStore._read

    def watched(store: SQLStore, statement: str, *values: object) -> object:
        asked.append((store._said(statement), values))
        return read(store, statement, *values)

    monkeypatch.setattr(SQLStore, "_read", watched)
    return PAGES[request.param], asked


def test_sqlite_finds_a_page_by_its_index(tmp_path: Path, page: Page) -> None:
    (prefix, after), asked = page
    with SQLiteStore(tmp_path / "kept.db") as store:
        store.list(prefix, after)
    with closing(sqlite3.connect(tmp_path / "kept.db")) as file:
        plan = [row[3] for statement, values in asked for row in file.execute(f"EXPLAIN QUERY PLAN {statement}", values)]

    bounds = "id>? AND id<?" if prefix == "b" else "id>?"
    assert plan == [f"SEARCH agentgraph_conversations USING INDEX sqlite_autoindex_agentgraph_conversations_1 ({bounds})"]


def test_postgres_finds_a_page_by_its_index(postgres: Cluster, page: Page) -> None:
    (prefix, after), asked = page
    url = postgres.database()
    with open_store(url) as store:
        store.list(prefix, after)
    with psycopg.connect(url) as server:
        server.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")  # which is the better for a table that is empty
        plan = [row[0].strip() for statement, values in asked for row in server.execute(f"EXPLAIN {statement}", values)]

    (condition,) = (line for line in plan if line.startswith("Index Cond:"))
    assert f"(id >= '{max(prefix, after)}'" in condition
    assert ("id < 'c'" in condition) == (prefix == "b")
    assert not any(line.startswith("Sort") for line in plan)
