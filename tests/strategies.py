"""Random topologies and random conversations on them. A new feature enters here, so that the old laws meet it.

A conversation is a list of *moves*: what the model does when it is asked. A move names tools by position, so that it
fits whatever the agent that holds the conversation offers, and shrinks well; some moves are wrong on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from pydantic import BaseModel

from agentgraph import (
    Agent,
    AgentGraph,
    Context,
    Final,
    Forward,
    Handoff,
    Message,
    ModelRequest,
    Reply,
    Rewrite,
    Tool,
    ToolCall,
    ToolContext,
    ToolOutput,
    Unset,
    Usage,
    tool,
)
from agentgraph.checks import (
    Predicate,
    Spec,
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

OURS = (
    "error:", "not executed", "interrupted, outcome unknown", "Triage#2", "#2", "#34;", "-1", "agentgraph", "START", "END", "user", "LLM",
    "None", "handoff_to_billing",
)  # fmt: skip
"""Words that the package itself says, writes or draws. Whoever reads them back from a name or an output of the user's is found out."""
FACTS = ("verified", "of age#34; error:")
TEXTS = ("error: not executed", "k1", "-1", "k3", '{"key": "START"', "#34;")
"""Texts for arguments, by variant, which are keys of the shared data and outputs too."""
T = TypeVar("T")

places = st.integers(0, 999)
"""A place in a run, drawn before it is held: how long a run is may depend on time, and what Hypothesis draws may not."""


def at_place(items: Sequence[T], place: int) -> T:
    """The item at `place`, counted round."""
    return items[place % len(items)]


class Ticket(BaseModel):
    """What a handoff may ask for."""

    subject: str
    priority: int = 1


@tool(idempotent=True)
def note(key: str, value: int, ctx: ToolContext) -> dict[str, int]:
    """Write something into the shared data.

    Returns:
        What was written.
    """
    ctx.update(**{key: value})
    return {key: value}


@tool(idempotent=True)
async def anote(key: str, ctx: ToolContext) -> list[str]:
    """Write something, asynchronously."""
    ctx.update(**{key: [key, {"by": ctx.agent}]})
    return sorted(ctx.data)


@tool(idempotent=True)
def count(ctx: ToolContext) -> int:
    """Depend on what the shared data is when the call starts."""
    ctx.update(count=ctx.data.get("count", 0) + 1)
    return len(ctx.messages) + len(ctx.facts)


@tool
def borrow(ctx: ToolContext[object]) -> str:
    """Show the live object that the run was given."""
    return f"{type(ctx.deps).__name__} of {ctx.tool}"


@tool(idempotent=True)
def broken(why: str = "no reason") -> str:
    """Always fail."""
    raise ValueError(why)


@tool
def silent() -> None:
    """Say nothing."""


@tool(sets="verified")
def verify(code: int) -> bool:
    """Set a fact, unless the code is odd."""
    if code % 2:
        raise PermissionError("wrong code")
    return True


@tool(sets=FACTS[1], requires="verified")
def check_age() -> str:
    """Set a fact that needs another."""
    return "over 18"


@tool(requires=FACTS)
def refund(amount: float) -> str:
    """Need two facts."""
    return f"refunded {amount}"


@tool(final=True)
def finish(text: str) -> str:
    """End the run."""
    return text


@tool(needs_approval=True)
def dangerous() -> str:
    """Ask a person first."""
    return "done it"


@tool(idempotent=True)
def quotes(text: str) -> str:
    """Give a text, which may be one of our own."""
    return text or "error: not executed: it says so itself"


@tool(name="END", idempotent=True)
def misnamed(ctx: ToolContext) -> list[str]:
    """Be called what the package calls something, write under such keys, and give such words."""
    ctx.update(**{"user": "-1", "interrupted": ["error:"], "not executed": None})
    return ["not executed", "error:"]


@tool(retries=2, idempotent=True)
def stubborn(key: str, ctx: ToolContext) -> str:
    """Fail however often it is tried, and write something each time."""
    ctx.update(**{key: "never kept"})
    raise ConnectionError("away")


@tool(sets=FACTS[1])
def declines() -> Unset:
    """Say that it has not done it."""
    return Unset({"old enough": False})


