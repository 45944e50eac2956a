"""Monitors by example: what is refused, what the model is told, and what becomes of the conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Context,
    ContextError,
    DefinitionError,
    Final,
    Forward,
    ModelError,
    Reply,
    RunConfig,
    RunResult,
    ScriptedModel,
    ToolRefused,
    call,
    tool,
)
from agentgraph.checks import Spec, at_most, calls, enters, inside, leads_to, never, passes, precedes
from agentgraph.conversation.happening import Happening
from agentgraph.machine.happening import Monitor


@tool
def authenticate() -> str:
    """Look at the papers."""
    return "verified"


@tool
def initiate_return(item: str) -> str:
    """Take something back."""
    return f"label for {item}"


@tool
def receipt() -> str:
    """Write a receipt."""
    return "receipt"


@tool(final=True)
def hang_up() -> str:
    """End the talk."""
    return "bye"


VERIFIED_FIRST = precedes(calls("authenticate"), calls("initiate_return"))


def retail() -> AgentGraph:
    """Four agents, each of which may hand over to each: the order is in the prompts alone."""
    graph = AgentGraph("retail")
    graph.add_agent(Agent("authentication", tools=(authenticate,))).add_agent(Agent("returns", tools=(initiate_return, receipt, hang_up)))
    graph.add_agent(Agent("sales")).add_agent(Agent("simulatedHuman"))
    names = list(graph.agents)
    for source in names:
        for target in names:
            if source != target:
                graph.add_handoff(source, target)
    return graph


def calling(*asked: Any) -> Reply:
    return Reply(tool_calls=asked)


def spoken(specs: Sequence[Monitor], *script: Reply | str, graph: AgentGraph | None = None, context: Context | None = None) -> RunResult:
    replies = [reply if isinstance(reply, Reply) else Reply(reply) for reply in script]
    return AgentRunner(graph or retail(), RunConfig(model=ScriptedModel(replies)), monitors=specs).run("hello", context=context)


def answers(result: RunResult) -> list[str]:
    return [message.text for message in result.messages if message.role == "tool"]


TO_RETURNS = calling(call("handoff_to_returns"))
TAKE_BACK = calling(call("initiate_return", item="lamp"))
REFUSED = "error: 'initiate_return' was not run: it would break precedes(calls('authenticate'), calls('initiate_return'))"


def test_the_way_round_by_the_human_is_refused() -> None:
    """Each handoff is allowed, and together they lead past the authentication; so the tool is not run, and whoever watches hears of it."""
    graph, heard = retail(), list[str]()
    script = [calling(call("handoff_to_simulatedhuman")), TO_RETURNS, TAKE_BACK, Reply("I cannot do that yet.")]
    runner = AgentRunner(graph, RunConfig(model=ScriptedModel(script)), monitors=[VERIFIED_FIRST])
    runner.on_tool_refused(lambda seen: heard.append(f"{seen.agent} {seen.name}: {seen.reason}"))
    result = runner.run("hello")

    assert answers(result)[-1] == REFUSED
    assert result.messages[-2].outcome == "refused"
    assert result.output == "I cannot do that yet."
    assert heard == [f"returns initiate_return: {REFUSED.removeprefix('error: ')}"]
    assert any(isinstance(seen, ToolRefused) for seen in _streamed(script))
    assert result.context.watched == {str(VERIFIED_FIRST): 0}


def _streamed(script: list[Reply]) -> list[Any]:
    return list(AgentRunner(retail(), RunConfig(model=ScriptedModel(script)), monitors=[VERIFIED_FIRST]).stream("hello"))


def test_the_way_that_is_meant_is_free() -> None:
    result = spoken([VERIFIED_FIRST], calling(call("authenticate")), TO_RETURNS, TAKE_BACK, "done")

    assert answers(result)[-1] == "label for lamp"


def test_calls_of_one_reply_are_judged_in_call_order() -> None:
    graph = AgentGraph("one")
    graph.add_agent(Agent("one", tools=(authenticate, initiate_return)))
    lamp, sofa = call("initiate_return", item="lamp"), call("initiate_return", item="sofa")
    result = spoken(
        [VERIFIED_FIRST, at_most(1, calls("initiate_return"))], calling(lamp, call("authenticate"), lamp, sofa), "done", graph=graph
    )

    assert answers(result) == [
        REFUSED,
        "verified",
        "label for lamp",
        "error: 'initiate_return' was not run: it would break at_most(1, calls('initiate_return'))",
    ]


def test_a_call_that_a_monitor_sees_waits_for_a_person_before_it() -> None:
    """What is approved late still comes first."""
    graph = AgentGraph.of(Agent("one", tools=(authenticate.replace(needs_approval=True), initiate_return)))
    both = calling(call("authenticate"), call("initiate_return", item="lamp"))
    waiting = spoken([VERIFIED_FIRST], both, graph=graph)
    runner = AgentRunner(graph, RunConfig(model=ScriptedModel([Reply("done")])), monitors=[VERIFIED_FIRST])
    allowed, denied = (runner.resume(waiting.context, approvals={waiting.context.pending[0].id: say}) for say in (True, False))

    assert (waiting.stop_reason, len(waiting.context.pending)) == ("approval", 2)
    assert answers(allowed) == ["verified", "label for lamp"]
    assert answers(denied) == ["error: not approved", REFUSED]


def test_a_refused_handoff_leaves_the_conversation_where_it_is() -> None:
    demand = precedes(calls("authenticate"), enters("returns"))
    result = spoken([demand], TO_RETURNS, "please show your papers")

    assert answers(result) == [f"error: 'handoff_to_returns' was refused: it would break {demand}"]
    assert result.context.agent == "authentication"


def test_an_end_that_would_break_something_is_asked_for_again() -> None:
    demand = leads_to(calls("initiate_return"), calls("receipt"))
    result = spoken([demand], TO_RETURNS, TAKE_BACK, "done", calling(call("receipt")), "now it is")
    notes = [context.progress.note for context in result.trace.contexts if context.progress and context.progress.note]

    assert result.output == "now it is"
    assert notes == [f"The turn cannot end yet: it would break {demand}. Call a tool or hand over first."]
    assert "done" not in [message.text for message in result.messages]


def test_an_end_that_is_insisted_on_is_an_error_and_the_conversation_goes_on() -> None:
    demand = leads_to(calls("initiate_return"), calls("receipt"))
    result = spoken([demand], TO_RETURNS, TAKE_BACK, "done", "done")

    assert str(result.error) == f"'returns' may not end the turn here: it would break {demand}, twice"
    assert isinstance(result.error, ModelError)
    assert spoken([demand], calling(call("receipt")), "now it is", context=result.context).output == "now it is"


def test_a_tool_that_would_end_the_turn_too_early_is_not_run() -> None:
    demand = leads_to(calls("initiate_return"), calls("receipt"))
    take_back = call("initiate_return", item="lamp")
    result = spoken([demand], TO_RETURNS, calling(take_back, call("hang_up")), calling(call("receipt"), call("hang_up")))

    assert answers(result)[1:] == ["label for lamp", f"error: 'hang_up' was not run: it would break {demand}", "receipt", "bye"]
    assert (result.output, result.stop_reason) == ("bye", "final")


def test_an_end_that_a_handler_decides_on_is_recorded_as_broken() -> None:
    """Nobody could foresee it. The conversation does not go on under a demand that it has broken."""
    ending = Agent("clerk", tools=(receipt,), on_tool_output=(int, lambda n, _: (n + 1, Final("enough"))))
    asking = ending.replace(tools=(initiate_return, receipt))
    demand = passes(calls("receipt"))
    result = spoken([demand], TAKE_BACK, graph=AgentGraph.of(asking))

    assert (result.output, result.context.broken) == ("enough", (str(demand),))
    again = spoken([demand], "hi", graph=AgentGraph.of(asking), context=result.context)
    assert isinstance(again.error, ContextError)
    assert str(again.error).startswith(f"this conversation has broken {demand}, so it cannot go on under it")
    assert again.context is result.context
    assert spoken([], "hi", graph=AgentGraph.of(asking), context=result.context).output == "hi"


def test_a_conversation_that_may_not_begin_does_not() -> None:
    """The context is as it was, and goes on where that is not demanded."""
    before = Context(data={"n": 1})
    result = spoken([never(enters("authentication"))], "hi", context=before)

    assert str(result.error) == "the conversation cannot begin with 'authentication': it would break never(enters('authentication'))"
    assert result.context is before
    assert spoken([], "hi", context=result.context).output == "hi"


# -- agents inside tools -----------------------------------------------------------------------------------------------


def with_back_office() -> AgentGraph:
    clerk = Agent("clerk", tools=(initiate_return, receipt))
    office = AgentGroup("office", root=clerk, members=[clerk])
    return AgentGraph.of(Agent("front", tools=(authenticate, office.as_tool(name="ask_office"), hang_up)), name="shop")


ASK = calling(call("ask_office", input="take it back"))


def test_what_goes_on_inside_a_tool_counts_and_is_refused_there() -> None:
    limit = at_most(1, calls("initiate_return"))
    result = spoken([limit], ASK, TAKE_BACK, TAKE_BACK, "inside", ASK, TAKE_BACK, "inside", "done", graph=with_back_office())
    inner = [m.text for trace in result.trace.children.values() for m in trace.contexts[-1].messages if m.role == "tool"]

    refused = "error: 'initiate_return' was not run: it would break at_most(1, calls('initiate_return'))"
    assert inner == ["label for lamp", refused, refused]
    assert result.context.watched == {str(limit): 1}


def test_agents_called_beside_each_other_share_what_they_may_do() -> None:
    limit = at_most(1, calls("initiate_return"))
    twice = calling(call("ask_office", input="one"), call("ask_office", input="two"))
    result = spoken([limit], twice, TAKE_BACK, "inside", TAKE_BACK, "inside", "done", graph=with_back_office())
    said = [m.text for trace in result.trace.children.values() for m in trace.contexts[-1].messages if m.role == "tool"]

    assert said == ["label for lamp", "error: 'initiate_return' was not run: it would break at_most(1, calls('initiate_return'))"]


def test_the_end_of_a_run_inside_a_tool_is_no_end() -> None:
    demand = leads_to(calls("initiate_return"), calls("authenticate"))
    result = spoken([demand], ASK, TAKE_BACK, "inside", "early", calling(call("authenticate")), "done", graph=with_back_office())

    assert result.output == "done"
    assert answers(result) == ["inside", "verified"]


@pytest.mark.parametrize("demand", [never(enters("clerk")), never(inside("office")), never(calls("ask_office"))])
def test_a_tool_whose_agent_may_not_be_entered_is_not_run(demand: Spec) -> None:
    result = spoken([demand], ASK, "then not", graph=with_back_office())

    assert answers(result) == [f"error: 'ask_office' was not run: it would break {demand}"]


def test_an_agent_that_would_end_the_turn_but_may_not_is_heard_and_the_turn_goes_on() -> None:
    """What it does inside can be known only when it is back."""
    clerk = Agent("clerk", tools=(initiate_return,))
    graph = AgentGraph.of(Agent("front", tools=(clerk.as_tool(name="ask").replace(final=True), receipt)))
    demand = leads_to(calls("initiate_return"), calls("receipt"))
    model = ScriptedModel([calling(call("ask", input="?")), TAKE_BACK, "inside", calling(call("receipt")), "done"])
    result = AgentRunner(graph, RunConfig(model=model), monitors=[demand]).run("hello")

    assert (result.output, result.stop_reason) == ("done", "completed")
    assert answers(result) == ["inside", "receipt"]
    told = [request.messages[-1].text for request in model.requests if request.agent == "front"]
    assert told == ["hello", f"The turn cannot end yet: it would break {demand}. Call a tool or hand over first.", "receipt"]


# -- contexts from elsewhere -------------------------------------------------------------------------------------------


def test_a_conversation_that_was_not_watched_is_read_back() -> None:
    before = spoken([], calling(call("authenticate")), TO_RETURNS, "what shall it be?").context

    assert answers(spoken([VERIFIED_FIRST], TAKE_BACK, "done", context=before))[-1] == "label for lamp"
    assert answers(spoken([VERIFIED_FIRST], TAKE_BACK, "done", context=spoken([], TO_RETURNS, "what?").context))[-1] == REFUSED


def test_where_a_monitor_stands_is_not_believed_after_turns_it_did_not_see() -> None:
    limit = at_most(1, calls("initiate_return"))
    first = spoken([limit], TO_RETURNS, "what?").context
    unseen = spoken([], TAKE_BACK, "done", context=first).context

    assert (first.watched, unseen.watched) == ({str(limit): 0}, {})
    assert "it would break" in answers(spoken([limit], TAKE_BACK, "no", context=unseen))[-1]


def test_a_run_that_waits_for_a_person_is_judged_when_it_goes_on() -> None:
    asked = initiate_return.replace(needs_approval=True)
    graph = AgentGraph.of(Agent("clerk", tools=(asked,)))
    waiting = spoken([], TAKE_BACK, graph=graph).context
    refusing = AgentRunner(graph, RunConfig(model=ScriptedModel([Reply("no")])), monitors=[never(calls("initiate_return"))])
    resumed = refusing.resume(Context.from_json(waiting.to_json()), approvals={waiting.pending[0].id: True})

    assert answers(resumed) == ["error: 'initiate_return' was not run: it would break never(calls('initiate_return'))"]


def test_a_stored_answer_of_an_agent_tells_nothing_of_monitors_it_was_not_under() -> None:
    """Stored while a handler looks at what an agent inside a tool came to, and taken up under another demand."""
    clerk = Agent("clerk", tools=(initiate_return, receipt))
    front = Agent("front", tools=(clerk.as_tool(name="ask"), receipt), on_tool_output=(int, lambda n, _: (n, Forward())))
    graph, other = AgentGraph.of(front), never(calls("receipt"))
    whole = spoken([at_most(1, calls("initiate_return"))], calling(call("ask", input="?")), TAKE_BACK, "inside", "done", graph=graph)
    stored = next(c for c in whole.trace.contexts if c.progress and any(p.stage == "handling" for p in c.progress.calls))
    script = ScriptedModel([calling(call("receipt")), Reply("done")])
    resumed = AgentRunner(graph, RunConfig(model=script), monitors=[other]).resume(Context.from_json(stored.to_json()))

    assert answers(resumed) == ["inside", f"error: 'receipt' was not run: it would break {other}"]
    assert resumed.context.watched == {str(other): 0}


def test_renaming_agents_has_the_messages_read_again() -> None:
    limit = at_most(1, calls("initiate_return"))
    context = spoken([limit], TO_RETURNS, TAKE_BACK, "done").context

    assert context.migrate(retail()).watched == context.watched
    renamed = context.migrate(retail(), rename={"returns": "sales"})
    assert renamed.watched == {}


@pytest.mark.parametrize("watched", [{"x": "1"}, {"x": True}, {"x": -2}, ["x"], 5, {"x": 1.0}, [], None])
def test_a_context_says_where_monitors_stand_in_whole_numbers(watched: Any) -> None:
    result = spoken([VERIFIED_FIRST], "hi", context=Context(watched=watched))

    assert isinstance(result.error, ContextError)
    assert "give where each monitor stands, as a whole number" in str(result.error)


def test_a_stored_context_that_says_something_else_is_damaged() -> None:
    text = Context(watched={"x": 1}).to_json()

    assert Context.from_json(text).watched == {"x": 1}
    with pytest.raises(ContextError, match="damaged"):
        Context.from_json(text.replace('{"x":1}', '{"x":"1"}'))


# -- what cannot be meant ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monitors", "said"),
    [
        ([never(calls("refund"))], "never(calls('refund')) speaks of 'refund', but 'retail' has no such tool; it has 'authenticate', "),
        ([never(calls("handoff_to_sales"))], "has no such tool"),
        ([never(enters("Sales"))], "has no such agent; it has 'authentication', 'returns', 'sales', 'simulatedHuman'"),
        ([never(inside("desk"))], "has no such group; it has none"),
        ([VERIFIED_FIRST, VERIFIED_FIRST], "twice; once is enough"),
        (["never refund"], "was given the monitor 'never refund'; give a spec, such as never(calls('refund'))"),
        ([type(VERIFIED_FIRST)], "give a spec"),
        ([calls("authenticate")], "give a spec"),
        (VERIFIED_FIRST, "give a list of specs"),
        (None, "monitors is None; give a list of specs"),
    ],
)
def test_monitors_that_mean_nothing_are_refused_at_once(monitors: Any, said: str) -> None:
    with pytest.raises(DefinitionError) as refused:
        AgentRunner(retail(), monitors=monitors)

    assert said in str(refused.value)


def test_a_machine_is_monitored_once_and_shares_what_is_compiled() -> None:
    machine = with_back_office().compile()
    watched = machine.monitored([never(inside("office")), never(calls("receipt"))])

    assert (watched.fingerprint, watched.handoffs) == (machine.fingerprint, machine.handoffs)
    assert not machine.monitors
    assert AgentRunner(watched).machine is watched
    with pytest.raises(DefinitionError, match="monitored already"):
        watched.monitored([never(calls("hang_up"))])


def test_agents_that_name_their_own_handoffs_are_monitored_too() -> None:
    runner = AgentRunner.with_agents(Agent("a", tools=(receipt,)), monitors=[never(calls("receipt"))])

    assert list(runner.machine.monitors) == ["never(calls('receipt'))"]


class Handmade:
    """A monitor of one's own."""

    start = 0
    names = ()

    def __init__(self, after: Any) -> None:
        self._after = after

    def after(self, state: int, happening: Happening) -> int:
        return self._after(state, happening)  # type: ignore[no-any-return]

    def sees(self, tool: str) -> bool:
        return True

    def __str__(self) -> str:
        return "at most one handoff"


