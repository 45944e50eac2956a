"""`python -m benchmarks`: measure agentgraph and its peers beside a hand-written loop; RESULTS.md is written when all was measured."""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import sys
from datetime import UTC, datetime
from pathlib import Path

import agentgraph
from benchmarks import beside, durable
from benchmarks.cells import AT_ONCE, CARRYING, INSIDE
from benchmarks.charts import chart
from benchmarks.measure import QUICK, Effort
from benchmarks.table import Row, details, goals
from benchmarks.workloads import PROFILED, WORKLOADS

RESULTS = Path(__file__).parent / "RESULTS.md"
_PEERS_EFFORT = Effort(pairs=30, seconds=1.5, repeats=3)
CHARTS = {
    "history": ("A turn with a tool, in a long conversation", "messages carried", CARRYING),
    "graph": ("A turn inside a large graph", "agents, with 5 handoffs each", INSIDE),
    "crowd": ("Conversations at once, with a model that takes 50 ms a call (3 calls)", "conversations", AT_ONCE),
}


def main() -> None:
    options = _options()
    if options.profile:
        _profile(options.profile)
        return
    keys = options.only.split(",") if options.only else list(WORKLOADS)
    everything = not (options.only or options.quick or options.peers)
    rows = [] if options.peers else _rows(keys, QUICK if options.quick else Effort())
    found = beside.measured(QUICK if options.quick else _PEERS_EFFORT, keys) if options.peers or everything else {}
    text = _report(rows, found)
    print(text)
    if everything:
        RESULTS.write_text(text, encoding="utf-8", newline="\n")
        every = beside.figures(found, rows)
        for name, (title, across, cells) in CHARTS.items():
            lines = {who: [(cell.size, line[cell]) for cell in cells if cell in line] for who, line in every.items()}
            (RESULTS.parent / f"{name}.svg").write_text(chart(title, across, lines), encoding="utf-8", newline="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="agentgraph alone, with fewer batches")
    parser.add_argument("--only", metavar="W1,W3", help="agentgraph alone, these workloads")
    parser.add_argument("--peers", action="store_true", help="the other frameworks alone; goes with --quick and --only")
    parser.add_argument("--profile", metavar="W3", choices=[*PROFILED], help="profile agentgraph's side of one workload instead")
    options = parser.parse_args()
    unknown = set((options.only or "W1").split(",")) - set(WORKLOADS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    return options


def _profile(key: str) -> None:
    played = PROFILED[key]()
    with cProfile.Profile() as profile:
        played()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)


def _rows(keys: list[str], effort: Effort) -> list[Row]:
    rows = []
    for key in keys:
        for row in WORKLOADS[key](effort):
            rows.append(row)
            print(f"{row.key}  {row.what:58} {row.bare:>12} {row.ours:>22}  {row.ratio}", file=sys.stderr)
    return rows


# -- the report ------------------------------------------------------------------------------------------------------------

_HOW = """\
`make bench` writes this. All do the same scripted work ([scene.py](scene.py)) with a model that answers at once. What each is
measured by is the bare loop ([bare.py](bare.py)): the thirty lines that one writes by hand where there is no framework. Both
sides play in one process, batch by batch in turns, and the ratio is the median over the pairs of batches: read the ratios, not
the times. Times are processor time; W6, W8, W11 and the limits, where something waits, are wall time. Rows are in asyncio unless
they say `sync`.
"""
_PEERS = f"""\
Times the bare loop, and in brackets the time of one turn (or the size). Each framework is measured through its own model
interface, with telemetry off, beside the bare loop in a process of its own ([peers/](peers/)); before the clock starts it
is made sure that the text came, the tool ran and the handoff happened, and after every batch that the text still comes. Conversations
are opened before the clock starts (W0 says what that costs). What takes longer than {", ".join(f"{seconds} s in {key}" for key, seconds in beside.LIMITS.items())} is cut off.
"""
_KEPT = """\
Wall time, medians, step by step in turns. The floor is one row that is committed with no library around it. Ours is one `append` to the
store, lease and compare-and-set included; DBOS's a step that gives a text; LangGraph's a super-step of a graph of one node, with
durability="sync".
"""


def _report(rows: list[Row], found: beside.Found) -> str:
    parts = [f"# Beside a hand-written loop\n\n{_environment(bool(found))}\n\n{_HOW}"]
    measured = [*rows, *beside.fastest(found, rows)]
    judged = [row.met for row in measured if row.met is not None]
    if judged:
        parts.append(f"## agentgraph beside its goals\n\n{sum(judged)} of {len(judged)} goals are met.\n\n{goals(measured)}")
    if found:
        parts.append(f"## Other frameworks\n\n{_PEERS}\n{beside.table(found, rows)}")
    if rows and found:
        parts.append("## Growth\n\n" + "".join(f"![{title}]({name}.svg)\n" for name, (title, _, _) in CHARTS.items()))
    if any(row.key == "W11" for row in rows):
        parts.append(f"## Kept steps\n\n{_KEPT}\n{durable.table()}")
    if rows:
        parts.append(f"## Everything about agentgraph\n\n{details(rows)}")
    return "\n".join(parts)


def _environment(peers: bool) -> str:
    here = f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}"
    return f"agentgraph {agentgraph.__version__}, {here}." + (f" Peers: {beside.versions()}." if peers else "")


if __name__ == "__main__":
    main()
