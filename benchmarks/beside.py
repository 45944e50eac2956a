"""The peers: every cell of every framework is measured in a process of its own, which may fail or be cut off without harm to the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from benchmarks.cells import ALL, CARRYING, FOR_PEERS, INSIDE, TURNS, Cell
from benchmarks.measure import Effort, Ratio, Timed
from benchmarks.table import Row, amount, columns

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".tools/bench/venv/bin/python"
_INSTALLED = tuple(
    line.partition("==")[0] for line in (ROOT / "benchmarks/peers/requirements.txt").read_text("utf-8").splitlines() if line[0] != "#"
)
_PEERS = tuple(name for name in _INSTALLED if (ROOT / f"benchmarks/peers/{name.replace('-', '_')}.py").exists())
LIMITS = {"W6": 90, "W9": 30, "the others": 60}
"""Seconds that a cell may take, with its imports, by workload."""
FASTER = 20
"""Times faster than the fastest of them that agentgraph is meant to be."""
SURROUNDINGS = {
    **{name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")},
    "PYTHONPATH": str(ROOT),
    "PYTHONWARNINGS": "ignore",
    "ENABLE_INSTRUMENTATION": "false",
    "LANGSMITH_TRACING": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
}

_GROWTH = (
    ("growth: 1,000 carried beside 10", CARRYING[0], CARRYING[2]),
    ("growth: 10,000 carried beside 10", CARRYING[0], CARRYING[3]),
    ("growth: W1 inside 1,000 agents beside 10", INSIDE[0], INSIDE[2]),
)

Found = Mapping[tuple[str, Cell], Timed | str]
"""By peer and cell: a figure, or why there is none."""


def measured(effort: Effort, keys: Collection[str]) -> Found:
    """What the peers take for the cells of `keys`."""
    return {(peer, cell): _cell(peer, cell, effort) for peer in _PEERS for cell in FOR_PEERS if cell.key in keys}


def versions() -> str:
    """The peers as they are installed."""
    script = "from importlib.metadata import distributions as all; print(*(one.name + ' ' + one.version for one in all()), sep=chr(10))"
    if not PYTHON.exists():
        return "none is installed"
    installed = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    return ", ".join(sorted(one for one in installed if one.partition(" ")[0] in _INSTALLED))


def _cell(peer: str, cell: Cell, effort: Effort) -> Timed | str:
    limit = LIMITS.get(cell.key, LIMITS["the others"])
    command = [str(PYTHON), "-m", "benchmarks.peers", peer, str(cell), json.dumps(effort)]
    try:
        done = subprocess.run(command, env=SURROUNDINGS, cwd=ROOT, capture_output=True, text=True, timeout=limit, check=True)
        first, second, ratio = json.loads(done.stdout.splitlines()[-1])
        found: Timed | str = Timed(first, second, Ratio(*ratio))
    except subprocess.TimeoutExpired:
        found = f"cut off after {limit} s"
    except subprocess.CalledProcessError as failed:
        found = (failed.stderr.strip().splitlines() or ["it ended without a word"])[-1].replace(str(ROOT), ".")[:200]
    except FileNotFoundError:
        found = "it is not installed: make setup-bench"
    except (ValueError, IndexError) as failed:
        found = f"{type(failed).__name__}: {failed}"
    print(f"{cell.key}  {peer:32} {cell.what:58} {_shown(found, cell)}", file=sys.stderr)
    return found


# -- the table ---------------------------------------------------------------------------------------------------------------


def table(found: Found, rows: Collection[Row] = ()) -> str:
    """One row a cell, one column a framework, beside agentgraph where it was measured too; then how the figures grow."""
    ours = {(row.key, row.what): row for row in rows}
    lines = [("", "what", "agentgraph", *_PEERS)]
    for cell in dict.fromkeys(cell for _, cell in found):
        row = ours.get((cell.key, cell.what))
        mine = f"{row.ratio.partition(' ')[0]} ({row.ours})" if row else ""
        lines.append((cell.key, cell.what, mine, *(_shown(found[peer, cell], cell) for peer in _PEERS)))
    every = figures(found, rows)
    for what, small, large in _GROWTH:
        if any(small in line or large in line for line in every.values()):
            grown = (every[name] for name in ("agentgraph", *_PEERS))
            lines.append((small.key, what, *(times(line[large] / line[small]) if {small, large} <= set(line) else "" for line in grown)))
    return columns(lines) + "".join(_reasons(found))


def fastest(found: Found, rows: Collection[Row]) -> Iterator[Row]:
    """How many times faster than the fastest of the others agentgraph plays a turn; both as ratios to the bare loop."""
    timed = {(row.key, row.what): row.timed for row in rows if row.timed}
    for cell in TURNS:
        others = [(one.ratio.median, peer) for (peer, measured), one in found.items() if measured is cell and isinstance(one, Timed)]
        ours = timed.get((cell.key, cell.what))
        if ours and others:
            least, peer = min(others)
            faster = least / ours.ratio.median
            yield Row(cell.key, f"faster than the fastest other, {peer}", "", "", times(faster), f"at least {FASTER}x", faster >= FASTER)


def figures(found: Found, rows: Collection[Row]) -> dict[str, dict[Cell, float]]:
    """What every contestant takes for every cell of which there is a figure."""
    timed = {(row.key, row.what): row.timed for row in rows if row.timed}
    ours = {cell: timed[cell.key, cell.what] for cell in ALL if (cell.key, cell.what) in timed}
    every = {"bare loop": {cell: one.first for cell, one in ours.items()}, "agentgraph": {cell: one.second for cell, one in ours.items()}}
    for peer in _PEERS:
        every[peer] = {cell: one.second for (who, cell), one in found.items() if who == peer and isinstance(one, Timed)}
    return every


def _shown(found: Timed | str, cell: Cell) -> str:
    if isinstance(found, Timed):
        return f"{times(found.ratio.median)} ({amount(found.second, cell.unit)})"
    return found if found.startswith("cut off") else "failed"


def times(ratio: float) -> str:
    """A ratio to three digits."""
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"


def _reasons(found: Found) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for (peer, cell), what in found.items():
        if isinstance(what, str) and not what.startswith("cut off"):
            reasons.setdefault((peer, what), []).append(f"{cell.key} {cell.what}")
    for (peer, why), where in reasons.items():
        yield f"\n- {peer} failed: `{why}` ({'; '.join(where) if len(where) < 4 else f'{len(where)} cells'})"
    if reasons:
        yield "\n"
