"""What is measured of every contestant alike: one cell for each figure, with the name that its row has in every table."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.scene import CHAIN, HANDOFF, PLAIN, TOOL


class Cell(NamedTuple):
    """One figure: the workload it belongs to, its name, and how large it is made."""

    key: str
    what: str
    size: int = 0
    unit: str = "s"

    def __str__(self) -> str:
        return f"{self.key}:{self.size}:{self.unit}"


SCENES = {"W1": PLAIN, "W2": TOOL, "W3": HANDOFF, "W4": CHAIN}
CARRIED = (10, 100, 1_000, 10_000)
CROWDS = (1, 10, 100, 1_000)
AGENTS = (10, 100, 1_000, 10_000)

OPENING = Cell("W0", "a conversation opened")
TURNS = (
    Cell("W1", "user, text"),
    Cell("W2", "user, tool, text"),
    Cell("W3", "triage, handoff, billing, tool, text"),
    Cell("W4", "20 handoffs in one run"),
)
CARRYING = tuple(Cell("W5", f"W2 with {n:,} messages carried", n) for n in CARRIED)
AT_ONCE = tuple(Cell("W6", f"W3 with a 50 ms model, {n:,} at once" if n > 1 else "W3 with a 50 ms model, alone", n) for n in CROWDS)
THREADED = Cell("W6", "W3 with a 50 ms model, 64 threads x 4, sync")
AGENT = Cell("W7", "an agent with a tool", unit="KiB")
IMPORT = Cell("W8", "the import of what every user needs")
BUILDING = tuple(Cell("W9", f"{n:,} agents: made ready to run", n) for n in AGENTS)
INSIDE = tuple(Cell("W9", f"{n:,} agents: W1 inside", n, "turn") for n in AGENTS)

FOR_PEERS = (OPENING, *TURNS, *CARRYING, *AT_ONCE[-1:], AGENT, IMPORT, *BUILDING[:3], *INSIDE[:3])
"""The cells that peers are measured in too."""
ALL = (OPENING, *TURNS, *CARRYING, *AT_ONCE, THREADED, AGENT, IMPORT, *BUILDING, *INSIDE)
