"""A proof says what enumeration says: same verdict, same length. What it refutes can be run; what it proves, no run breaks."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count as counting, pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings, strategies as st

from agentgraph import Agent, AgentGraph, AgentGroup, AgentRunner, Context, RunConfig, RunResult, Tool, Trace
from agentgraph.checks import (
    Happening,
    Verdict,
    at_most,
    calls,
    enters,
    inside,
    leads_to,
    never,
    never_after,
    never_between,
    passes,
    precedes,
    succeeds,
)
from agentgraph.checks.spec import AtMost, LeadsTo, Never, NeverAfter, NeverBetween, Passes, Precedes, Spec
from agentgraph.conversation.happening import HappeningKind
from agentgraph.engine.events import ToolReturned, UserSaid
from agentgraph.graph.edge import Group
from agentgraph.machine.happening import BROKEN
from tests.strategies import Improviser, Move, at_place, conversations, places

MANY = settings(max_examples=5_000 if os.environ.get("CI") else settings().max_examples)
FACTS = ("f", "g")


# -- graphs and specs --------------------------------------------------------------------------------------------------

fact_sets = st.sampled_from([frozenset(), frozenset(), frozenset("f"), frozenset("g"), frozenset("fg")])


def works() -> str:
    return "done"


def shrugs(value: None, output: Any) -> Any:
    raise NotImplementedError  # forwards, and says so to the log


def nothing() -> None:
    pass


@st.composite
def tools(draw: st.DrawFn, name: str) -> Tool:
    return Tool(
        name=name, function=works, sets=draw(fact_sets), requires=draw(fact_sets), final=draw(st.sampled_from([False, False, False, True]))
    )


@st.composite
def members(draw: st.DrawFn, name: str, extra: Iterable[Tool] = ()) -> Agent:
    own = [draw(tools(tool)) for tool in draw(st.lists(st.sampled_from(["t1", "t2", "t3"]), unique=True, max_size=2))]
    handler = draw(st.sampled_from([None, None, None, (nothing, shrugs)]))
    return Agent(name, tools=[*own, *extra], may_finish=draw(st.booleans()), on_tool_output=handler)


@st.composite
def helpers(draw: st.DrawFn) -> list[Tool]:
    """Perhaps an agent, or a group, as a tool."""
    match draw(st.sampled_from(["none", "none", "agent", "group", "deep"])):
        case "agent":
            tool = draw(members("I")).as_tool(name="ask")
        case "group":
            pair = [("I", "J")] if draw(st.booleans()) else [("I", "J"), ("J", "I")]
            tool = AgentGroup("crew", root=draw(members("I")), members=[draw(members("J"))], handoffs=pair).as_tool(name="ask")
        case "deep":
            tool = draw(members("I", [draw(members("K")).as_tool(name="deeper")])).as_tool(name="ask")
        case _:
            return []
    reader = draw(st.sampled_from([None, str]))
    return [tool.replace(output_extractor=reader, sets=draw(fact_sets), requires=draw(fact_sets), final=draw(st.booleans()))]


@st.composite
def graphs(draw: st.DrawFn) -> AgentGraph:
    names = ["A", "B", "C", "D"][: draw(st.integers(1, 4))]
    graph = AgentGraph("g")
    asked = draw(helpers())
    for name in names:
        graph.add_agent(draw(members(name, asked if draw(st.booleans()) else ())))
    pairs = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(names)), unique=True, max_size=7))
    for source, target in pairs:
        graph.add_handoff(source, target, requires=draw(fact_sets))
    if len(names) > 1 and draw(st.booleans()):
        graph.regroup([Group("team", names[-1], tuple(names[1:]), None)])
    graph.entry = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    return graph


@st.composite
def specs(draw: st.DrawFn, graph: AgentGraph) -> Spec:
    inner = [tool.agent for agent in graph.agents.values() for tool in agent.tools if tool.agent is not None]
    known: list[Any] = [enters(name) for name in graph.agents]
    known += [of(tool.name) for agent in graph.agents.values() for tool in agent.tools for of in (calls, succeeds)]
    known += [inside(name) for name in graph.groups]
    for who in inner:
        root = who if isinstance(who, Agent) else next(who.agents())
        known += [enters("I"), *(of(tool.name) for tool in root.tools for of in (calls, succeeds))]
        known += [inside("crew")] if isinstance(who, AgentGroup) else []
    one = st.sampled_from(known)
    p, q, r = (draw(one | st.builds(lambda a, b: a | b, one, one)) for _ in range(3))
    made = [never(p), precedes(p, q), leads_to(p, q), passes(p), at_most(draw(st.integers(0, 2)), p), never_between(p, q, r)]
    made += [never_after(p, q), UserSpec(p)]
    return draw(st.sampled_from(made))


class UserSpec(Spec, frozen=True):
    """A demand of a user's own, of which nothing is known: no p twice in a turn, nor after a call that failed."""

    p: Any

    @property
    def kinds(self) -> frozenset[HappeningKind]:
        return super().kinds | {"success", "failure"}

    def _after(self, state: int, happening: Happening) -> int:
        if state and self.p.holds(happening):
            return BROKEN
        if happening.kind == "final":
            return 0
        return 1 if happening.kind == "failure" or self.p.holds(happening) else state


