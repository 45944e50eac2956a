"""W1 to W5 and W9: what a turn costs, alone, behind a long history and inside a large graph."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from statistics import median

from agentgraph import AgentRunner, Context, Machine
from benchmarks import bare, ours
from benchmarks.measure import Clock, Effort, Timed, aclock, clock, side_by_side, timed_pairs
from benchmarks.scene import CHAIN, HANDOFF, PLAIN, TOOL, Scene, wide
from benchmarks.table import Row, against_bare, shown, spread

LOOP = asyncio.new_event_loop()
MOST = 10
"""Times the bare loop that a turn may take."""
FLAT = 1.2
"""Times as long as a turn with little behind it that one with much may take."""
ROW = 1000
"""Turns in a row."""

# -- one turn ----------------------------------------------------------------------------------------------------------

SCENES = {
    "W1": ("user, text", PLAIN),
    "W2": ("user, tool, text", TOOL),
    "W3": ("triage, handoff, billing, tool, text", HANDOFF),
    "W4": ("20 handoffs in one run", CHAIN),
}


def one_turn(key: str, effort: Effort) -> Iterator[Row]:
    """A turn that starts a conversation: awaited, with calls that arrive as text, and in the sync API."""
    what, scene = SCENES[key]
    yield against_bare(key, what, side_by_side(bare_clock(scene), our_clock(scene), effort), MOST)
    if key in ("W2", "W3"):
        text = _aclock_of(ours.runner_of(_machine(scene), ours.TextModel(scene.lines())), scene, Context)
        yield against_bare(key, f"{what}; arguments parsed anew", side_by_side(bare_clock(scene), text, effort), MOST)
    yield against_bare(key, f"{what}; sync", side_by_side(bare_sync_clock(scene), our_sync_clock(scene), effort), MOST)


def bare_clock(scene: Scene) -> Clock:
    """The bare loop in asyncio."""
    team, model, entry = bare.team_of(scene, awaited=True), bare.BareModel(scene.lines()), scene.roles[0].name
    return aclock(LOOP, lambda: bare.arun(team, entry, model, scene.said, []))


def bare_sync_clock(scene: Scene) -> Clock:
    """The bare loop without asyncio."""
    team, model, entry = bare.team_of(scene, awaited=False), bare.BareModel(scene.lines()), scene.roles[0].name
    return clock(lambda: bare.run(team, entry, model, scene.said, []))


def our_clock(scene: Scene) -> Clock:
    """`arun`, with prepared replies."""
    return _aclock_of(ours.runner_of(_machine(scene), ours.AwaitedModel(map(ours.reply_of, scene.lines()))), scene, Context)


def our_sync_clock(scene: Scene) -> Clock:
    """`run`, with prepared replies."""
    machine = ours.graph_of(scene, awaited=False).compile()
    runner = ours.runner_of(machine, ours.InstantModel(map(ours.reply_of, scene.lines())))
    runner.run(scene.said).raise_for_error()
    return clock(lambda: runner.run(scene.said, Context()))


def _machine(scene: Scene) -> Machine:
    return ours.graph_of(scene, awaited=True).compile()


def _aclock_of(runner: AgentRunner, scene: Scene, context: Callable[[], Context]) -> Clock:
    LOOP.run_until_complete(runner.arun(scene.said, context())).raise_for_error()
    return aclock(LOOP, lambda: runner.arun(scene.said, context()))


# -- behind a long history ---------------------------------------------------------------------------------------------


def carried(effort: Effort) -> Iterator[Row]:
    """W5: a turn in a conversation that carries n messages, and many turns in a row."""
    for n in (10, 100, 1_000, 10_000):
        yield against_bare("W5", f"W2 with {n:,} messages carried", side_by_side(bare_carrying(n), our_carrying(n), effort), MOST)
    ours_flat = side_by_side(our_carrying(10), our_carrying(10_000), effort)
    bare_flat = side_by_side(bare_carrying(10), bare_carrying(10_000), effort)
    yield _growth("W5", "10,000 carried beside 10", bare_flat.ratio.median, ours_flat, FLAT)
    bare_row, our_row = _in_a_row(_bare_row, effort), _in_a_row(_our_row, effort)
    yield _growth("W5", f"{ROW:,} turns: the last 100 beside the first", bare_row.ratio.median, our_row, 1.1)


def bare_carrying(n: int) -> Clock:
    """The bare loop with `n` messages behind it; the list grows, and is cut before the next turn."""
    team, messages = bare.team_of(TOOL, awaited=True), list[bare.Message]()
    past = bare.BareModel(chain.from_iterable(map(TOOL.lines, range(1, n))))
    while len(messages) < n:
        LOOP.run_until_complete(bare.arun(team, "billing", past, TOOL.said, messages))
    model, length = bare.BareModel(TOOL.lines()), len(messages)

    async def turn() -> object:
        del messages[length:]
        return await bare.arun(team, "billing", model, TOOL.said, messages)

    return aclock(LOOP, turn)


def our_carrying(n: int) -> Clock:
    """`arun` from a context of `n` messages, which came from earlier turns of the runner."""
    machine, context = _machine(TOOL), Context()
    past = ours.runner_of(machine, ours.AwaitedModel(map(ours.reply_of, chain.from_iterable(map(TOOL.lines, range(1, n))))))
    while len(context.messages) < n:
        context = LOOP.run_until_complete(past.arun(TOOL.said, context)).context
    runner = ours.runner_of(machine, ours.AwaitedModel(map(ours.reply_of, TOOL.lines())))
    return _aclock_of(runner, TOOL, lambda: context)


def _in_a_row(play: Callable[[], list[float]], effort: Effort) -> Timed:
    """The first hundred turns beside the last hundred."""
    rows = [play() for _ in range(effort.repeats)]
    return timed_pairs([(median(row[:100]), median(row[-100:])) for row in rows])


def _bare_row() -> list[float]:
    team, messages = bare.team_of(TOOL, awaited=True), list[bare.Message]()
    model = bare.BareModel(chain.from_iterable(map(TOOL.lines, range(ROW))))
    play = aclock(LOOP, lambda: bare.arun(team, "billing", model, TOOL.said, messages))
    return [play(1) for _ in range(ROW)]


def _our_row() -> list[float]:
    model = ours.AwaitedModel(map(ours.reply_of, chain.from_iterable(map(TOOL.lines, range(ROW)))))
    runner, context = ours.runner_of(_machine(TOOL), model), Context()

    async def turn() -> None:
        nonlocal context
        context = (await runner.arun(TOOL.said, context)).context

    play = aclock(LOOP, turn)
    return [play(1) for _ in range(ROW)]


def _growth(key: str, what: str, bare_ratio: float, timed: Timed, most: float) -> Row:
    return Row(
        key,
        what,
        f"{bare_ratio:.2f}x",
        f"{shown(timed.first)}, {shown(timed.second)}",
        spread(timed.ratio),
        f"at most {most:g}x",
        timed.ratio.median <= most,
    )


# -- inside a large graph ----------------------------------------------------------------------------------------------


def large(effort: Effort) -> Iterator[Row]:
    """W9: n agents with five handoffs each: building, the first turn, and a turn."""
    for n in (10, 100, 1_000, 10_000):
        scene = wide(n)
        built = _built(scene, effort)
        goal, met = ("under 1 s", built.second < 1) if n == 10_000 else ("", None)
        yield against_bare("W9", f"{n:,} agents: built, checked, compiled", built)._replace(goal=goal, met=met)
        yield Row("W9", f"{n:,} agents: the first turn", "", shown(_first_turn(scene)), "")
        turns = side_by_side(bare_clock(scene), our_clock(scene), effort)
        yield against_bare("W9", f"{n:,} agents: W1 inside", turns, MOST)
    yield _growth("W9", "W1 inside 10,000 beside 10", 1.0, side_by_side(our_clock(wide(10)), our_clock(wide(10_000)), effort), FLAT)


def _built(scene: Scene, effort: Effort) -> Timed:
    first = clock(partial(bare.team_of, scene, awaited=True))
    second = clock(lambda: ours.graph_of(scene, awaited=True).compile())
    pairs = []
    for _ in range(effort.repeats):
        gc.collect()
        pairs.append((first(1), second(1)))
    return timed_pairs(pairs)


def _first_turn(scene: Scene) -> float:
    runner = ours.runner_of(_machine(scene), ours.AwaitedModel(map(ours.reply_of, scene.lines())))
    return aclock(LOOP, lambda: runner.arun(scene.said, Context()))(1)
