"""`agentgraph lock`: what a target guarantees, written down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agentgraph.checks.lock import Lock
from agentgraph.cli.policies import policies_at
from agentgraph.cli.render import print_plain
from agentgraph.cli.target import topology_at
from agentgraph.conversation.whole import write_whole
from agentgraph.errors import DefinitionError


def write_lock(target: str, policies: Iterable[str], file: str) -> None:
    """Write the lock of `target` to `file`, or to stdout where that is "-".

    Raises:
        DefinitionError: for what cannot be locked, and for a file that cannot be written.
    """
    topology = topology_at(target)
    lock = Lock.of(topology, *(policy.demand for policy in policies_at(policies, topology)))
    if file == "-":
        print_plain(lock.to_json())
        return
    try:
        write_whole(Path(file), lock.to_json().encode())
    except OSError as wrong:
        raise DefinitionError(f"{file} cannot be written: {wrong.strerror or wrong}") from wrong
    refuted = sum(not holds for holds in lock.policies.values())
    print_plain(f"{file} written; policies: {len(lock.policies) - refuted} hold, {refuted} refuted; findings: {len(lock.findings)}\n")
