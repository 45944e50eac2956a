"""A state machine for Hypothesis that holds conversations with the real runner, and holds the runner to the reference model.

Every rule adds one reply to the script of the run in hand, and the whole run is held again, with as many model calls allowed as there
are replies: so what the runner says after each of them is seen, and the limit is met exactly each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from hypothesis import HealthCheck, Phase, event, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.context import Context
from agentgraph.conversation.reply import Reply
from agentgraph.engine.events import Approved, ModelReplied
from agentgraph.errors import DefinitionError
from agentgraph.graph.topology import Topology
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.config import RunConfig
from agentgraph.testing.example import example
from agentgraph.testing.reference import Asking, Deviation, Reference, State, Turned
from agentgraph.testing.refinement import Speaker, compare, compare_late, deviation
from agentgraph.testing.strategies import budgets
from agentgraph.testing.stubs import approved, stubbed
from agentgraph.testing.walk import COSTS, Draw, Fired, Transition, Walk, flawed

if TYPE_CHECKING:
    from agentgraph.machine.happening import Monitor
    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.result import RunResult

_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink)
"""All but the explaining, which holds each conversation many times more and has only lines of ours to tell."""
_LONGEST = 8
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


class ConversationMachine(RuleBasedStateMachine):
    """Conversations on one graph. Made by `machine(graph)`; `coverage` says what fired in all of them."""

    kit: ClassVar[Kit]
    coverage: ClassVar[Fired]

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
        self.last: tuple[Branch, list[Any], int, RunResult] | None = None
        """The last run: from where, the replies, how many it might have had, and what came of it."""
        self.untried: set[str] = set()
        """What has not been done yet with the last run: once each is enough, and most of the time belongs to runs."""

    @initialize(
        data=st.data(),
        way=st.sampled_from(["run", "arun", "stream"]),
        parallel=st.booleans(),
        budget=budgets,
        asking=st.sampled_from(["at once", "later"]),
    )
    def begin(self, data: st.DataObject, way: str, parallel: bool, budget: Budget | None, asking: Asking) -> None:
        """A conversation begins; `way` is how its runs are held, `budget` what each may use, `asking` when people answer."""
        self.way, self.parallel, self.budget, self.asking = way, parallel, budget, asking
        self.branches.append(Branch(None, self.kit.reference.start()))
        self._aim(data)
        self._open(self.branches[-1])

    def _aim(self, data: st.DataObject) -> None:
        transitions = self.kit.walk.transitions
        self.aim = data.draw(st.sampled_from(transitions), label="aim") if transitions else None

    def _open(self, base: Branch) -> None:
        self.base, self.script, self.turned = base, [], []

    # -- between runs ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.base is None)
    @rule(data=st.data())
    def say(self, data: st.DataObject) -> None:
        """The user speaks: mostly where the conversation was, sometimes where it was before, or anew."""
        latest = len(self.branches) - 1
        at = data.draw(st.one_of(st.just(latest), st.integers(0, latest)), label="conversation")
        self._open(self.branches[at])

    @precondition(lambda self: self.base is None and "fork" in self.untried)
    @rule()
    def fork(self) -> None:
        """The last run once more, from the same snapshot: nothing of the first is to be seen in it."""
        assert self.last is not None
        self.untried.discard("fork")
        base, script, most, before = self.last
        again = self._hold(base, script, most)
        if again.context != before.context or again.path != before.path:
            raise deviation("two runs from one context", before.context.to_json(), again.context.to_json(), again)

    @precondition(lambda self: self.base is None and "resume" in self.untried)
    @rule()
    def resume(self) -> None:
        """The last run, taken up from JSON at its beginning and wherever calls were open: it ends as it did."""
        assert self.last is not None
        self.untried.discard("resume")
        _, script, most, before = self.last
        for at, context in enumerate(before.trace.contexts):
            if (context.pending or at == 1) and not _is_answering(before, at):
                done = sum(isinstance(e, ModelReplied) and not e.within for e in before.trace.events[:at])
                self.kit.speaker.script(script[done:])
                again = self._answered(self.runner.resume(Context.from_json(context.to_json()), config=self._config(most)), most)
                if again.context != before.context:
                    raise deviation(f"a run resumed after event {at}", before.context.to_json(), again.context.to_json(), again)

    @precondition(lambda self: self.base is None and "run_out_of_time" in self.untried)
    @rule(place=st.integers(0, 99))
    def run_out_of_time(self, place: int) -> None:
        """The last run, taken up somewhere in it when all its seconds are used: nothing more is done."""
        assert self.last is not None
        self.untried.discard("run_out_of_time")
        *_, before = self.last
        on_the_way = [context for context in before.trace.contexts if context.progress is not None]
        context = on_the_way[place % len(on_the_way)]
        assert context.progress is not None
        settings = replace(context.progress.settings, budget=Budget(seconds=1.0))
        late = replace(context, progress=replace(context.progress, seconds=1.0, settings=settings))
        self.kit.speaker.script([])
        compare_late(late, self.runner.resume(late, config=self._config(1)), self.kit.speaker)

    @precondition(lambda self: self.base is None and "round_trip" in self.untried)
    @rule()
    def round_trip(self) -> None:
        """The last snapshot goes through JSON, and conversations go on from there."""
        self.untried.discard("round_trip")
        context, state = self.branches[-1]
        assert context is not None
        read = Context.from_json(context.to_json())
        if read != context:
            raise Deviation(f"JSON changed a context: {context.to_json()} is now {read.to_json()}")
        self.branches[-1] = Branch(read, state)

    # -- replies ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data(), steps=st.integers(1, _LONGEST))
    def walk_on(self, data: st.DataObject, steps: int) -> None:
        """The next steps on the way to the aim, each alone and right, until it has fired or the run is over."""
        aim = self.aim
        for _ in range(steps):
            self._call(data, (self._towards(data),), plain=True, held=False)
            if self.base is None or self.aim is not aim:
                break
        if self.base is not None:
            self._held()

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call(self, data: st.DataObject) -> None:
        """One thing that may be called, as models call things."""
        self._call(data, (self._one_of(data, self.kit.walk.enabled(self.state)),))

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_disabled(self, data: st.DataObject) -> None:
        """One thing whose facts are not there: it must not happen."""
        self._call(data, (self._one_of(data, self.kit.walk.disabled(self.state)),), plain=True)

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_foreign(self, data: st.DataObject) -> None:
        """A tool or a handoff of somebody else, or of nobody."""
        self._call(data, (self._one_of(data, self.kit.walk.foreign(self.state)),), plain=True)

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        """A handoff."""
        self._call(data, (self._one_of(data, self.kit.walk.handoffs(self.state)),), plain=True)

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_in_order(self, data: st.DataObject) -> None:
        """Several calls in one reply, and their order decides what comes of them."""
        sorts = self.kit.walk.orders(self.state)
        chosen = data.draw(st.sampled_from(sorts), label="sort") if sorts else [(self._towards(data),)]
        self._call(data, data.draw(st.sampled_from(chosen), label="names"), plain=True)

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_flawed(self, data: st.DataObject) -> None:
        """A call that may be made and goes wrong, alone or before one that does not."""
        walk, state = self.kit.walk, self.state
        flaws = walk.flaws(state)
        if not flaws:
            return self._call(data, (self._towards(data),), plain=True)
        name, flaw = data.draw(st.sampled_from(flaws), label="flaw")
        more = data.draw(st.lists(st.sampled_from(walk.enabled(state)), max_size=1), label="after it")
        self.replies += 1
        first, *others = walk.reply(state, (name, *more), self.replies).tool_calls
        return self._add(Reply(None, (flawed(first, flaw), *others)))

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_many(self, data: st.DataObject) -> None:
        """Several calls in one reply: any tools of the agent, in any order."""
        tools = [name for name in self.kit.walk.own(self.state.agent) if name in self.kit.reference.tools[self.state.agent]]
        self._call(data, self._several(data, tools, 4))

    @precondition(lambda self: self.base is not None)
    @rule(data=st.data())
    def call_anything(self, data: st.DataObject) -> None:
        """Tools, handoffs and what does not exist, in one reply: the first handoff that is carried out wins."""
        walk = self.kit.walk
        own = walk.own(self.state.agent)
        edges = [name for name in own if name in self.kit.reference.edges[self.state.agent]]
        self._call(data, self._several(data, [*own, *edges, *walk.foreign(self.state)[:2]], 5))

    @precondition(lambda self: self.base is not None)
    @rule(text=st.sampled_from(["", "   "]))
    def say_nothing(self, text: str) -> None:
        """A reply that is none: it is asked for once more, and no more."""
        self._add(Reply(text))

    # -- ends ------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.base is not None)
    @rule()
    def answer(self) -> None:
        """An answer, also where none may be given."""
        self._add(Reply(self.kit.reference.answer_of(self.state.agent) or "an answer that may not be"))

    @precondition(lambda self: self.base is not None)
    @rule()
    def fail(self) -> None:
        """The provider is down."""
        self._turn(ConnectionError("the provider is down"), Turned(self.state, self.state, Reply(), end="error"))

    @precondition(lambda self: self.base is not None and bool(self.script))
    @rule()
    def exhaust(self) -> None:
        """The run is over, its model calls being used up. What was reached is kept."""
        self._close(self._held())

    # -- how -------------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """Where the run in hand stands."""
        assert self.base is not None
        if self.turned:
            return self.turned[-1].after
        return self.kit.reference.said(self.base.state)

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
        noted, reply = bool(self.turned) and self.turned[-1].unusable, replace(reply, usage=COSTS)
        must = self.kit.reference.replied(self.state, reply, noted=noted, parallel=self.parallel, budget=self.budget, asking=self.asking)
        self._turn(reply, must, held=held)

    def _turn(self, line: Any, turned: Turned, *, held: bool = True) -> None:
        """One reply more. Unless it ends the run, whoever adds another at once may leave holding it to that one."""
        self.script.append(line)
        self.turned.append(turned)
        self.fired = tuple(self.coverage.see(turned))
        for transition in self.fired:
            event(str(transition))
        over = bool(turned.end) or len(self.script) == _LONGEST
        if held or over:
            result = self._held()
            if over:
                self._close(result)

    def _held(self) -> RunResult:
        """The run in hand, held by the runner, and as it must be."""
        assert self.base is not None
        reference = self.kit.reference
        result = self._hold(self.base, self.script, self._most)
        compare(reference, self.base.state, self.turned, result, self.kit.speaker)
        broken = reference.broken(self.state)
        if broken is not None:
            raise deviation("a demand that was made of every conversation", broken, "it is broken", result, self.turned)
        return result

    @property
    def _most(self) -> int:
        """As many model calls as there are replies. Where a budget is to end the run, one more: else it were the replies that are used up."""
        return len(self.script) + (self.turned[-1].end == "budget")

    def _hold(self, base: Branch, script: Sequence[Any], most: int) -> RunResult:
        kit, config = self.kit, self._config(most)
        kit.speaker.script(script)
        if self.way == "arun":
            result = asyncio.run(self.runner.arun("hello", base.context, config))
        elif self.way == "stream":
            stream = self.runner.stream("hello", base.context, config)
            for _ in stream:
                pass
            result = stream.result
        else:
            result = self.runner.run("hello", base.context, config)
        return self._answered(result, most)

    def _answered(self, result: RunResult, most: int) -> RunResult:
        """The whole of a run that waits for people, with all that they are asked answered each time."""
        while result.stop_reason == "approval" and result.context.progress is not None:
            calls = [pending.call for pending in result.context.progress.calls if pending.stage == "asked"]
            self.kit.speaker.waited.append(tuple(call.name for call in calls))
            answers, config = {call.id: approved(call) for call in calls}, self._config(most)
            if self.way == "arun":
                after = asyncio.run(self.runner.aresume(result.context, answers, config))
            else:
                after = self.runner.resume(result.context, answers, config)
            result = replace(after, trace=result.trace + after.trace, path=(*result.path, *after.path[1:]))
        return result

    def _config(self, most: int) -> RunConfig:
        approve = approved if self.asking == "at once" else None
        return RunConfig(max_turns=most, parallel_tools=self.parallel, budget=self.budget, approve=approve)

    def _close(self, result: RunResult) -> None:
        assert self.base is not None
        self.branches.append(Branch(result.context, self.state))
        self.last = (self.base, list(self.script), self._most, result)
        self.untried = {"fork", "resume", "round_trip", "run_out_of_time"}
        self.base = None


def _is_answering(result: RunResult, at: int) -> bool:
    """Whether people had said of one call by then, and not yet of another: who takes it up asks for that again, and does more in between."""
    events = result.trace.events[max(at - 1, 0) : at + 1]
    return len(events) > 1 and all(isinstance(event, Approved) for event in events)


def machine(
    graph: Topology | None = None,
    *,
    specs: Sequence[Monitor] = (),
    monitors: Sequence[Monitor] = (),
    max_steps: int = 25,
    max_examples: int = 200,
    values: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
) -> type[ConversationMachine]:
    """A state machine that holds conversations on `graph` with the real runner and a scripted model, and compares each step to a reference.

    Each conversation has a budget or none, and people answer approvals at once or when it waits for them.
    Without a graph it walks one that has a bit of everything. `specs` are demanded of every conversation; `monitors` are given to the runner, which refuses what would
    break them. Tools are stubs, which give what
    `values` says under their names; `arguments` are used where none can be made up that fit. `machine(graph).TestCase` is for pytest and
    unittest; `coverage` of the class says which transitions fired.

    Raises:
        DefinitionError: when `graph` is none, or cannot be compiled.
    """
    given: Any = example() if graph is None else graph
    if not isinstance(given, Topology):
        raise DefinitionError(f"machine() was given {given!r:.60}; give an AgentGraph")
    reference = Reference(given, specs, values, monitors)
    broken = reference.broken(reference.start())
    if broken is not None:
        raise DefinitionError(
            f"no conversation may begin with {given.entry!r}, the entry of {given.name!r}: it breaks {broken}; give another"
        )
    walk, speaker = Walk(reference, arguments), Speaker()
    kit = Kit(reference, walk, speaker, stubbed(given, values, speaker).compile())
    made: Any = type("ConversationMachine", (ConversationMachine,), {"kit": kit, "coverage": Fired(walk.transitions)})
    made.TestCase.settings = settings(
        max_examples=max_examples, stateful_step_count=max_steps, deadline=None, suppress_health_check=list(HealthCheck), phases=_PHASES
    )
    return made  # type: ignore[no-any-return]
