"""Does a recorded run keep to its topology? Every step of it that the topology does not have, with the message it stands in.

A result and a trace are judged from where their run began. What is recorded is believed, and nothing is guessed. A list of messages may be an excerpt, so its first speaker is believed to have held the
conversation; a handoff that is declared is judged by its ends, however its tool is called; a call that was refused did not
happen. What `when=` guards would have said is not recorded. A handoff to a person outside (an agent called "user", or the
graph's `human`) leaves whoever handed over free to go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from msgspec import Struct

from agentgraph.checks.along import along
from agentgraph.checks.recording import Moment, Recording, recording_of
from agentgraph.graph.edge import listed
from agentgraph.machine.fsm import missing
from agentgraph.possible.rooms import set_inside

if TYPE_CHECKING:
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology

SCHEMA = 1
Code = Literal["unknown-agent", "no-such-edge", "guard-not-met", "foreign-tool", "silent-switch", "final-not-allowed"]


class Deviation(Struct, frozen=True):
    """One step that the topology does not have. `index` is the message it stands in, `expected` what was possible instead."""

    index: int
    code: Code
    message: str
    agent: str = ""
    expected: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"message {self.index}: {self.code}: {self.message}; expected {listed(self.expected)}"


class Conformance(Struct, frozen=True):
    """True where there are no deviations; else they can be gone through, first to last."""

    graph: str
    deviations: tuple[Deviation, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether there are no deviations."""
        return not self.deviations

    def __bool__(self) -> bool:
        return self.holds

    def __iter__(self) -> Iterator[Deviation]:
        return iter(self.deviations)

    def __len__(self) -> int:
        return len(self.deviations)

    def __getitem__(self, at: int) -> Deviation:
        return self.deviations[at]

    def __str__(self) -> str:
        if self.holds:
            return f"this run conforms to {self.graph!r}"
        count = f"{len(self)} deviation{'s' if len(self) > 1 else ''}"
        return "\n".join([f"this run deviates from {self.graph!r}: {count}", *(f"  {deviation}" for deviation in self)])

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """It as JSON values, with the number of their schema."""
        return {"agentgraph_conformance": SCHEMA, "graph": self.graph, "deviations": msgspec.to_builtins(self.deviations)}


def conformance(topology: Topology, run: Any) -> Conformance:
    """Every deviation of `run` from `topology`. O(messages + handoffs of the graph).

    Raises:
        DefinitionError: for what is no record of a run.
        ContextError: for a message that is none.
    """
    recording = recording_of(run)
    judge = _Judge(topology, recording)
    last: Moment | None = None
    for moment in along(recording, topology):
        judge.see(moment)
        last = moment
    judge.stopped(last)
    return Conformance(topology.name, tuple(dict.fromkeys(judge.found)))