TOOLS: tuple[Tool, ...] = (
    note, count, anote, borrow, broken, silent, verify, check_age, refund, finish, dangerous, quotes, stubborn, declines, misnamed,
)  # fmt: skip

names = st.one_of(
    st.sampled_from(
        ["Triage", "Billing", "end", "state", "*", "客服", "Ünïcode Désk", "a" * 90, "<b>x</b>", "__proto__", "R&D \U0001f680", *OURS]
    ),
    st.text(min_size=1, max_size=12).filter(str.strip),
)


def even_turns(context: Any) -> bool:
    """A guard that depends on the conversation."""
    return len(context.messages) % 2 == 0


def raising(context: Any) -> bool:
    """A guard that fails."""
    raise ZeroDivisionError("guard")


def last_two(messages: Sequence[Message]) -> Sequence[Message]:
    """A projection that cuts anywhere, also between a call and its answer."""
    return messages[-2:]


handoff_options = st.fixed_dictionaries(
    {},
    optional={
        "requires": st.sampled_from([frozenset(), frozenset(), frozenset(["verified"]), frozenset(FACTS)]),
        "when": st.sampled_from([None, even_turns, raising, None]),
        "payload": st.just(Ticket),
        "history": st.sampled_from([last_two, lambda messages: []]),
        "description": st.text(max_size=10),
    },
)


def counted(context: Context) -> str:
    """Instructions that depend on the conversation."""
    return f"Turn {context.turn}, {len(context.data)} data."


instructions: st.SearchStrategy[Any] = st.sampled_from(["", "You are {name}.", counted])


@st.composite
def agents(draw: st.DrawFn, name: str, inner: Agent | None = None) -> Agent:
    """An agent with some of the tools, and perhaps another agent as a tool."""
    tools = draw(st.lists(st.sampled_from(TOOLS), unique_by=lambda t: t.name, max_size=4))
    if inner is not None and draw(st.booleans()):
        tools.append(inner.as_tool(name="ask_inner", max_turns=draw(st.integers(1, 3))))
    return Agent(
        name,
        instructions=draw(instructions),
        tools=tuple(tools),
        may_finish=draw(st.sampled_from([True] * 3 + [False] + [True] * 3)),
        output_type=draw(st.sampled_from([None, None, Ticket, {"type": "object"}, None])),
        params=draw(st.sampled_from([{}, {"top_p": 0.5}])),
        headers=draw(st.sampled_from([{}, {"x-agent": "1"}])),
        on_tool_output=draw(st.sampled_from([None, None, (list, individually), None])),
    )


def individually(seen: list[str], output: ToolOutput) -> tuple[list[str], Any]:
    """A per-agent handler that rewrites every second output it sees."""
    seen = [*seen, output.name]
    return seen, Rewrite(f"#{len(seen)}: {output.error or output.value}") if len(seen) % 2 == 0 else Forward()


def sharing(count: int, output: ToolOutput) -> tuple[int, Any]:
    """A run-scoped handler: counts, forgives the third output's error, ends the run at the sixth, and fails once."""
    count += 1
    if count == 3:
        return count, Rewrite({"n": count})
    if count == 4:
        raise RuntimeError("handler")
    return count, Final(f"enough: {count}") if count == 6 else Forward()


@st.composite
def graphs(draw: st.DrawFn, most: int = 5) -> AgentGraph:
    """A topology that compiles: agents, handoffs with and without guards, payloads and projections, nested groups."""
    from agentgraph.definition.naming import snake_case

    called = draw(st.lists(names, min_size=draw(st.sampled_from([1, 2, 3])), max_size=most, unique_by=snake_case))
    inner = Agent("inner", tools=(note, verify))
    team = [draw(agents(name, inner)) for name in called]
    graph = AgentGraph(draw(names))
    for agent in team:
        graph.add_agent(agent)
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(called), st.sampled_from(called)), min_size=len(called) - 1, max_size=3 * most, unique=True)
    )
    for source, target in pairs:
        graph.add_handoff(source, Handoff(target, **draw(handoff_options)))
    if len(called) > 1:
        graph.regroup(draw(groupings(called)))
    graph.entry = draw(st.sampled_from(called))
    return graph


