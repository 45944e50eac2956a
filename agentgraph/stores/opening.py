"""A store by its URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from agentgraph.conversation.store import Store
from agentgraph.errors import DefinitionError
from agentgraph.stores.memory import MemoryStore
from agentgraph.stores.postgres import PostgresStore
from agentgraph.stores.sqlite import SQLiteStore

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_KINDS: dict[str, Callable[[str, bool], Store]] = {
    "memory:": lambda _url, _create: MemoryStore(),
    _SQLITE: lambda url, create: SQLiteStore(unquote(url.removeprefix(_SQLITE)), create=create),
    **dict.fromkeys(_POSTGRES, lambda url, create: PostgresStore(url, create=create)),
}
_KNOWN = "'memory:', 'sqlite:///relative.db', 'sqlite:////absolute/file.db', 'postgresql://user@host/database'"


def open_store(url: str, *, create: bool = True) -> Store:
    """The store at `url`. Where there is none it is made, or refused when `create` is false.

    >>> open_store("memory:")
    MemoryStore(0 conversations)

    Raises:
        DefinitionError: for a URL that means none, or cannot be read, saying which do.
        StoreError: when it cannot be opened, and when it is not there and not to be made.
    """
    given: Any = url
    if isinstance(given, str):
        for begin, kind in _KINDS.items():
            if given.startswith(begin) and (given == begin) == (begin == "memory:"):
                return kind(given, create)
    shown = given.split("@")[-1] if isinstance(given, str) else given  # what stands before it may be a password
    raise DefinitionError(f"there is no store at {shown!r:.80}; give {_KNOWN}")