# -- what the specs mean, in English, over a whole run -----------------------------------------------------------------


def last(run: list[Happening], p: Any) -> int:
    return max((at for at, happening in enumerate(run) if p.holds(happening)), default=-1)


def broken(spec: Any, run: list[Happening]) -> bool:
    """Whether the last happening of `run` breaks the spec; nothing before it did."""
    *before, now = run
    match spec:
        case Never(p):
            return bool(p.holds(now))
        case Precedes(p, q):
            return q.holds(now) and not p.holds(now) and last(before, p) < 0
        case LeadsTo(p, q):
            return now.kind == "final" and last(before, p) > last(before, q)
        case Passes(p):
            return now.kind == "final" and last(before, p) < 0
        case AtMost(k, p):
            return sum(map(p.holds, run)) > k
        case NeverBetween(p, a, b):
            return p.holds(now) and not b.holds(now) and last(before, a) > last(before, b)
        case NeverAfter(p, a):
            return p.holds(now) and last(before, a) >= 0
        case UserSpec(p):
            return bool(p.holds(now)) and noted(before, p)
    raise AssertionError(spec)


def noted(run: list[Happening], p: Any) -> bool:
    """Whether p happened in this turn, or a call failed in it."""
    turn = run[max((at + 1 for at, happening in enumerate(run) if happening.kind == "final"), default=0) :]
    return any(happening.kind == "failure" or p.holds(happening) for happening in turn)


def first_broken(spec: Any, run: list[Happening], known: int = 0) -> int | None:
    """How much of `run` breaks the spec; its first `known` happenings do not."""
    return next((end for end in range(known + 1, len(run) + 1) if broken(spec, run[:end])), None)


def remembered(spec: Any, run: list[Happening]) -> Any:
    """What of `run` may still matter to the spec."""
    match spec:
        case Precedes(p, _) | Passes(p):
            return last(run, p) >= 0
        case LeadsTo(p, q):
            return last(run, p) > last(run, q)
        case AtMost(_, p):
            return sum(map(p.holds, run))
        case NeverBetween(_, a, b):
            return last(run, a) > last(run, b)
        case NeverAfter(_, a):
            return last(run, a) >= 0
        case UserSpec(p):
            return noted(run, p)
    return None


# -- every run there is ------------------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """Who holds the conversation in the graph, or in a tool whose place is told by the names on the way to it."""

    place: tuple[str, ...]
    agent: str


@dataclass(frozen=True)
class At:
    frames: tuple[Frame, ...]
    facts: frozenset[str]
    doing: str = "asked"


class Next(NamedTuple):
    """What may come next: one move, with all that is seen of it; or coming back from a tool, which is none."""

    happenings: tuple[Happening, ...]
    to: At
    is_move: bool = True


def came_to(tool: Tool, agent: str, *, given: bool) -> Happening:
    return Happening("success" if given else "failure", tool.name, agent)