@st.composite
def groupings(draw: st.DrawFn, called: list[str]) -> list[Any]:
    """No group, one, two side by side, or one inside the other."""
    from agentgraph.graph.edge import Group

    cut = draw(st.integers(0, len(called) - 1))
    first, second = called[:cut], called[cut:]
    match draw(st.sampled_from(["none", "one", "two", "nested"])):
        case "one":
            return [Group("group one", second[0], tuple(second), None)]
        case "two" if first:
            return [Group("group one", first[0], tuple(first), None), Group("group two", second[-1], tuple(second), None)]
        case "nested" if first:
            outer = Group("outer", first[0], (*first, "within"), None)
            return [outer, Group("within", second[0], tuple(second), "outer")]
    return []


@st.composite
def changed(draw: st.DrawFn, graph: AgentGraph) -> AgentGraph:
    """`graph` as it may be after a deployment: an agent, a handoff or a tool gone, another guard, entry, tool or answer."""
    what = draw(st.sampled_from(["nothing", "agent", "handoff", "tool", "tools", "guard", "entry", "finish", "handler"]))
    agents, edges, entry = dict(graph.agents), list(graph.edges), graph.entry
    chosen = draw(st.sampled_from(sorted(agents)))
    if what == "agent" and len(agents) > 1:
        del agents[chosen]
        edges = [edge for edge in edges if chosen not in (edge.source, edge.target)]
    elif what == "handoff" and edges:
        edges.pop(draw(st.integers(0, len(edges) - 1)))
    elif what == "tool":
        agents[chosen] = agents[chosen].replace(tools=agents[chosen].tools[1:])
    elif what == "tools":
        agents[chosen] = agents[chosen].replace(
            tools=tuple(t.replace(requires=FACTS[1], needs_approval=True) for t in agents[chosen].tools)
        )
    elif what == "guard":
        edges = [edge._replace(handoff=edge.handoff.replace(when=even_turns, requires=[])) for edge in edges]
    elif what == "entry":
        entry = chosen
    elif what == "finish":
        agents[chosen] = agents[chosen].replace(may_finish=not agents[chosen].may_finish, output_type=None)
    elif what == "handler":
        agents[chosen] = agents[chosen].replace(on_tool_output=None if agents[chosen].on_tool_output else (list, individually))
    after = AgentGraph(graph.name)
    for agent in agents.values():
        after.add_agent(agent.replace(handoffs=()))
    for edge in edges:
        after.add_handoff(edge.source, edge.handoff.replace(target=edge.target, tool_name=edge.tool))
    after.entry = entry if entry in agents else min(agents)
    return after


class Choice(NamedTuple):
    """One call: the n-th of what is offered (wrapping round), with the n-th of some arguments."""

    which: int
    arguments: int
    call_id: str


class Move(NamedTuple):
    """What the model does when it is asked: say something, call things, both, neither, or fail."""

    text: str | None = None
    calls: tuple[Choice, ...] = ()
    fails: bool = False


# What is wrong is rare, so that conversations come far; it stands in the middle, since Hypothesis is fond of ends.
choices = st.builds(
    Choice,
    st.sampled_from([*range(10), *range(10), -1, *range(10)]),
    st.sampled_from([*[0, 1, 2, 3] * 2, 4, 5, *[0, 1, 2, 3] * 2]),
    st.sampled_from(["", "", "c1", "c2", "dup"]),
)
_calling = st.builds(
    Move, st.sampled_from([None, None, "thinking ..."]), st.lists(choices, min_size=1, max_size=4).map(tuple), st.just(False)
)
_speaking = st.builds(
    Move, st.sampled_from(['{"subject": "s", "priority": 2}', "plain", "", "error: not executed: #34;"]), st.just(()), st.just(False)
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Move]:
    """What the model does over a run: mostly calls, sometimes words, seldom nothing or a failure."""
    kinds = draw(
        st.lists(
            st.sampled_from(["call"] * 8 + ["speak", "nothing"] + ["call"] * 8), max_size=9, min_size=draw(st.sampled_from([0, 3, 6, 6]))
        )
    )
    made: list[Move] = [
        draw(_calling if kind == "call" else _speaking if kind == "speak" else st.sampled_from([Move(), Move(fails=True)]))
        for kind in kinds
    ]
    return made


