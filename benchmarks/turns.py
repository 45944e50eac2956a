"""W0 to W5 and W9: what a turn costs, alone, behind a long history and inside a large graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from statistics import median

from agentgraph import AgentRunner, Context, Machine
from benchmarks import bare, ours, yardstick
from benchmarks.cells import BUILDING, CARRYING, INSIDE, OPENING, SCENES, TURNS
from benchmarks.measure import Clock, Effort, Timed, aclock, clock, one_by_one, side_by_side, timed_pairs
from benchmarks.scene import TOOL, Scene, wide
from benchmarks.table import Row, against_bare, shown, spread
from benchmarks.yardstick import LOOP

MOST = 10
"""Times the bare loop that a turn may take."""
FLAT = 1.2
"""Times as long as a turn with little behind it that one with much may take."""
DRAWING = 0.050
"""Seconds that the text of a large graph's picture may take."""
ROW = 1000
"""Turns in a row."""

# -- one turn ----------------------------------------------------------------------------------------------------------


def opening(effort: Effort) -> Iterator[Row]:
    """W0: what a new conversation costs before anyone has spoken."""
    yield against_bare(OPENING, side_by_side(clock(list), clock(Context), effort))


def one_turn(key: str, effort: Effort) -> Iterator[Row]:
    """A turn that starts a conversation: awaited, with calls that arrive as text, and in the sync API."""
    scene = SCENES[key]
    cell = next(cell for cell in TURNS if cell.key == key)
    yield against_bare(cell, side_by_side(yardstick.awaited(scene), our_clock(scene), effort), MOST)
    if key in ("W2", "W3"):
        text = _aclock_of(ours.runner_of(_machine(scene), ours.TextModel(scene.lines())), scene, Context)
        anew = cell._replace(what=f"{cell.what}; arguments parsed anew")
        yield against_bare(anew, side_by_side(yardstick.awaited(scene), text, effort), MOST)
    sync = cell._replace(what=f"{cell.what}; sync")
    yield against_bare(sync, side_by_side(yardstick.waited_for(scene), our_sync_clock(scene), effort), MOST)


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
    for cell in CARRYING:
        yield against_bare(cell, side_by_side(yardstick.carrying(cell.size), our_carrying(cell.size), effort), MOST)
    ours_flat = side_by_side(our_carrying(10), our_carrying(10_000), effort)
    bare_flat = side_by_side(yardstick.carrying(10), yardstick.carrying(10_000), effort)
    yield _growth("W5", "10,000 carried beside 10", bare_flat.ratio.median, ours_flat, FLAT)
    bare_row, our_row = _in_a_row(_bare_row, effort), _in_a_row(_our_row, effort)
    yield _growth("W5", f"{ROW:,} turns: the last 100 beside the first", bare_row.ratio.median, our_row, 1.1)


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
    for building, inside in zip(BUILDING, INSIDE, strict=True):
        scene = wide(building.size)
        built = one_by_one(clock(partial(bare.team_of, scene, awaited=True)), our_building(scene), effort)
        goal, met = ("under 1 s", built.second < 1) if building is BUILDING[-1] else ("", None)
        yield against_bare(building, built)._replace(goal=goal, met=met)
        yield Row("W9", f"{building.size:,} agents: the first turn", "", shown(_first_turn(scene)), "")
        yield against_bare(inside, side_by_side(yardstick.awaited(scene), our_clock(scene), effort), MOST)
    yield _drawing()
    yield _growth("W9", "W1 inside 10,000 beside 10", 1.0, side_by_side(our_clock(wide(10)), our_clock(wide(10_000)), effort), FLAT)


def _drawing() -> Row:
    """A picture says which agents it shows; what it costs is to choose them."""
    graph = ours.graph_of(wide(1_000), awaited=True)
    draw = clock(graph.to_mermaid)
    draw(1)
    took = median(draw(1) for _ in range(7))
    return Row("W9", "1,000 agents: the Mermaid text", "", shown(took), "", goal="under 50 ms", met=took < DRAWING)


def our_building(scene: Scene) -> Clock:
    """Agents, handoffs, the compiled machine."""
    return clock(lambda: ours.graph_of(scene, awaited=True).compile())


def _first_turn(scene: Scene) -> float:
    runner = ours.runner_of(_machine(scene), ours.AwaitedModel(map(ours.reply_of, scene.lines())))
    return aclock(LOOP, lambda: runner.arun(scene.said, Context()))(1)