class Runs:
    """All the runs of a graph, step by step. Calls succeed, fail, or give an output that nobody hears of, and runs inside tools may be
    cut off anywhere. Nothing is left out."""

    def __init__(self, graph: AgentGraph) -> None:
        self.graph = graph
        handoffs = [(edge.source, edge.target, edge.handoff.requires) for edge in graph.edges]
        self.rooms: dict[tuple[str, ...], Any] = {(): (dict(graph.agents), handoffs)}
        self.around = {name: graph.groups_of(name) for name in graph.agents}

    def enter(self, place: tuple[str, ...], name: str) -> tuple[Happening]:
        return (Happening("enter", name, groups=self.around[name]),)

    def starts(self) -> Iterator[Next]:
        for name in self.graph.entries:
            yield Next(self.enter((), name), At((Frame((), name),), frozenset()))

    def next(self, at: At) -> Iterator[Next]:
        (place, name), outer = at.frames[-1], at.frames[:-1]
        everybody, handoffs = self.rooms[place]
        agent: Agent = everybody[name]
        if at.doing == "entering":
            yield Next(self.enter(place, name), replace(at, doing="asked"))
            return
        answers = at.doing == "ending" or agent.may_finish or agent.on_tool_output is not None
        if outer:
            yield from self.back(at, outer, answers=answers)
        elif answers:
            yield Next((Happening("final", agent=name),), replace(at, doing="asked"))
        if at.doing == "ending":
            return
        for tool in agent.tools:
            if tool.requires <= at.facts:
                yield from self.called(at, tool, Happening("call", tool.name, name))
        for source, target, requires in handoffs:
            if source == name and requires <= at.facts:
                yield Next(self.enter(place, target), replace(at, frames=(*outer, Frame(place, target))))

    def back(self, at: At, outer: tuple[Frame, ...], *, answers: bool) -> Iterator[Next]:
        caller = outer[-1].agent
        tool = next(t for t in self.rooms[outer[-1].place][0][caller].tools if t.name == at.frames[-1].place[-1])
        given, failed = came_to(tool, caller, given=True), came_to(tool, caller, given=False)
        if at.doing == "asked" or tool.output_extractor is not None:
            yield Next((failed,), At(outer, at.facts), is_move=False)
        if answers:
            yield Next((given,), At(outer, at.facts | tool.sets, "ending" if tool.final else "asked"), is_move=False)
            yield Next((given,), At(outer, at.facts), is_move=False)

    def called(self, at: At, tool: Tool, call: Happening) -> Iterator[Next]:
        place, name = at.frames[-1]
        if tool.agent is None:
            given, failed = came_to(tool, name, given=True), came_to(tool, name, given=False)
            yield Next((call, failed), at)
            yield Next((call, given), replace(at, facts=at.facts | tool.sets, doing="ending" if tool.final else "asked"))
            yield Next((call, given), at)
            return
        there = (*place, name, tool.name)
        crew = [tool.agent] if isinstance(tool.agent, Agent) else list(tool.agent.agents())
        handoffs = [] if isinstance(tool.agent, Agent) else [(source, h.target_name, h.requires) for source, h in tool.agent.handoffs]
        self.rooms[there] = ({who.name: who for who in crew}, handoffs)
        self.around.update({who.name: (tool.agent.name,) if isinstance(tool.agent, AgentGroup) else () for who in crew})
        yield Next((call,), replace(at, frames=(*at.frames, Frame(there, crew[0].name)), doing="entering"))

    def shortest_that_breaks(self, spec: Spec) -> int | None:
        """The moves of the shortest run that breaks `spec`."""
        runs = [(list(happenings), at, 0) for happenings, at, _ in self.starts()]
        seen: set[Any] = set()
        for length in counting(1):
            longer: list[tuple[list[Happening], At, int]] = []
            for run, at, known in runs:  # grows as it is walked
                if first_broken(spec, run, known):
                    return length
                key = (at, remembered(spec, run))
                if key in seen:
                    continue
                seen.add(key)
                for happenings, to, is_move in self.next(at):
                    (longer if is_move else runs).append(([*run, *happenings], to, len(run)))
            if not longer:
                return None
            runs = longer
        raise AssertionError


# -- what happened in a run --------------------------------------------------------------------------------------------


def told(result: RunResult, trace: Trace, graph: AgentGraph) -> list[tuple[str, str]]:
    """What happened, in call order, read off the messages."""
    trace = trace.outermost
    found = [("enter", graph.entry)]
    turns = [at for at, event in enumerate(trace.events) if isinstance(event, UserSaid)] + [len(trace)]
    ran = {event.call_id for event in trace.events if isinstance(event, ToolReturned)}
    seen = len(trace.start.messages)
    for turn, (start, stop) in enumerate(pairwise(turns), 1):
        messages = list(trace[stop - 1][1].messages)
        found += spoken(messages[seen:], ran, trace, graph.agents)
        seen = len(messages)
        assert start < stop
        if turn < len(turns) - 1 or result.succeeded:
            found.append(("final", ""))
    return found


