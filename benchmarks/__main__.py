"""`python -m benchmarks`: measure, print a table, and write it to RESULTS.md when everything was measured thoroughly."""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import sys
from pathlib import Path

import agentgraph
from benchmarks.measure import QUICK, Effort
from benchmarks.table import Row, markdown
from benchmarks.workloads import WORKLOADS, profiled

RESULTS = Path(__file__).parent / "RESULTS.md"
_NOTE = """\
`make bench` writes this. Both sides do the same scripted work with a model that answers at once, in one process, batch by
batch in turns; a ratio is the median over the pairs of batches. Read the ratios, not the times. Rows are `arun` unless they say `sync`.
"""


def main() -> None:
    options = _options()
    if options.profile:
        _profile(options.profile)
        return
    keys = options.only.split(",") if options.only else list(WORKLOADS)
    rows: list[Row] = []
    for key in keys:
        for row in WORKLOADS[key](QUICK if options.quick else Effort()):
            rows.append(row)
            print(f"{row.key}  {row.what:58} {row.bare:>12} {row.ours:>22}  {row.ratio}", file=sys.stderr)
    text = f"# Beside a hand-written loop\n\n{_environment()}\n\n{_NOTE}\n{markdown(rows)}"
    print(text)
    if not options.only and not options.quick:
        RESULTS.write_text(text, encoding="utf-8", newline="\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer batches; RESULTS.md is left alone")
    parser.add_argument("--only", metavar="W1,W3", help="these workloads alone; RESULTS.md is left alone")
    parser.add_argument("--profile", metavar="W3", choices=[*WORKLOADS], help="profile agentgraph's side of one workload instead")
    options = parser.parse_args()
    unknown = set((options.only or "W1").split(",")) - set(WORKLOADS)
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(WORKLOADS)}")
    return options


def _profile(key: str) -> None:
    played = profiled(key)
    with cProfile.Profile() as profile:
        played()
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)


def _environment() -> str:
    return f"agentgraph {agentgraph.__version__}, {platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores."


if __name__ == "__main__":
    main()
