"""`python -m benchmarks.peers NAME CELL`, in the peers' own environment: measures one cell, and writes it to stdout as JSON."""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from importlib import import_module

from benchmarks import bare, imports, yardstick
from benchmarks.cells import FOR_PEERS, SCENES, Cell
from benchmarks.measure import Clock, Effort, Timed, clock, one_by_one, side_by_side, timed_pairs
from benchmarks.peers.peer import Peer, clock_of, ended, played
from benchmarks.scene import HANDOFF, TOOL, Role, Scene, wide

_WEIGHED = 200
"""Agents that are weighed."""


def _measured(made: type[Peer], statement: str, cell: Cell, effort: Effort) -> Timed:
    if cell.key == "W0":
        return side_by_side(clock(list), clock(made(HANDOFF).open), effort)
    if cell.key in SCENES:
        scene = SCENES[cell.key]
        return side_by_side(yardstick.awaited(scene), _checked(made(scene), scene), effort)
    if cell.key == "W5":
        return side_by_side(yardstick.carrying(cell.size), _carrying(made(TOOL), cell.size), effort)
    if cell.key == "W6":
        return one_by_one(yardstick.crowd(yardstick.talking(), cell.size), _crowd(made(HANDOFF), cell.size), effort)
    if cell.key == "W7":
        first, second = _weight(lambda scene: bare.team_of(scene, awaited=True)), _weight(made)
        return timed_pairs([(first, second)])
    if cell.key == "W8":
        return timed_pairs([(imports.import_seconds(imports.BARE, effort), imports.import_seconds(statement, effort))])
    scene = wide(cell.size)
    if cell.unit == "turn":
        return side_by_side(yardstick.awaited(scene), _checked(made(scene), scene), effort)
    return one_by_one(clock(partial(bare.team_of, scene, awaited=True)), clock(partial(made, scene)), effort)


def _checked(peer: Peer, scene: Scene) -> Clock:
    played(peer, scene)
    return clock_of(peer, scene)


def _carrying(peer: Peer, n: int) -> Clock:
    """The clock of turns behind `n` messages, which come from turns that each started a conversation."""
    carried: list[object] = []
    turn = 0
    while len(carried) < n:
        carried += played(peer, TOOL, turn=(turn := turn + 1)).messages
    played(peer, TOOL, carried)
    return clock_of(peer, TOOL, carried)


def _crowd(peer: Peer, many: int) -> Clock:
    played(peer, HANDOFF)

    async def converse(opened: object) -> None:
        ended(peer.told(await peer.turn(opened)), HANDOFF)

    return yardstick.crowd(lambda: converse(peer.open()), many)


def _weight(make: Callable[[Scene], object]) -> float:
    """KiB that an agent with a tool takes."""
    scene = Scene(tuple(Role(f"agent_{i}", has_tool=True) for i in range(_WEIGHED)), ())
    make(scene)  # what is made once for all is not counted
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    live = make(scene)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del live
    return (after - before) / 1024 / _WEIGHED


def main(name: str, cell: str, effort: str) -> None:
    logging.disable(logging.CRITICAL)
    adapter = import_module(f"benchmarks.peers.{name.replace('-', '_')}")
    wanted = next(one for one in FOR_PEERS if str(one) == cell)
    timed = _measured(adapter.Adapter, adapter.IMPORT, wanted, Effort(*json.loads(effort)))
    print(json.dumps(timed), flush=True)
    os._exit(0)  # what a framework still has running is nobody's business any more


if __name__ == "__main__":
    main(*sys.argv[1:])
