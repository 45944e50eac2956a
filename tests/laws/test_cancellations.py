"""The laws of streams that are left, on random topologies and random conversations: wherever one is left, what follows is valid.

Every request that any model was ever sent is acceptable to every provider, and the next message is always answered.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import NamedTuple

from hypothesis import event, given, settings, strategies as st

from agentgraph import AgentGraph, AgentRunner, Context, ModelRequest, RunConfig
from tests.e2e.provider_rules import violations
from tests.laws.test_runs import configs
from tests.strategies import Improviser, Move, contexts_said, conversations, graphs

FEW = bool(os.environ.get("HYPOTHESIS_PROFILE")) or not os.environ.get("CI")
EXAMPLES = settings().max_examples if FEW else 2000
counted: Counter[str] = Counter()
"""What has been tried."""


class Turn(NamedTuple):
    """What the user says, what the model does, and after how many observations the stream is left; None when it is read to its end."""

    said: str
    script: list[Move]
    observations: int | None
    asynchronous: bool


turns = st.builds(Turn, contexts_said, conversations(), st.one_of(st.integers(0, 6), st.integers(0, 40), st.none()), st.booleans())


def held(runner: AgentRunner, turn: Turn, context: Context) -> Context:
    """The context after the turn, as far as it came."""
    stream = runner.stream(turn.said, context)
    for seen, _ in enumerate(stream, 1):
        if seen == turn.observations:
            break
    stream.close()
    return stream.context


async def aheld(runner: AgentRunner, turn: Turn, context: Context) -> Context:
    """The same in asyncio. What watches the stream is cancelled: while it waits for the next observation, wherever that is."""
    stream, enough = runner.astream(turn.said, context), asyncio.Event()

    async def watch() -> None:
        seen = 0
        async for _ in stream:
            seen += 1
            if seen == turn.observations:
                enough.set()
                await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    reached = asyncio.create_task(enough.wait())
    await asyncio.wait([watching, reached], return_when=asyncio.FIRST_COMPLETED)
    for task in (watching, reached):
        task.cancel()
    await asyncio.gather(watching, reached, return_exceptions=True)
    return stream.context


@settings(max_examples=EXAMPLES)
@given(graphs(), st.lists(turns, min_size=1, max_size=3), configs())
def what_follows_is_valid(graph: AgentGraph, conversation: list[Turn], config: RunConfig) -> None:
    """Failures, refusals and limits included."""
    context, asked = Context(), list[ModelRequest]()
    for turn in conversation:
        model = Improviser(turn.script)
        runner = AgentRunner(graph, config.replace(model=model))
        before = context
        if turn.observations != 0:
            context = asyncio.run(aheld(runner, turn, context)) if turn.asynchronous else held(runner, turn, context)
        asked += model.requests
        assert context.messages[: len(before.messages)] == tuple(before.messages)
        event("left in the middle" if context.progress is not None else "came to its end")
    last = Improviser([])
    after = AgentRunner(graph, config.replace(model=last, max_turns=10, budget=None)).run("and now?", context)
    asked += last.requests

    assert after.error is None or "may_finish" in str(after.error), after.error
    assert last.requests
    for request in asked:
        body = {"messages": [message.to_openai() for message in request.messages], "tools": request.tools}
        assert violations(body) == []
    counted.update(conversations=1, turns=len(conversation) + 1, requests=len(asked), left=context.progress is not None)


def test_what_follows_a_stream_that_was_left_is_valid() -> None:
    """And enough was tried: many conversations, of which many were cut off before their end."""
    counted.clear()
    what_follows_is_valid()
    print(dict(counted))

    assert counted["conversations"] >= EXAMPLES
    assert counted["left"] > counted["conversations"] // 20
    assert counted["requests"] > counted["conversations"]
