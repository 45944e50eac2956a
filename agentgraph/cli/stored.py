"""Conversations in stores: which store a command is given, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentgraph.cli.visible import visible
from agentgraph.errors import DefinitionError
from agentgraph.stores.opening import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.conversation.store import Store, Stored
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.conversation import Conversation

_PAGE = 100  # conversations that a store is asked for at a time
_SUCH_AS = "such as --store sqlite:///talks.db, or set AGENTGRAPH_STORE"


@contextmanager
def opened(url: str | None, *, create: bool = False) -> Iterator[Store]:
    """The store at `url`, while the block lasts. A command that only looks for what is there makes none.

    Raises:
        DefinitionError: when none is given, or one that would be gone with the command.
        StoreError: when it cannot be opened, or is not there.
    """
    if not url:
        raise DefinitionError(f"no store is named; name it, {_SUCH_AS}")
    if url == "memory:":
        raise DefinitionError(f"a store in memory would be gone with this command; name another, {_SUCH_AS}")
    store = open_store(url, create=create)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def conversation_of(runner: AgentRunner, url: str | None, id: str | None, file: Path | None) -> Iterator[Conversation | None]:
    """The conversation called `id` in the store at `url`, while the block lasts; None when no id is given.

    Raises:
        DefinitionError: when the conversation is to be kept in `file` too.
    """
    if id is None:
        yield None
        return
    if file is not None:
        raise DefinitionError("--context and --conversation are two places for one conversation; give one of them")
    with opened(url, create=True) as store:
        yield runner.conversation(id, store)


def kept_in(store: Store) -> Iterator[Stored]:
    """Every conversation in the store, in the order of their keys."""
    page = store.list(limit=_PAGE)
    while page:
        yield from page
        page = store.list(after=page[-1].id, limit=_PAGE)


def shown_id(id: str) -> str:
    r"""The id of a conversation, on one line, and so that a terminal obeys none of it.

    >>> shown_id("client 客服\n\x1b[2J")
    'client 客服\\n\\u001b[2J'
    """
    return visible(json.dumps(id, ensure_ascii=False)[1:-1])
