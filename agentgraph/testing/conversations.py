"""A conversation that is held with the real runner, reply by reply, and as the reference model says that it must go.

A reply is added to the script of the run in hand, and the whole run is held again, with as many model calls allowed as there
are replies: so what the runner says after each of them is seen, and the limit is met exactly each time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from hypothesis import event, strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from agentgraph.conversation.context import Context
from agentgraph.conversation.reply import Reply
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.config import RunConfig
from agentgraph.testing.reference import Reference, State, Turned
from agentgraph.testing.refinement import Speaker, compare, deviation
from agentgraph.testing.stubs import approved
from agentgraph.testing.walk import Draw, Fired, Transition, Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.result import RunResult

LONGEST = 8
"""Replies in one run: every rule holds it again."""


class Kit(NamedTuple):
    """What the machines of one graph share. Nothing of it remembers a conversation; the speaker forgets the last one with each script."""

    reference: Reference
    walk: Walk
    speaker: Speaker
    compiled: Machine


class Branch(NamedTuple):
    """A conversation that waits for its user: the real snapshot, and what it must be."""

    context: Context | None
    state: State


class Conversations(RuleBasedStateMachine):
    """The conversations of one example: how they are held. What is said in them is said by rules."""

    kit: ClassVar[Kit]
    coverage: ClassVar[Fired]
    way: str
    """How its runs are held: run, arun or stream."""
    parallel: bool

    def __init__(self) -> None:
        super().__init__()
        enforced: dict[str, Any] = {"monitors": self.kit.reference.enforced} if self.kit.reference.enforced else {}
        self.runner = AgentRunner(self.kit.compiled, **enforced).on_tool_start(
            self.kit.speaker.see
        )  # one for each example: what a wrong one remembered, the next must not know
        self.branches: list[Branch] = []
        self.base: Branch | None = None
        """What the run in hand began from; None between runs."""
        self.script: list[Any] = []
        self.turned: list[Turned] = []
        self.replies = 0
        self.fired: tuple[Transition, ...] = ()
        """What the last reply made fire."""
        self.last: tuple[Branch, list[Any], RunResult] | None = None
        self.untried: set[str] = set()
        """What has not been done yet with the last run: once each is enough, and most of the time belongs to runs."""

    def _aim(self, data: st.DataObject) -> None:
        transitions = self.kit.walk.transitions
        self.aim = data.draw(st.sampled_from(transitions), label="aim") if transitions else None

    def _open(self, base: Branch) -> None:
        self.base, self.script, self.turned = base, [], []

    @property
    def state(self) -> State:
        """Where the run in hand stands."""
        assert self.base is not None
        if self.turned:
            return self.turned[-1].after
        return self.base.state._replace(messages=self.base.state.messages + 1)

    def _one_of(self, data: st.DataObject, names: Sequence[str]) -> str:
        """One of `names`; where there is none, the way to the aim, so that no step is wasted."""
        return data.draw(st.sampled_from(names), label="name") if names else self._towards(data)

    def _several(self, data: st.DataObject, names: Sequence[str], most: int) -> list[str]:
        if not names:
            return [self._towards(data)]
        drawn: list[str] = data.draw(st.lists(st.sampled_from(names), min_size=2, max_size=most), label="names")
        return drawn

    def _towards(self, data: st.DataObject) -> str:
        walk, state = self.kit.walk, self.state
        name = walk.towards(state, self.aim) if self.aim is not None else None
        return name or data.draw(st.sampled_from(walk.own(state.agent) or walk.names), label="name")

    def _call(self, data: st.DataObject, names: Sequence[str], *, plain: bool = False, held: bool = True) -> None:
        draw: Draw | None = None if plain else lambda several: data.draw(st.sampled_from(several))
        self.replies += 1
        self._add(self.kit.walk.reply(self.state, names, self.replies, draw), held=held)
        if self.aim in self.fired:
            self._aim(data)

    def _add(self, reply: Reply, *, held: bool = True) -> None:
        noted = bool(self.turned) and self.turned[-1].unusable
        self._turn(reply, self.kit.reference.replied(self.state, reply, noted=noted, parallel=self.parallel), held=held)

    def _turn(self, line: Any, turned: Turned, *, held: bool = True) -> None:
        """One reply more. Unless it ends the run, whoever adds another at once may leave holding it to that one."""
        self.script.append(line)
        self.turned.append(turned)
        self.fired = tuple(self.coverage.see(turned))
        for transition in self.fired:
            event(str(transition))
        over = bool(turned.end) or len(self.script) == LONGEST
        if held or over:
            result = self._held()
            if over:
                self._close(result)

    def _held(self) -> RunResult:
        """The run in hand, held by the runner, and as it must be."""
        assert self.base is not None
        reference = self.kit.reference
        result = self._hold(self.base, self.script)
        compare(reference, self.base.state, self.turned, result, self.kit.speaker)
        broken = reference.broken(self.state)
        if broken is not None:
            raise deviation("a demand that was made of every conversation", broken, "it is broken", result, self.turned)
        return result

    def _hold(self, base: Branch, script: Sequence[Any]) -> RunResult:
        kit, config = self.kit, self._config(len(script))
        kit.speaker.script(script)
        if self.way == "arun":
            return asyncio.run(self.runner.arun("hello", base.context, config))
        if self.way == "stream":
            stream = self.runner.stream("hello", base.context, config)
            for _ in stream:
                pass
            return stream.result
        return self.runner.run("hello", base.context, config)

    def _config(self, most: int) -> RunConfig:
        return RunConfig(max_turns=most, parallel_tools=self.parallel, approve=approved)

    def _close(self, result: RunResult) -> None:
        assert self.base is not None
        self.branches.append(Branch(result.context, self.state))
        self.last, self.untried = (self.base, list(self.script), result), {"fork", "resume", "round_trip"}
        self.base = None