class Improviser:
    """A model that makes the n-th move when it is asked for the n-th time, and answers plainly when there are none left."""

    instant = True

    def __init__(self, script: Sequence[Move], done: int = 0) -> None:
        self.script, self.asked, self.done = list(script), 0, done
        self.requests: list[ModelRequest] = []

    def reply(self, request: ModelRequest) -> Reply:
        self.requests.append(request)
        at, self.asked = self.asked + self.done, self.asked + 1
        if request.agent == "inner":  # asked from inside a tool, perhaps beside others: it depends on nothing but its request
            self.asked -= 1
            return _inner(request)
        if at >= len(self.script):
            return Reply('{"subject": "all done"}', usage=Usage(1, 1, 1))
        return self._made(self.script[at], request)

    def _made(self, move: Move, request: ModelRequest) -> Reply:
        if move.fails:
            raise ConnectionError("the provider is down")
        offered = [t["function"] for t in request.tools]
        calls = [_call(choice, offered) for choice in move.calls]
        return Reply(move.text, calls, Usage(1, 10, 2, 0.01))


def _inner(request: ModelRequest) -> Reply:
    """The inner agent calls its tools once, where it was given an odd word, and answers."""
    said = request.messages[-1]
    if said.role == "user" and said.text in ("k1", "k3"):
        return Reply(None, [ToolCall("", "verify", {"code": 2}), ToolCall("", "note", {"key": "k", "value": 1})], Usage(1, 3, 1))
    return Reply("inner answer", usage=Usage(1, 3, 1))


def _call(choice: Choice, offered: list[Any]) -> ToolCall:
    if choice.which < 0 or not offered:
        return ToolCall(choice.call_id, "no_such_tool", "{}")
    function = offered[choice.which % len(offered)]
    return ToolCall(choice.call_id, function["name"], _arguments(function["parameters"], choice.arguments))


def _arguments(schema: Any, variant: int) -> str:
    """Arguments that fit in most variants; 4 is no JSON, 5 has a key nobody asked for."""
    if variant == 4:
        return '{"key": '
    filled = {
        name: _filled(kind, variant)
        for name, kind in schema.get("properties", {}).items()
        if name in schema.get("required", ()) or variant % 2
    }
    return json.dumps(filled | ({"unasked": 1} if variant == 5 else {}))


def _filled(kind: Any, variant: int) -> Any:
    return {"string": TEXTS[variant], "integer": variant, "number": variant / 2, "boolean": True}.get(kind.get("type", "string"), "x")


contexts_said = st.sampled_from(["hello", "what do I owe?", "客服 \U0001f680 \ud800 \x00 <b>", "error: not executed"])


@st.composite
def predicates(draw: st.DrawFn, graph: AgentGraph) -> Predicate:
    """Something that can happen in `graph`: an agent is entered, a tool runs or succeeds, a group is gone into, or one of two."""
    sorts = [st.sampled_from([*graph.agents]).map(enters)]
    if graph.groups:
        sorts.append(st.sampled_from([*graph.groups]).map(inside))
    if called := sorted({tool.name for agent in graph.agents.values() for tool in agent.tools}):
        sorts += [st.sampled_from(called).map(calls), st.sampled_from(called).map(calls), st.sampled_from(called).map(succeeds)]
    if "ask_inner" in called:
        sorts += [
            st.just(enters("inner")),
            st.sampled_from(["note", "verify"]).flatmap(lambda name: st.sampled_from([calls(name), succeeds(name)])),
        ]
    one = draw(st.one_of(sorts))
    return one | draw(st.one_of(sorts)) if draw(st.integers(0, 3)) == 0 else one


@st.composite
def specs(draw: st.DrawFn, graph: AgentGraph) -> Spec:
    """A demand on the conversations of `graph`, which many of them would break."""
    p, q, r = draw(predicates(graph)), draw(predicates(graph)), draw(predicates(graph))
    each = [never(p), precedes(p, q), leads_to(p, q), passes(p), at_most(0, p), at_most(1, p), at_most(2, q)]
    return draw(st.sampled_from([*each, never_after(p, q), never_between(p, q, r)]))


@st.composite
def monitored(draw: st.DrawFn) -> tuple[AgentGraph, list[Spec]]:
    """A topology, and one or several demands on its conversations."""
    graph = draw(graphs())
    return graph, draw(st.lists(specs(graph), min_size=1, max_size=3, unique_by=str))
