"""`agentgraph check`: what is wrong with a target, which policies do not hold, what is looser than locked.

Exit code 1 for any finding, warnings too: what is known and meant is written into a lock, and passes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agentgraph.checks.kept import Kept, is_new, kept
from agentgraph.checks.lock import Lock
from agentgraph.checks.prove import prove
from agentgraph.checks.topology import findings
from agentgraph.checks.verdict import Verdict
from agentgraph.cli.policies import policies_at
from agentgraph.cli.render import print_plain
from agentgraph.cli.target import topology_at
from agentgraph.errors import Finding
from agentgraph.graph.findings import structural
from agentgraph.graph.topology import Topology

SCHEMA = 1
FOUND = 1


def show_findings(target: str, policies: Iterable[str], lock: Path | None, *, as_json: bool) -> int:
    """Print what was found. The exit code.

    Raises:
        DefinitionError: for a target, a policy or a lock that cannot be read, or cannot mean anything.
    """
    report = reported(topology_at(target), policies, Lock.load(lock) if lock is not None else None)
    print_plain(json.dumps(report.to_dict()) + "\n" if as_json else "".join(f"{line}\n" for line in report.told()))
    return 0 if report.is_fine else FOUND


class Proved(NamedTuple):
    """A policy and what its proof came to."""

    name: str
    verdict: Verdict
    locked: bool | None
    """Whether it held when it was locked; None where it was not."""

    @property
    def is_known(self) -> bool:
        """Whether it is locked as refuted."""
        return self.locked is False

    @property
    def words(self) -> str:
        """The demand, after the name that it was given."""
        words = str(self.verdict.spec)
        return words if self.name == words else f"{self.name}: {words}"


class Report(NamedTuple):
    """All that was found of a topology."""

    topology: Topology
    findings: Sequence[Finding]
    """Those that no lock knows."""
    known: Sequence[Finding]
    proved: Sequence[Proved]
    can_be_compiled: bool
    kept: Kept | None

    @property
    def refuted(self) -> tuple[Proved, ...]:
        """The policies that do not hold, but for those that are locked so."""
        return tuple(each for each in self.proved if not each.verdict and not each.is_known)

    @property
    def is_fine(self) -> bool:
        """Whether there is nothing to be done."""
        return not (self.findings or self.refuted) and (self.kept is None or bool(self.kept))

    def told(self) -> Iterator[str]:
        """It in lines: what is wrong first, the sum of it last."""
        for finding in self.findings:
            yield from _told(f"{finding.code}: {finding.message}", finding.path, finding.fix)
        for each in self.refuted:
            when = ", and held when it was locked" if each.locked else ""
            yield from _told(f"refuted{when}: {each.words}", tuple(map(str, each.verdict.path)) or each.verdict.agents, each.verdict.advice)
        said = {str(each.verdict.spec) for each in self.refuted}
        for loosened in self.kept.loosened if self.kept is not None else ():
            if loosened.demand in said:
                continue
            yield from _told(f"loosened: {loosened.message}", loosened.path, loosened.fix)
        yield from self.kept.news if self.kept is not None else ()
        yield from (f"known: {finding.code}: {finding.message}" for finding in self.known)
        yield from (f"known: refuted: {each.words}" for each in self.proved if not each.verdict and each.is_known)
        yield from (f"holds: {each.words}" for each in self.proved if each.verdict)
        yield from (f"assumed: {words}" for words in dict.fromkeys(words for each in self.proved for words in each.verdict.assumptions))
        yield self._sum()

    def _sum(self) -> str:
        found = [_counted(len(self.findings), "finding", "findings")]
        if self.proved:
            found.append(_counted(len(self.refuted), "policy refuted", "policies refuted"))
            found.append(f"{sum(each.verdict.holds for each in self.proved)} of {len(self.proved)} hold")
        if self.kept is not None:
            found.append(_counted(len(self.kept.loosened), "guarantee loosened", "guarantees loosened"))
        if not self.can_be_compiled:
            found.append("cannot be compiled, so nothing was proved, nor compared to a lock")
        return f"{self.topology.name}: {', '.join(found)}"

    def to_dict(self) -> dict[str, Any]:
        """It as JSON values, with the number of their schema."""
        return {
            "agentgraph_check": SCHEMA,
            "graph": self.topology.name,
            "fingerprint": self.topology.fingerprint,
            "is_fine": self.is_fine,
            "can_be_compiled": self.can_be_compiled,
            "findings": msgspec.to_builtins(self.findings),
            "known": msgspec.to_builtins(self.known),
            "policies": [
                {
                    "name": each.name,
                    "demand": str(each.verdict.spec),
                    "holds": each.verdict.holds,
                    "locked": each.locked,
                    "path": list(map(str, each.verdict.path)),
                    "agents": each.verdict.agents,
                    "distance": each.verdict.distance,
                    "fix": "" if each.verdict else each.verdict.advice,
                    "assumptions": each.verdict.assumptions,
                }
                for each in self.proved
            ],
            "lock": msgspec.to_builtins(self.kept) if self.kept is not None else None,
        }


def reported(topology: Topology, policies: Iterable[str], lock: Lock | None) -> Report:
    """Check and prove `topology`, and hold it to `lock`."""
    found = findings(topology)
    can_be_compiled = not structural(topology)
    asked = policies_at(policies, topology)
    proved = [(policy.name, prove(topology, policy.demand)) for policy in asked] if can_be_compiled else []
    new = found if lock is None else [finding for finding in found if is_new(lock, finding)]
    return Report(
        topology,
        new,
        [finding for finding in found if finding not in new],
        [Proved(name, verdict, lock.policies.get(str(verdict.spec)) if lock is not None else None) for name, verdict in proved],
        can_be_compiled,
        kept(lock, topology, found, [verdict for _, verdict in proved]) if lock is not None and can_be_compiled else None,
    )


def _told(what: str, path: Sequence[str], fix: str) -> Iterator[str]:
    yield what
    if path:
        yield f"  path: {' -> '.join(path)}"
    if fix:
        yield f"  fix: {fix}"


def _counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