def test_a_monitor_may_be_handmade() -> None:
    twice = spoken([Handmade(lambda state, seen: state + (seen.kind == "enter") if state < 2 else -1)], TO_RETURNS, TAKE_BACK, "hm", "hm")

    assert answers(twice)[1:] == ["error: 'initiate_return' was not run: it would break at most one handoff"]


def test_a_monitor_is_shown_what_it_asks_for_and_no_more() -> None:
    """One that was written for three kinds of happenings does not break on a fourth; and one that asks for another sees only that."""
    seen: dict[str, list[str]] = {"without kinds": [], "with kinds": []}

    def noting(where: str) -> Handmade:
        def after(state: int, happening: Happening) -> int:
            seen[where].append(happening.kind)
            return state

        return Handmade(after)

    picky = noting("with kinds")
    picky.kinds = frozenset({"success"})  # type: ignore[attr-defined]
    for monitor in (noting("without kinds"), picky):
        assert spoken([monitor], TO_RETURNS, TAKE_BACK, "done").output == "done"

    assert {where: set(kinds) for where, kinds in seen.items()} == {"without kinds": {"enter", "call", "final"}, "with kinds": {"success"}}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (lambda state, seen: 1 // (seen.kind != "call"), "at most one handoff, which failed: ZeroDivisionError: integer division or modulo by zero"),
        (lambda state, seen: "x" if seen.kind == "call" else 0, "at most one handoff, which gave the state 'x'"),
    ],
)  # fmt: skip
def test_a_monitor_that_fails_permits_nothing(after: Any, said: str) -> None:
    result = spoken([Handmade(after)], TO_RETURNS, TAKE_BACK, "done")

    assert answers(result)[1:] == [f"error: 'initiate_return' was not run: it would break {said}"]
    assert result.output == "done"
