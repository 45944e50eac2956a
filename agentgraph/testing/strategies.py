"""Strategies for Hypothesis: topologies that compile, runs of the real runner on them, and the contexts such runs come through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from msgspec.structs import replace

from agentgraph.agent_graph import AgentGraph
from agentgraph.conversation.budget import Budget
from agentgraph.conversation.context import Context
from agentgraph.conversation.reply import Reply
from agentgraph.definition.agent import Agent
from agentgraph.definition.handoff import Handoff
from agentgraph.definition.naming import snake_case
from agentgraph.definition.tool import Tool, tool
from agentgraph.graph.edge import Group
from agentgraph.runtime.agent_runner import AgentRunner
from agentgraph.runtime.config import RunConfig
from agentgraph.testing.reference import Reference, State
from agentgraph.testing.stubs import answer_of, approved, stubbed
from agentgraph.testing.walk import COSTS, Walk

if TYPE_CHECKING:
    from agentgraph.definition.model import ModelRequest
    from agentgraph.graph.topology import Topology
    from agentgraph.runtime.observations import AgentThinking
    from agentgraph.runtime.result import RunResult

FACTS = ("verified", "of age", "paid", "consented")
HOSTILE_NAMES = (
    "end",
    "state",
    "*",
    "graph",
    "客服",
    "Ünïcode Désk",
    "a" * 90,
    "<b>x</b>",
    "__proto__",
    "R&D \U0001f680",
    'a"b',
    "A -> B",
    "-",
    "error:",
    "not executed",
    "interrupted",
    "Triage#2",
    "#34;",
    "-1",
    "agentgraph",
    "START",
    "END",
    "user",
    "handoff_to_billing",
)
PLAIN_NAMES = ("Triage", "Billing", "Refunds", "Sales", "Support", "Claims", "Desk")
_TIGHT = (
    Budget(tool_calls=1),
    Budget(tool_calls=3),
    Budget(handoffs=1),
    Budget(visits=1),
    Budget(tokens=10),
    Budget(cost=0.75),
    Budget(tool_calls=4, handoffs=2, visits=2, tokens=30),
)
budgets: st.SearchStrategy[Budget | None] = st.sampled_from([None] * 10 + [*_TIGHT] + [None] * 10)
"""What a run may use: mostly no limit, so that conversations come far."""


def _even(context: Context) -> bool:
    """A condition that depends on the conversation."""
    return len(context.messages) % 2 == 0


@st.composite
def graphs(
    draw: st.DrawFn,
    *,
    max_agents: int = 5,
    max_tools: int = 5,
    max_facts: int = 2,
    hostile_names: bool = True,
    guards: bool = True,
    groups: bool = True,
    nested: bool = True,
) -> AgentGraph:
    """A graph that compiles: tools and handoffs that set and need facts, conditions, groups, agents as tools, names to stumble over.

    Handoffs lead anywhere: agents nobody reaches are drawn as well as rings.
    """
    plain = st.sampled_from(PLAIN_NAMES)
    names = st.one_of(plain, st.sampled_from(HOSTILE_NAMES), st.text(min_size=1, max_size=12).filter(str.strip)) if hostile_names else plain
    most = max_agents if hostile_names else min(max_agents, len(PLAIN_NAMES))
    called = draw(st.lists(names, min_size=1, max_size=most, unique_by=snake_case))
    facts = FACTS[: max_facts if guards else 0]
    tools = draw(st.lists(_tools(facts), max_size=max_tools, unique_by=lambda made: made.name))
    graph = AgentGraph(draw(names))
    for name in called:
        graph.add_agent(draw(_agents(name, tools, nested=nested)))
    pairs = st.tuples(st.sampled_from(called), st.sampled_from(called))
    for source, target in draw(st.lists(pairs, min_size=len(called) - 1, max_size=3 * len(called), unique=True)):
        requires, when = (draw(_some(facts)), draw(st.sampled_from([None, None, _even]))) if guards else (frozenset[str](), None)
        graph.add_handoff(source, Handoff(target, requires=requires, when=when))
    if groups and len(called) > 1:
        graph.regroup(draw(_groupings(called)))
    graph.entry = draw(st.sampled_from(called))
    return graph


def _some(facts: Sequence[str]) -> st.SearchStrategy[frozenset[str]]:
    """None of the facts half of the time, else a few."""
    return st.one_of(st.just(frozenset[str]()), st.frozensets(st.sampled_from(facts), max_size=2)) if facts else st.just(frozenset[str]())


@st.composite
def _tools(draw: st.DrawFn, facts: Sequence[str]) -> Tool:
    name = draw(st.sampled_from(["look", "verify", "pay", "refund", "ship", "note", "close", "END", "user"]))

    def act(amount: int = 1) -> str:
        return f"{name} {amount}"

    made = tool(
        name=name,
        sets=draw(_some(facts)),
        requires=draw(_some(facts)),
        final=draw(st.sampled_from([False, False, False, True, False])),
        needs_approval=draw(st.sampled_from([False, False, False, True, False])),
    )
    return made(act)


@st.composite
def _agents(draw: st.DrawFn, name: str, tools: Sequence[Tool], *, nested: bool) -> Agent:
    own = draw(st.lists(st.sampled_from(tools), max_size=3, unique_by=lambda each: each.name)) if tools else []
    if nested and draw(st.sampled_from([False, False, True, False])):
        own.append(Agent("inner", tools=own[:1]).as_tool(name="ask_inner"))
    return Agent(name, tools=own, may_finish=draw(st.sampled_from([True, True, True, False, True])))


@st.composite
def _groupings(draw: st.DrawFn, called: Sequence[str]) -> list[Group]:
    """No group, one, two side by side, or one inside the other."""
    cut = draw(st.integers(0, len(called) - 1))
    first, second = tuple(called[:cut]), tuple(called[cut:])
    match draw(st.sampled_from(["none", "one", "two", "nested"])):
        case "one":
            return [Group("group one", second[0], second, None)]
        case "two" if first:
            return [Group("group one", first[0], first, None), Group("group two", second[-1], second, None)]
        case "nested" if first:
            return [Group("outer", first[0], (*first, "within"), None), Group("within", second[0], second, "outer")]
    return []


class _Talker:
    """The model of every agent: draws what it says when it is asked, knowing where the conversation stands."""

    instant = True

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.replies = self.left = 0
        self.state = State("")

    def think(self, seen: AgentThinking) -> None:
        """Hear where the conversation stands before the model is asked."""
        if not seen.within:
            self.state = State(seen.agent, seen.context.facts, len(seen.context.messages))

    def reply(self, request: ModelRequest) -> Reply:  # noqa: ARG002 - what is offered is known from the graph
        """Mostly a call that may be made, sometimes several or a wrong one; an answer when enough was said."""
        walk, state, draw = self.walk, self.state, self.draw
        self.replies, self.left = self.replies + 1, self.left - 1
        right, wrong = walk.enabled(state), (*walk.disabled(state), *walk.foreign(state))
        kind = (
            draw(st.sampled_from(["right", "right", "several", "wrong", "right", "answer", "right", "several"]))
            if self.left > 0
            else "answer"
        )
        if kind == "answer" or not (right or kind == "wrong"):
            return Reply(answer_of(walk.reference.graph.agents[state.agent]) or "", usage=COSTS)
        several = st.lists(st.sampled_from((*right, *right, *wrong)), min_size=2, max_size=4)
        names = draw(several) if kind == "several" else [draw(st.sampled_from(wrong if kind == "wrong" else right))]
        return replace(walk.reply(state, names, self.replies, lambda options: draw(st.sampled_from(options))), usage=COSTS)

    walk: Walk


@st.composite
def runs(draw: st.DrawFn, graph: Topology, *, max_turns: int = 3, max_replies: int = 6, stubs: bool = True) -> RunResult:
    """The last run of a conversation on `graph`, held by the real runner with a model that mostly does what may be done.

    Of up to `max_turns` turns, each of up to `max_replies` replies: single calls, several in one reply, some of them wrong. Some have a
    budget; people answer approvals, or are not there, and the run waits for them. Tools are
    stubs, unless `stubs=False`: then the graph's own functions run. Whatever a run came to, the next goes on from there.
    """
    talker = _Talker(draw)
    talker.walk = Walk(Reference(graph))
    runner = AgentRunner(stubbed(graph, model=talker, tools=stubs)).on_agent_thinking(talker.think)
    context: Context | None = None
    for _ in range(draw(st.integers(1, max_turns))):
        talker.left = draw(st.integers(1, max_replies))
        config = RunConfig(
            max_turns=talker.left,
            parallel_tools=draw(st.booleans()),
            budget=draw(budgets),
            approve=draw(st.sampled_from([approved, approved, None])),
        )
        result = runner.run(draw(st.sampled_from(["hello", "what do I owe?", "客服 \U0001f680 <b>"])), context, config)
        context = result.context
    return result


@st.composite
def contexts(draw: st.DrawFn, graph: Topology, *, max_turns: int = 3, max_replies: int = 6, stubs: bool = True) -> Context:
    """A context that a run on `graph` comes through: also one in the middle of a run; some went through JSON. Options as for `runs`."""
    result = draw(runs(graph, max_turns=max_turns, max_replies=max_replies, stubs=stubs))
    context = draw(st.sampled_from(result.trace.contexts))
    return Context.from_json(context.to_json()) if draw(st.booleans()) else context
