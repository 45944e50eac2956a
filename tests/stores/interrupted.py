"""Turns that are interrupted by ctrl-C at random instants: a program, since signals are of a process.

python -m tests.stores.interrupted URL SEED TIMES. Prints what was taken longest for a next message to be through.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from psycopg.pq import TransactionStatus

from agentgraph import (
    Agent,
    AgentRunner,
    Conversation,
    ModelRequest,
    Reply,
    RunConfig,
    RunResult,
    Store,
    ToolContext,
    call,
    open_store,
    tool,
)
from agentgraph.engine import replay
from agentgraph.stores.postgres import PostgresStore
from tests.waiting import until

Way = Callable[[Conversation], object]
RAN: Counter[str] = Counter()
"""How often the tool ran, by conversation."""


class Noting:
    """A model that has the tool called once a turn."""

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        return Reply("done") if request.messages[-1].role == "tool" else Reply(None, [call("note")])


@tool
def note(ctx: ToolContext) -> str:
    RAN[ctx.messages[0].text] += 1
    return "noted"


RUNNER = AgentRunner(Agent("Desk", tools=(note,)), RunConfig(model=Noting()))


def run(conversation: Conversation) -> None:
    conversation.run(conversation.id)


def stream(conversation: Conversation) -> None:
    with conversation.stream(conversation.id) as observations:
        for _ in observations:
            pass


def iterate(conversation: Conversation) -> None:
    for _ in conversation.stream(conversation.id):
        pass


def resume(conversation: Conversation) -> None:
    conversation.resume()


def arun(conversation: Conversation) -> None:
    asyncio.run(conversation.arun(conversation.id))


WAYS: Sequence[Way] = (run, stream, run, resume, run, iterate, run, arun)


def begun(name: str, store: Store, way: Way) -> Conversation:
    """A conversation in which `way` has something to do."""
    conversation = RUNNER.conversation(name, store)
    if way is resume:
        with conversation.stream(name) as observations:
            next(observations)
    return conversation


def interrupted(conversation: Conversation, way: Way, after: float, then: Callable[[], RunResult[Any]]) -> RunResult[Any]:
    """What the next message comes to, said while the interrupt is still being handled, or when it is over."""
    result = None
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, after)
            way(conversation)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        if way is not iterate:  # what the error holds of it is a name
            result = then()
    return then() if result is None else result


def lasting(store: Store, way: Way) -> float:
    """Seconds that `way` takes."""
    took = []
    for n in range(5):
        conversation = begun(f"{way.__name__}-{n}", store, way)
        began = time.perf_counter()
        way(conversation)
        took.append(time.perf_counter() - began)
    return sorted(took)[2]


def check(conversation: Conversation, store: Store) -> None:
    """Every tool ran as it is kept, every turn is kept as it went, and nothing is held."""
    trace = conversation.history()
    assert replay(RUNNER.machine, trace.start, trace.events) == trace
    became = Counter(message.outcome for message in trace.contexts[-1].messages if message.role == "tool")
    assert became["given"] <= RAN[conversation.id] <= became["given"] + became["unknown"], (became, RAN[conversation.id])
    assert [kept.leased for kept in store.list(conversation.id)] == [None]
    if isinstance(store, PostgresStore):
        assert all(connection.pgconn.transaction_status == TransactionStatus.IDLE for connection in store._free)
        places = store._places
        assert until(lambda: places._value == store._most), "what gives back a lease beside this comes to its end"
        assert len(store._free) <= store._most


def main(url: str, seed: str, times: str) -> None:
    chance = random.Random(seed)
    longest, interrupts = 0.0, 0
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    with open_store(url) as store:
        lasts = {way: lasting(store, way) for way in set(WAYS)}
        for n in range(int(times)):
            way = WAYS[n % len(WAYS)]
            conversation = begun(f"{seed}.{n}.", store, way)
            began = 0.0

            def then(conversation: Conversation = conversation) -> RunResult[Any]:
                nonlocal began
                began = time.perf_counter()
                return conversation.run(conversation.id)

            after = chance.random() * 1.1 * lasts[way]
            result = interrupted(conversation, way, max(after, 1e-6), then)
            longest = max(longest, time.perf_counter() - began)
            interrupts += len(conversation.history().contexts[-1].messages) < 8
            assert (result.output, result.error) == ("done", None), (n, way.__name__, after, result.error)
            check(conversation, store)
    print(f"{longest:.3f} s, {interrupts} were interrupted")


if __name__ == "__main__":
    main(*sys.argv[1:])
