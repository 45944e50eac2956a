"""`python -m benchmarks.peers.langgraph_kept PLACE`, in the peers' own environment: one super-step for each line of stdin; its seconds on stdout."""
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from time import perf_counter
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

_MOST = 100_000
TEXT = "x" * 600


class _State(TypedDict):
    text: str


@contextmanager
def _saver(place: str) -> Iterator[Any]:
    if place.startswith("postgres"):
        from langgraph.checkpoint.postgres import PostgresSaver

        with PostgresSaver.from_conn_string(place) as saver:
            saver.setup()
            yield saver
        return
    from langgraph.checkpoint.sqlite import SqliteSaver

    file = sqlite3.connect(place, check_same_thread=False)
    saver = SqliteSaver(file)
    saver.setup()
    file.execute("PRAGMA synchronous = FULL")
    yield saver
    file.close()


class _Asked:
    """The one node. It is entered again when what it gave the last time is kept."""

    def __init__(self) -> None:
        self.goes_on = True
        self._begun = 0.0
        self._entered = count()

    def __call__(self, _: _State) -> _State:
        print(perf_counter() - self._begun if next(self._entered) else "ready", flush=True)
        self.goes_on = bool(sys.stdin.readline())
        self._begun = perf_counter()
        return {"text": TEXT}


def main(place: str) -> None:
    asked, graph = _Asked(), StateGraph(_State)
    graph.add_node("asked", asked)
    graph.add_edge(START, "asked")
    graph.add_conditional_edges("asked", lambda _: "asked" if asked.goes_on else END, ["asked", END])
    with _saver(place) as saver:
        config = {"configurable": {"thread_id": "c"}, "recursion_limit": _MOST}
        graph.compile(checkpointer=saver).invoke({"text": ""}, config, durability="sync")


if __name__ == "__main__":
    main(sys.argv[1])
