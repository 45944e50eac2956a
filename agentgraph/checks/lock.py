"""Lock: what a topology guarantees, as a text to be kept beside it and read in a review.

It holds what can happen and what is always so then, which policies hold, and which findings are known. Equal topologies have equal
locks: everything is ordered, and nothing tells when or where it was made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from agentgraph.checks.prove import prove, refuse_broken
from agentgraph.checks.topology import findings
from agentgraph.errors import DefinitionError
from agentgraph.possible.loosened import directly
from agentgraph.possible.privilege import Privilege, Privileges, privileges

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentgraph.checks.kept import Kept
    from agentgraph.checks.questions import Question
    from agentgraph.checks.spec import Spec
    from agentgraph.checks.verdict import Verdict
    from agentgraph.errors import Finding
    from agentgraph.graph.topology import Topology

KEY = "agentgraph_lock"
VERSION = 1
_LARGEST = 64 * 1024 * 1024


class Known(Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A finding, by what it is and whom it is about. Its words may change, so they are not kept."""

    code: str
    agents: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {', '.join(self.agents)}" if self.agents else self.code


class Lock(Struct, frozen=True, kw_only=True):
    """What a topology guarantees."""

    graph: str
    fingerprint: str
    privileges: Privileges
    policies: Mapping[str, bool]
    """Whether each holds, by its words."""
    findings: frozenset[Known]

    @classmethod
    def of(cls, topology: Topology, *policies: Spec | Question) -> Lock:
        """The guarantees of `topology`.

        Raises:
            DefinitionError: for a topology that cannot be compiled or is too large, and a policy that cannot mean anything here.
        """
        refuse_broken(topology)
        return cls.seen(topology, findings(topology), [prove(topology, policy) for policy in policies])

    @classmethod
    def seen(cls, topology: Topology, found: Iterable[Finding], verdicts: Iterable[Verdict], people: Iterable[str] = ()) -> Lock:
        """The lock of a topology that was looked at; where it declares nobody who reaches a person, `people` are meant."""
        return cls(
            graph=topology.name,
            fingerprint=topology.fingerprint,
            privileges=privileges(topology, people),
            policies={str(verdict.spec): verdict.holds for verdict in verdicts},
            findings=frozenset(Known(finding.code, finding.agents) for finding in found),
        )

    def kept_by(self, topology: Topology, *policies: Spec | Question) -> Kept:
        """Whether `topology` gives every guarantee that is locked. `assert Lock.load("agentgraph.lock").kept_by(graph, *POLICIES)`.

        Raises:
            DefinitionError: as `Lock.of` does.
        """
        from agentgraph.checks.kept import kept

        refuse_broken(topology)
        return kept(self, topology, findings(topology), [prove(topology, policy) for policy in policies])

    def to_json(self) -> str:
        """The text of a lock file."""
        every = self.privileges
        happens = {
            what: {"facts": sorted(privilege.facts), "after": list(directly(privilege, every))}
            for what, privilege in every.of.items()
            if privilege is not None
        }
        data = {
            KEY: VERSION,
            "graph": self.graph,
            "fingerprint": self.fingerprint,
            "policies": {words: "holds" if holds else "refuted" for words, holds in sorted(self.policies.items())},
            "findings": [msgspec.to_builtins(known) for known in sorted(self.findings)],
            "begins": list(every.entries),
            "people": {"are": list(every.people), "reached_from": sorted(every.to_people)} if every.people else None,
            "happens": {what: {key: names for key, names in row.items() if names} for what, row in happens.items()},
            "never": [what for what, privilege in every.of.items() if privilege is None],
            "follows_guards": every.follows_guards,
        }
        return "{\n" + ",\n".join(f" {json.dumps(key)}: {_in_lines(value)}" for key, value in data.items() if value is not None) + "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "the lock") -> Lock:
        """The lock that `to_json` wrote.

        Raises:
            DefinitionError: saying where in the text something else was expected.
        """
        try:
            file = msgspec.json.decode(text, type=_File)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as wrong:
            raise DefinitionError(f"{where} cannot be read as a lock: {wrong}; write it anew with agentgraph lock") from wrong
        if file.agentgraph_lock != VERSION:
            raise DefinitionError(f'{where} cannot be read here: "{KEY}": {VERSION} is expected, found {file.agentgraph_lock}')
        return file.lock()

    @classmethod
    def load(cls, path: str | Path) -> Lock:
        """The lock in a file.

        Raises:
            DefinitionError: for a file that cannot be read, or holds something else.
        """
        given: Any = path
        if not isinstance(given, str | os.PathLike):
            raise DefinitionError(f"Lock.load was given {given!r:.60}; give the path of a file that agentgraph lock wrote")
        file = Path(path)
        try:
            if file.stat().st_size > _LARGEST:
                raise DefinitionError(f"{file} is larger than {_LARGEST:,} bytes; a lock is names only")
            return cls.from_json(file.read_bytes(), str(file))
        except OSError as wrong:
            raise DefinitionError(f"{file} cannot be read: {wrong.strerror or wrong}; agentgraph lock writes one") from wrong


def _in_lines(value: Any) -> str:
    """A line for each thing that a list or an object holds, so that a change of one is a change of its line."""
    if not value or not isinstance(value, list | dict):
        return json.dumps(value)
    inner = [f"{json.dumps(key)}: {json.dumps(row)}" for key, row in value.items()] if isinstance(value, dict) else map(json.dumps, value)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n  " + ",\n  ".join(inner) + f"\n {end}"


class _Happens(Struct, forbid_unknown_fields=True):
    facts: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class _People(Struct, forbid_unknown_fields=True):
    are: tuple[str, ...]
    reached_from: tuple[str, ...]


class _File(Struct, forbid_unknown_fields=True):
    agentgraph_lock: int
    graph: str
    fingerprint: str
    policies: dict[str, Literal["holds", "refuted"]]
    findings: tuple[Known, ...]
    begins: tuple[str, ...]
    happens: dict[str, _Happens]
    never: tuple[str, ...]
    follows_guards: bool
    people: _People | None = None

    def lock(self) -> Lock:
        of: dict[str, Privilege | None] = dict.fromkeys(self.never)
        for what, row in self.happens.items():
            of[what] = Privilege(frozenset(row.facts), frozenset(self._all_before(what)))
        people = self.people or _People((), ())
        return Lock(
            graph=self.graph,
            fingerprint=self.fingerprint,
            privileges=Privileges(
                of=dict(sorted(of.items())),
                entries=self.begins,
                people=people.are,
                to_people=frozenset(people.reached_from),
                follows_guards=self.follows_guards,
            ),
            policies={words: said == "holds" for words, said in self.policies.items()},
            findings=frozenset(self.findings),
        )

    def _all_before(self, what: str) -> set[str]:
        """What comes before `what`, and what comes before that."""
        found: set[str] = set()
        todo: list[Any] = [what]
        while todo:
            row = self.happens.get(todo.pop())
            todo += [other for other in row.after if other not in found] if row is not None else ()
            found.update(row.after if row is not None else ())
        return (found | set(self.begins if len(self.begins) == 1 else ())) - {what}
