"""What an adapter is: a framework set up for one scene, whose model says `anext_line()`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from time import process_time
from typing import Any, NamedTuple, Protocol

from benchmarks.measure import Clock
from benchmarks.scene import CHECK, LINES, Scene, check_balance
from benchmarks.yardstick import LOOP


class Told(NamedTuple):
    """What a turn came to."""

    output: str
    agent: str
    """Who holds the conversation at the end."""
    results: list[str]
    """Of the tools that ran in this turn."""
    messages: list[Any]
    """All that the conversation carries, in the framework's own form."""


class Peer(Protocol):
    """A framework, with the agents of a scene."""

    def __init__(self, scene: Scene) -> None:
        """Build the agents, the handoffs, and whatever is made once for all conversations."""

    def open(self, carried: Sequence[Any] = ()) -> Any:
        """A new conversation, which carries messages of earlier turns."""

    async def turn(self, conversation: Any) -> Any:
        """One turn. What it gives is the framework's own."""

    def told(self, given: Any) -> Told:
        """What `turn` gave."""


class IdleError(Exception):
    """A framework did not do the work that it is measured for."""


def clock_of(peer: Peer, scene: Scene, carried: Sequence[Any] = ()) -> Clock:
    """The clock of turns, each in a conversation of its own, which is opened before the clock starts."""

    async def timed(times: int) -> float:
        LINES.set(cycle(list(scene.lines())))
        opened = [peer.open(carried) for _ in range(times)]
        given = None
        start = process_time()
        for conversation in opened:
            given = await peer.turn(conversation)
        took = process_time() - start
        ended(peer.told(given), scene)
        return took

    return lambda times: LOOP.run_until_complete(timed(times))


def ended(told: Told, scene: Scene) -> None:
    """Nothing, when the turn ended with the scene's last text.

    Raises:
        IdleError: otherwise.
    """
    if told.output != scene.script[-1]:
        raise IdleError(f"it came to {told.output!r}")


def played(peer: Peer, scene: Scene, carried: Sequence[Any] = (), turn: int = 0) -> Told:
    """One turn, looked at closely.

    Raises:
        IdleError: unless the scene's last text came, from the agent that it ends with, and every tool has run.
    """

    async def once() -> Told:
        LINES.set(scene.lines(turn))
        return peer.told(await peer.turn(peer.open(carried)))

    told = LOOP.run_until_complete(once())
    targets = [line[0].removeprefix("handoff_to_") for line in scene.script if not isinstance(line, str) and line != CHECK]
    expected = (scene.script[-1], [scene.roles[0].name, *targets][-1], scene.script.count(CHECK))
    found = (told.output, told.agent, sum(check_balance("ACC-17")["balance"] in result for result in told.results))
    if found != expected:
        raise IdleError(f"it came to {found!r}, not to {expected!r}")
    return told