def spoken(messages: list[Any], ran: set[str], trace: Trace, agents: Any) -> Iterator[tuple[str, str]]:
    answers = {message.tool_call_id: message for message in messages if message.role == "tool"}
    for message in messages:
        for call in message.tool_calls:
            if call.id in ran:
                yield "call", call.name
                child = trace.children.get(call.id)
                if child is not None:
                    child = child.outermost
                    yield "enter", child[0][1].agent or ""
                    returned = {event.call_id for event in child.events if isinstance(event, ToolReturned)}
                    yield from spoken(list(child[-1][1].messages), returned, child, agents)
                came = next(event for event in trace.events if isinstance(event, ToolReturned) and event.call_id == call.id)
                yield "success" if came.error is None else "failure", call.name
            elif call.id in answers and answers[call.id].agent is not None:
                yield "enter", answers[call.id].agent


# -- the laws ----------------------------------------------------------------------------------------------------------


@pytest.mark.long
@MANY
@given(st.data())
def test_a_proof_agrees_with_enumeration_and_what_it_refutes_really_happens(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    spec = data.draw(specs(graph))

    verdict = graph.prove(spec)
    length = Runs(graph).shortest_that_breaks(spec)

    assert (len(verdict.path) or None) == length
    assert bool(verdict) == (length is None)
    if not verdict:
        run = [happening for step in verdict.steps for happening in step.happenings]
        end = first_broken(spec, run)
        assert end is not None
        assert end > len(run) - len(verdict.steps[-1].happenings)
        result = verdict.replay()
        graph.entry = verdict.path[0].name
        happened = told(result, result.trace, graph)
        assert happened[:end] == seen(verdict)[:end]
        assert [str(happening) for happening in verdict.path] == [words for step in verdict.steps for words in said(step)]
        assert verdict.to_mermaid()


def seen(verdict: Verdict) -> list[tuple[str, str]]:
    """What the runner sees of a path: an output that nobody hears of is a failure to it."""
    found: list[tuple[str, str]] = []
    for step in verdict.steps:
        lost = {back.outcome for back in step.returns if back.lost} | ({step.happenings[-1]} if step.lost else set())
        found += [("failure" if happening in lost else happening.kind, happening.name) for happening in step.happenings]
    return found


def said(step: Any) -> list[str]:
    """What a path says of a step: a call and what it comes to as one; nothing of coming back."""
    *_, kind = [happening.kind for happening in step.happenings]
    if step.happening.kind != "call":
        return [str(step.happening)] if step.happening.kind in ("enter", "final") else []
    lost = ", whose output nobody hears of" if step.lost else ""
    return [f"call {step.happening.name}" + (", which fails" if kind == "failure" else lost)]


@given(st.data(), st.lists(st.tuples(conversations(), places), min_size=1, max_size=3))
def test_no_run_breaks_what_was_proved(data: st.DataObject, turns: list[tuple[list[Move], int]]) -> None:
    """Whatever the model does, in parallel, over turns that go on from contexts that were written down, also in the middle."""
    graph = data.draw(graphs())
    graph.entry = graph.entries[0]
    demands = [data.draw(specs(graph)) for _ in range(4)]
    context, whole, result = Context(), Trace(Context()), None
    for script, place in turns:
        runner = AgentRunner(graph, RunConfig(model=Improviser(script), max_turns=6))
        result = runner.run("go on", Context.from_json(context.to_json()))
        trace = result.trace
        middle = [at for at, (_, now) in enumerate(trace) if now.progress is not None]
        at: int | None = at_place([None, *middle], place)
        if at is not None:
            left = Context.from_json(trace[at][1].to_json())
            result = AgentRunner(graph, RunConfig(model=Improviser(script), max_turns=6)).resume(left)
            trace = Trace(trace.start, taken=trace.taken[: at + 1]) + result.trace
        whole, context = whole + trace, result.context
        if not result.succeeded:
            break
    assert result is not None
    run: list[Happening] = []
    for kind, name in told(result, whole, graph):
        groups = graph.groups_of(name) if name in graph.agents else ("crew",) if name in "IJ" and "crew" in str(graph.agents) else ()
        run.append(Happening(kind, name, groups=groups))  # type: ignore[arg-type]
        for demand in list(demands):
            if broken(demand, run):
                assert not graph.prove(demand), (demand, run)
                demands.remove(demand)