class _Judge:
    """Who may speak, which facts hold, and what was found so far."""

    def __init__(self, topology: Topology, recording: Recording) -> None:
        self.topology, self.recording = topology, recording
        self.found: list[Deviation] = []
        self.leaving: dict[str, list[Edge]] = {}
        for edge in topology.edges:
            self.leaving.setdefault(edge.source, []).append(edge)
        self.declared = {tool.name for agent in topology.agents.values() for tool in agent.tools} | {edge.tool for edge in topology.edges}
        self.may = frozenset({recording.start} & topology.agents.keys())
        """Who may speak next; empty where anybody may, since it is not recorded who holds the conversation."""
        self.holder = recording.holder
        self.facts = recording.facts | (recording.held - self._set_meanwhile())

    def _set_meanwhile(self) -> frozenset[str]:
        facts: set[str] = set()
        for moment in along(self.recording, self.topology):
            tool = self._own(moment.agent, moment.name)
            facts |= moment.facts
            if tool is not None:
                facts |= tool.sets if moment.answer in ("given", "none") else frozenset()
                facts |= set_inside(tool, moment.succeeded) if moment.succeeded is not None else frozenset()
        return frozenset(facts)

    def _set_inside(self, tool: Tool | None, moment: Moment) -> frozenset[str]:
        """The facts that the agent inside a tool has set. Where it is not recorded which of its tools succeeded, all that it may have set."""
        if tool is None or not moment.ran or (moment.succeeded is None and self.recording.has_insides):
            return moment.facts
        return moment.facts | set_inside(tool, moment.succeeded)

    def see(self, moment: Moment) -> None:
        """Judge one moment; of what was before the run, only who held the conversation is taken note of."""
        if moment.kind in ("user", "inside"):
            return
        if moment.index >= self.recording.since and self.holder:
            self.may, self.holder = frozenset({self.holder} & self.topology.agents.keys()), ""
        self._spoke(moment)
        if moment.kind == "call":
            self._called(moment)
        elif moment.kind == "handoff":
            self._handed_over(moment)
        elif moment.ends and moment.agent in self.topology.agents and not self.topology.agents[moment.agent].may_finish:
            said = f"{moment.agent!r} ended the turn, and no turn may end there (may_finish=False)"
            self._note(moment, "final-not-allowed", said, self._offers(moment.agent))

    def stopped(self, last: Moment | None) -> None:
        """Judge where the recording stops: one of ours says itself how it ended."""
        if last is None or last.kind != "handoff" or last.answer not in ("given", "open"):
            return
        if not self.recording.is_ours and last.target in self.topology.agents and not self._is_outside(last.target):
            said = f"it ends with the handoff to {last.target!r}, who never answered"
            self._note(last, "final-not-allowed", said, (last.target,))

    def _spoke(self, moment: Moment) -> None:
        agent = moment.agent
        if agent not in self.topology.agents:
            if agent:
                self._note(
                    moment, "unknown-agent", f"{agent!r} is no agent of {self.topology.name!r}", self.may or tuple(self.topology.agents)
                )
            return
        if self.may and agent not in self.may:
            holder = " or ".join(map(repr, sorted(self.may)))
            self._note(moment, "silent-switch", f"{agent!r} spoke while {holder} held the conversation; nobody handed over", self.may)
        self.may = frozenset({agent})

    def _called(self, moment: Moment) -> None:
        if moment.answer in ("refused", "skipped", "held") or moment.agent not in self.topology.agents:
            return
        tool = self._own(moment.agent, moment.name)
        if tool is None and all(edge.tool != moment.name for edge in self.leaving.get(moment.agent, ())):
            said = f"{moment.agent!r} called {moment.name!r}, which is not its own"
            self._note(moment, "foreign-tool", said, self._offers(moment.agent))
        if moment.answer == "open":
            said = f"the turn ended while the call of {moment.name!r} had no answer"
            self._note(moment, "final-not-allowed", said, (f"an answer to {moment.name!r}",))
        if tool is not None and moment.ran and not tool.requires <= self.facts:
            said = f"{moment.name!r} ran, and {missing(tool.requires, self.facts)}"
            self._note(moment, "guard-not-met", said, sorted(tool.requires - self.facts))
        if tool is not None and moment.answer in ("given", "none"):
            self.facts |= tool.sets
        self.facts |= self._set_inside(tool, moment)

    def _handed_over(self, moment: Moment) -> None:
        source, target = moment.agent, moment.target
        leaving = self.leaving.get(source, [])
        if target not in self.topology.agents:
            said = f"{source!r} handed over to {target!r}, which is no agent of {self.topology.name!r}"
            self._note(moment, "unknown-agent", said, [edge.target for edge in leaving])
            self.may = frozenset()
            return
        ways = [edge for edge in leaving if edge.target == target]
        ways = [edge for edge in ways if edge.tool == moment.name] or ways
        if source in self.topology.agents and not ways:
            said = f"{source!r} handed over to {target!r}, and there is no such handoff"
            self._note(moment, "no-such-edge", said, [edge.target for edge in leaving])
        lacking = [edge.handoff.requires for edge in ways if not edge.handoff.requires <= self.facts]
        if ways and len(lacking) == len(ways):
            said = f"{source!r} handed over to {target!r}, and {missing(lacking[0], self.facts)}"
            self._note(moment, "guard-not-met", said, sorted(lacking[0] - self.facts))
        self.may = frozenset({target, source} if self._is_outside(target) else {target}) & self.topology.agents.keys()

    def _is_outside(self, agent: str) -> bool:
        return agent == self.topology.human or agent.casefold() == "user"

    def _own(self, agent: str, name: str) -> Tool | None:
        """The tool of `agent` that a call names: as it is called, or behind the name of where it comes from ("Plugin-tool")."""
        if agent not in self.topology.agents or not name:
            return None
        tools = {tool.name: tool for tool in self.topology.agents[agent].tools}
        if name in tools or name in self.declared:
            return tools.get(name)
        return next(
            (tool for called, tool in tools.items() if name.endswith((f"-{called}", f".{called}", f"/{called}", f":{called}"))), None
        )

    def _offers(self, agent: str) -> tuple[str, ...]:
        return (*(tool.name for tool in self.topology.agents[agent].tools), *(edge.tool for edge in self.leaving.get(agent, ())))

    def _note(self, moment: Moment, code: Code, said: str, expected: Iterable[str]) -> None:
        if moment.index >= self.recording.since:
            self.found.append(Deviation(moment.index, code, said, moment.agent, tuple(dict.fromkeys(expected))))
