"""semantics.md, "Runs, limits, continuity". Budgets have their own file."""

# Lists of tools and names of agents, as users write them; the fields of `Agent` are typed as what they become.

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentHandoff,
    AgentRunner,
    Context,
    ContextError,
    Handoff,
    LimitReached,
    Message,
    Model,
    ModelError,
    Observation,
    Reply,
    RunCompleted,
    RunConfig,
    Runner,
    RunResult,
    RunStarted,
    ScriptedModel,
    TextDelta,
    ToolCall,
    ToolCompleted,
    ToolContext,
    ToolRefused,
    ToolStarted,
    Usage,
    call,
    handoff,
    tool,
)
from tests.conformance.conftest import WAYS, Hold
from tests.conformance.reading import answers, offered, said, texts
from tests.waiting import WATCHDOG


@tool
def note(value: str, ctx: ToolContext) -> str:
    """Note."""
    ctx.update(note=value)
    return f"noted {value}"


def trio(model: ScriptedModel) -> AgentRunner:
    """A hands over to B, B to C, each to the one before."""
    a = Agent("A", instructions="I am A", model=model, tools=[note], handoffs=["B"])
    b = Agent("B", instructions="I am B", model=model, tools=[note], handoffs=["A", "C"])
    return AgentRunner.with_agents(a, b, Agent("C", instructions="I am C", model=model, handoffs=["A"]))


# -- max_turns ---------------------------------------------------------------------------------------------------------


def test_max_turns_counts_model_calls(hold_anyway: Hold) -> None:
    """ "`max_turns` (default 10) counts **model calls in this run**": ten by default, whatever they asked for."""
    assert RunConfig().max_turns == 10
    model = ScriptedModel([handoff("B"), handoff("A"), *[call("note", value="x")] * 20])

    result = hold_anyway(trio(model), "go")

    assert len(model.requests) == 10
    assert (result.stop_reason, result.output) == ("max_turns", None)
    assert isinstance(result.error, LimitReached)
    assert (result.error.limit, result.error.allowed) == ("max_turns", 10)
    assert result.error.context == result.context
    assert result.usage.requests == 10
    assert len(texts(result.messages)) == 10, "the calls of the last reply are answered"


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_an_answer_at_the_last_call_counts(hold: Hold, limit: int) -> None:
    """ "counts model calls": the answer may come with the last one."""
    model = ScriptedModel([*[call("note", value="x")] * (limit - 1), "done"])

    result = hold(trio(model), "go", config=RunConfig(max_turns=limit))

    assert (result.output, result.stop_reason) == ("done", "completed")


def test_after_max_turns_the_context_goes_on_with_the_next_message(hold_anyway: Hold) -> None:
    """ "Reaching it: `stop_reason="max_turns"`, error `LimitReached`, output None, context complete and continuable"."""
    model = ScriptedModel([call("note", value="x"), [call("note", value="y"), handoff("B")], "B speaks"])
    runner = trio(model)

    cut = hold_anyway(runner, "go", config=RunConfig(max_turns=2))
    stored = Context.from_json(cut.context.to_json())
    result = hold_anyway(runner, "and?", context=stored, config=RunConfig(max_turns=1))

    assert cut.stop_reason == "max_turns"
    assert cut.path == ("A", "B")
    assert said(cut.messages) == ["go"]
    assert cut.context.data == {"note": "y"}
    assert stored == cut.context
    assert (result.output, result.path) == ("B speaks", ("B",))
    assert result.messages[: len(cut.messages)] == tuple(cut.messages)
    assert [name for name, _ in answers(model.requests[2].messages)] == ["note", "note", "handoff_to_b"]
    assert (result.usage.requests, result.context.usage.requests) == (1, 3)


def test_the_run_gives_up_no_message_when_the_provider_fails(hold_anyway: Hold) -> None:
    """ "No limit, error, or cancellation ever loses the user's message, the history so far, or the usage"."""
    model = ScriptedModel([Reply("noting", [call("note", value="x")], Usage(1, 10, 1)), ConnectionError("provider down"), "back again"])
    runner = trio(model)

    broken = hold_anyway(runner, "go")
    result = hold_anyway(runner, "hello?", context=broken.context)

    assert broken.stop_reason == "error"
    assert isinstance(broken.error, ModelError)
    assert "provider down" in str(broken.error)
    assert isinstance(broken.error.__cause__, ConnectionError)
    assert broken.error.context == broken.context
    assert broken.usage.input_tokens == 10
    assert texts(broken.messages) == ["noted x"]
    assert said(result.messages) == ["go", "noting", "hello?", "back again"]


def test_a_script_that_runs_out_is_an_error_in_the_result(hold: Hold) -> None:
    """ "No ... error ... ever loses the user's message": errors are in the result, not raised."""
    result = hold(trio(ScriptedModel([])), "go")

    assert result.failed
    assert said(result.messages) == ["go"]
    with pytest.raises(ModelError):
        result.raise_for_error()


def test_cancellation_loses_nothing() -> None:
    """ "No ... cancellation ever loses the user's message, the history so far, or the usage"."""

    begun = threading.Event()

    async def never() -> Reply:
        begun.set()
        await asyncio.Event().wait()
        return Reply("too late")

    model = ScriptedModel([Reply(None, [call("note", value="x")], Usage(1, 10, 1)), lambda _: never(), "back again"])
    runner = trio(model)
    stream = runner.astream("go")

    async def cancelled() -> None:
        async def watch() -> None:
            async with stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(watch())
        await asyncio.to_thread(begun.wait, WATCHDOG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    result = runner.run("hello?", context=stream.context)

    assert said(stream.context.messages) == ["go"]
    assert texts(stream.context.messages) == ["noted x"]
    assert stream.context.usage.input_tokens == 10
    assert result.output == "back again"


# -- who answers next --------------------------------------------------------------------------------------------------


def foreign(messages: Iterable[Message]) -> Context:
    """A history as it comes out of somebody's database, which has kept what became of calls."""
    return Context(messages=[m.to_openai() | ({"outcome": m.outcome} if m.outcome else {}) for m in messages])


FORMS: dict[str, Callable[[RunResult], Context]] = {
    "context": lambda r: r.context,
    "JSON": lambda r: Context.from_json(r.context.to_json()),
    "JSON twice": lambda r: Context.from_json(Context.from_json(r.context.to_json()).to_json()),
    "bytes": lambda r: Context.from_json(r.context.to_json().encode()),
    "foreign history": lambda r: foreign(r.messages),
    "foreign history, stored": lambda r: Context.from_json(foreign(r.messages).to_json()),
}


@pytest.fixture(params=list(FORMS))
def kept(request: pytest.FixtureRequest) -> Any:
    """A conversation, in each form it can be kept in."""
    return FORMS[request.param]


def why(runner: AgentRunner) -> list[tuple[str, str]]:
    """(agent, why) of every run that `runner` begins from now on."""
    seen: list[tuple[str, str]] = []
    runner.on_run_start(lambda e: seen.append((e.agent, e.why)))
    return seen


def test_the_agent_that_holds_the_conversation_answers_next(kept: Any) -> None:
    """ "Who answers the next turn: the agent that holds the conversation as recorded in the history"."""
    model = ScriptedModel([handoff("B"), "B speaks", "B again"])
    runner = trio(model)
    begun = why(runner)

    result = runner.run("and?", context=kept(runner.run("go")))

    assert result.path == ("B",)
    assert model.requests[-1].messages[0].text == "I am B"
    assert begun == [("A", "new conversation"), ("B", "continued")]


def test_a_handoff_is_recorded_even_if_its_target_never_spoke(kept: Any) -> None:
    """ "a handoff being a recorded fact even if its target never spoke (R forgets it, and after a JSON round trip always falls
    back to the first agent)"."""
    for replies, config, holder in (
        ([handoff("B"), ConnectionError("down")], RunConfig(), "B"),
        ([handoff("B"), handoff("C")], RunConfig(max_turns=2), "C"),
        ([[call("note", value="x"), handoff("B"), handoff("A")]], RunConfig(max_turns=1), "B"),
        ([handoff("B"), [handoff("A"), handoff("C")]], RunConfig(max_turns=2), "A"),
        ([handoff("B"), handoff("A")], RunConfig(max_turns=2), "A"),
    ):
        runner = trio(ScriptedModel(list(replies)))
        cut = runner.run("go", config=config)
        assert cut.failed
        assert cut.context.agent == holder

        again = ScriptedModel(["here"])
        result = runner.run("and?", context=kept(cut), config=RunConfig(model=again))

        assert result.path == (holder,)
        assert again.requests[0].agent == holder
        assert result.messages[-1].agent == holder


def test_a_refused_handoff_is_no_handoff(kept: Any) -> None:
    """ "a handoff being a recorded fact": one that was refused, or asked for behind another, is none."""
    model = ScriptedModel([handoff("B"), ConnectionError("down"), "here"])
    a = Agent("A", model=model, handoffs=[Handoff("B", when=lambda _: False)])
    runner = AgentRunner.with_agents(a, Agent("B", model=model))

    result = runner.run("and?", context=kept(runner.run("go")))

    assert result.path == ("A",)


def test_many_turns_with_handoffs_between_them(kept: Any) -> None:
    """ "the agent that holds the conversation": turn after turn, kept in between."""
    model = ScriptedModel(["1", handoff("B"), "2", "3", handoff("C"), handoff("A"), "4", handoff("B"), handoff("C"), "5"])
    runner = trio(model)
    paths = []
    context = None
    for turn in range(5):
        result = runner.run(f"turn {turn}", context=context)
        assert result.output == str(turn + 1)
        paths.append(result.path)
        context = kept(result)

    assert paths == [("A",), ("A", "B"), ("B",), ("B", "C", "A"), ("A", "B", "C")]


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (None, "new conversation"),
        (Context(), "new conversation"),
        (Context(data={"name": "Ada"}), "new conversation"),
        (Context(agent="Gone", messages=[Message("user", "hi"), Message("assistant", "yes?", agent="Gone")]), "Gone"),
        (Context(messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "name": "Gone", "content": "yes?"}]), "Gone"),
        (Context(messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]), "names no agent"),
    ],
)
def test_unknown_agent_or_empty_history_is_answered_by_the_entry(hold: Hold, context: Context | None, reason: str) -> None:
    """ "Unknown or removed agent, or empty history: the entry agent, and an event says so"."""
    runner = trio(ScriptedModel(["here"]))
    begun = why(runner)

    result = hold(runner, "and?", context=context)

    assert result.output == "here"
    assert result.path == ("A",)
    assert begun[0][0] == "A"
    assert reason in begun[0][1]


# -- groups ------------------------------------------------------------------------------------------------------------


def research(model: ScriptedModel, **more: Any) -> AgentGraph:
    """Triage, the group Research (Coordinator, Analyst, inside it the group Archive: Keeper, Scribe), and Desk."""
    archive = AgentGroup("Archive", root=Agent("Keeper", model=model, handoffs=["Scribe"]), members=[Agent("Scribe", model=model)])
    coordinator = Agent("Coordinator", model=model, handoffs=["Analyst", "Archive"])
    analyst = Agent("Analyst", model=model, handoffs=more.get("analyst", ()))
    group = AgentGroup("Research", root=coordinator, members=(analyst, archive), handoffs=more.get("handoffs", ()))
    graph = AgentGraph("g").add_agent(Agent("Triage", model=model)).add_agent(group).add_agent(Agent("Desk", model=model))
    return graph.add_handoff("Triage", "Research")


def test_entering_a_group_enters_its_root(hold: Hold) -> None:
    """ "Entering a group enters its root": nested ones too, and as the entry of a graph."""
    model = ScriptedModel([handoff("Research"), handoff("Archive"), "kept"])

    result = hold(AgentRunner(research(model)), "go")

    assert result.path == ("Triage", "Coordinator", "Keeper")
    group = AgentGroup("Only", root=Agent("Root", model=ScriptedModel(["hi"])), members=(Agent("Other"),))
    assert hold(AgentRunner(group), "go").path == ("Root",)


def test_continuing_continues_with_the_member(kept: Any) -> None:
    """ "continuing a conversation continues with the member that held it"."""
    model = ScriptedModel([handoff("Research"), handoff("Analyst"), "analysed", "more"])
    runner = AgentRunner(research(model))

    result = runner.run("and?", context=kept(runner.run("go")))

    assert result.path == ("Analyst",)


def test_a_handoff_to_a_group_whose_root_never_spoke(kept: Any) -> None:
    """ "Entering a group enters its root" and "a recorded fact even if its target never spoke"."""
    runner = AgentRunner(research(ScriptedModel([handoff("Research"), ConnectionError("down"), "here"])))

    assert runner.run("and?", context=kept(runner.run("go"))).path == ("Coordinator",)


@pytest.mark.parametrize("written", ["in the group", "by name", "with the group"])
def test_a_handoff_of_the_group_is_offered_by_every_member(hold: Hold, written: str) -> None:
    """ "A handoff declared on the group is offered by every member"."""
    path = [handoff("Research"), handoff("Analyst"), handoff("Desk"), "desk"]
    model = ScriptedModel(path)
    graph = research(model, handoffs=[("Research", "Desk")] if written == "in the group" else ())
    if written == "by name":
        graph.add_handoff("Research", "Desk")
    elif written == "with the group":
        group = AgentGroup("Pair", root=Agent("One", model=model), members=(Agent("Two", model=model),))
        graph.add_agent(group).add_handoff(group, "Desk")
        assert {(u, v) for u, v in graph.digraph.edges if v == "Desk"} == {("One", "Desk"), ("Two", "Desk")}
        return

    result = hold(AgentRunner(graph), "go")

    assert {u for u, v in graph.digraph.edges if v == "Desk"} == {"Coordinator", "Analyst", "Keeper", "Scribe"}
    assert result.path == ("Triage", "Coordinator", "Analyst", "Desk")
    assert "handoff_to_desk" in offered(model.requests[1])
    assert "handoff_to_desk" in offered(model.requests[2])
    assert "handoff_to_desk" not in offered(model.requests[0])


def test_a_side_door_is_legal(hold: Hold) -> None:
    """ "A member's handoff to an agent inside another group (a side door) is legal"."""
    model = ScriptedModel([handoff("Scribe"), "scribbled"])
    graph = research(model)
    graph.add_handoff("Triage", "Scribe")

    result = hold(AgentRunner(graph), "go")

    assert result.path == ("Triage", "Scribe")


def test_a_side_door_is_reported() -> None:
    """ "(a side door) is ... reported by `check`"."""
    graph = research(ScriptedModel([]))
    graph.add_handoff("Triage", "Scribe")

    found = [finding for finding in graph.check() if finding.code == "group-breach"]

    assert len(found) == 1
    assert {"Triage", "Scribe"} <= set(found[0].agents)


# -- contexts ----------------------------------------------------------------------------------------------------------


def test_the_callers_context_is_never_changed(hold_anyway: Hold) -> None:
    """ "The caller's context is never changed"."""
    context = Context(data={"name": "Ada", "list": [1, {"a": [2]}]}, messages=[Message("user", "earlier")])
    before = context.to_json()
    runner = trio(ScriptedModel([call("note", value="x"), handoff("B"), "done"]))

    result = hold_anyway(runner, "go", context=context)

    assert context.to_json() == before
    assert result.context.data == {"name": "Ada", "list": [1, {"a": [2]}], "note": "x"}
    with pytest.raises(TypeError):
        result.context.data.update(x=1)
    with pytest.raises(TypeError):
        result.context.data["list"].append(1)
    with pytest.raises(AttributeError):
        result.context.agent = "B"  # type: ignore[misc]


def test_what_the_caller_keeps_cannot_reach_in() -> None:
    """ "The caller's context is never changed": nor by whoever still holds what it was made of."""
    data: dict[str, Any] = {"list": [1], "deep": {"a": {}}}
    wire: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    context = Context(data=data, messages=wire)
    before = context.to_json()

    data["list"].append(2)
    data["deep"]["a"]["b"] = 1
    wire[0]["content"][0]["text"] = "changed"
    context.messages[0].to_openai()["content"].append("x")

    assert context.to_json() == before


def test_tools_cannot_change_data_behind_the_contexts_back(hold: Hold) -> None:
    """ "two runs from one context never see each other": a tool is given a read-only view, and arguments of its own."""

    @tool
    def meddle(values: list[int], ctx: ToolContext) -> str:
        """Change what one is given."""
        values.append(99)
        ctx.data["list"].append(99)
        return "meddled"

    context = Context(data={"list": [1]})
    model = ScriptedModel([call("meddle", values=[1]), "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[meddle])), "go", context=context)

    assert texts(result.messages)[0].startswith("error:")
    assert result.context.data == {"list": [1]}
    assert result.messages[1].tool_calls[0].arguments == {"values": [1]}


def test_two_runs_from_one_context_never_see_each_other() -> None:
    """ "two runs from one context never see each other (R's "deep copy" shares the state)": also at the same time."""
    barrier = threading.Barrier(4, timeout=WATCHDOG)

    @tool
    def mark(ctx: ToolContext) -> str:
        """Mark."""
        barrier.wait()
        ctx.update(marks=[*ctx.data["marks"], ctx.messages[-2].text])
        barrier.wait()
        return "marked"

    model = ScriptedModel(
        [*[lambda r: call("mark") if r.messages[-1].role == "user" else "done"] * 8],
    )
    runner = Runner.with_agents(Agent("A", model=model, tools=[mark]))
    start = Context(data={"marks": ["start"]})
    found: dict[int, RunResult] = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: runner.run(f"run {n}", context=start)})) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WATCHDOG)

    assert {n: r.context.data["marks"] for n, r in found.items()} == {n: ["start", f"run {n}"] for n in range(4)}
    assert start.data == {"marks": ["start"]}
    assert all(said(r.messages) == [f"run {n}", "done"] for n, r in found.items())


def changed(*, tools: bool = True, name: str = "B") -> AgentGraph:
    """The topology of `trio`, changed: C is gone, D is new, B has perhaps another name and no tools."""
    model = ScriptedModel(["continued"] * 3)
    a = Agent("A", model=model, handoffs=[name, "D"])
    return (
        AgentGraph("changed")
        .add_agent(a)
        .add_agent(Agent(name, model=model, tools=[note] if tools else ()))
        .add_agent(Agent("D", model=model))
    )


def test_a_context_of_a_changed_topology_loads_when_its_agent_is_there(hold: Hold) -> None:
    """ "A context from a changed topology loads when its agent and pending calls still exist"."""
    context = trio(ScriptedModel([handoff("B"), "B speaks"])).run("go").context

    result = hold(AgentRunner(changed()), "and?", context=Context.from_json(context.to_json()))

    assert (result.output, result.path) == ("continued", ("B",))


def test_a_context_whose_agent_went_away_is_refused_and_can_be_migrated(hold: Hold) -> None:
    """ "else `ContextError` says which agent or handoff went away, and `Context.migrate(graph, rename={...})` repairs it"."""
    context = trio(ScriptedModel([handoff("B"), "B speaks"])).run("go").context
    graph = changed(name="Bea")

    refused = hold(AgentRunner(graph), "and?", context=context)

    assert isinstance(refused.error, ContextError)
    assert refused.stop_reason == "error"
    assert "'B'" in str(refused.error)
    assert "migrate" in str(refused.error)
    assert "\n" not in str(refused.error)
    assert refused.messages == context.messages
    with pytest.raises(ContextError, match="'B'"):
        context.migrate(graph)
    moved = context.migrate(graph, rename={"B": "Bea"})
    assert hold(AgentRunner(graph), "and?", context=moved).path == ("Bea",)
    assert moved.messages[-1].agent == "Bea"


def left_in(state: str) -> Context:
    """A context of `trio` that was left with B's call of `note` in hand: started, or waiting for approval."""
    if state == "asked":
        ask = note.replace(needs_approval=True)
        b = Agent("B", model=ScriptedModel([call("note", value="x")]), tools=[ask], handoffs=["A", "C"])
        a = Agent("A", model=ScriptedModel([handoff("B")]), handoffs=["B"])
        result = AgentRunner.with_agents(a, b, Agent("C")).run("go")
        assert result.stop_reason == "approval"
        return result.context
    stream = trio(ScriptedModel([handoff("B"), call("note", value="x")])).stream("go")
    for seen in stream:
        if isinstance(seen, ToolStarted):
            break
    context = stream.context
    stream.close()
    assert [c.name for c in context.pending] == ["note"]
    return context


@pytest.mark.parametrize("state", ["started", "asked"])
def test_a_pending_call_that_went_away_is_refused(hold: Hold, state: str) -> None:
    """ "when its agent **and pending calls** still exist; else `ContextError` says which"."""
    context = left_in(state)

    refused = hold(AgentRunner(changed(tools=False)), "and?", context=context)

    assert isinstance(refused.error, ContextError)
    assert "'note'" in str(refused.error)
    assert hold(AgentRunner(changed()), "and?", context=context).output == "continued"


@pytest.mark.parametrize("state", ["started", "asked"])
def test_a_migrated_context_goes_on_with_the_next_message(hold: Hold, state: str) -> None:
    """ "`Context.migrate(graph, rename={...})` repairs it": the call that went away is answered, and the user is heard."""
    graph = changed(tools=False)

    result = hold(AgentRunner(graph), "and?", context=left_in(state).migrate(graph))

    assert result.output == "continued"
    assert [name for name, _ in answers(result.messages)] == ["handoff_to_b", "note"]


@pytest.mark.parametrize("state", ["started", "asked"])
def test_a_migrated_context_can_be_resumed(state: str) -> None:
    """ "`Context.migrate(graph, rename={...})` repairs it": resuming answers the call that went away and goes on."""
    graph = changed(tools=False)
    context = left_in(state).migrate(graph)

    result = AgentRunner(graph).resume(context, approvals={c.id: True for c in context.pending})

    assert result.output == "continued"
    assert texts(result.messages)[1].startswith("error:")


def test_a_pending_call_of_an_unknown_tool_stops_no_resuming() -> None:
    """ "loads when its agent and pending calls still exist": in its own topology a context always loads, whatever the model asked for."""
    model = ScriptedModel([[call("note", value="x"), call("nonsense")], "done"])
    runner = AgentRunner(Agent("A", model=model, tools=[note.replace(needs_approval=True)]), RunConfig(parallel_tools=False))
    waiting = runner.run("go")
    assert waiting.stop_reason == "approval"

    result = runner.resume(waiting.context, approvals={c.id: True for c in waiting.context.pending})

    assert result.error is None
    assert result.output == "done"
    assert texts(result.messages)[0] == "noted x"
    assert texts(result.messages)[1].startswith("error:")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a stored context"),
        ("null", "not a stored context"),
        ('{"agentgraph_context": 3}', "version 3"),
        ('{"agentgraph_context": "1.5"}', "version '1.5'"),
        ('{"agentgraph_context": 1, "mood": "good"}', "mood"),
        ('{"agentgraph_context": 1, "messages": [{"role": "alien"}]}', "alien"),
        ('{"agentgraph_context": 1, "data": {"x": NaN}}', "NaN"),
        ('{"agentgraph_context": 1, "turn": "first"}', "turn"),
    ],
)
def test_an_unreadable_or_newer_context_is_refused_with_the_reason(text: str, reason: str) -> None:
    """ "An unreadable or newer-versioned context is refused with the reason"."""
    with pytest.raises(ContextError) as refused:
        Context.from_json(text)

    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.given == text


class Dangerous:
    executed = False

    def __reduce__(self) -> Any:
        return (setattr, (Dangerous, "executed", True))


def test_json_only_never_pickle() -> None:
    """ "JSON only, never pickle"."""
    payload = pickle.dumps(Dangerous())

    with pytest.raises(ContextError):
        Context.from_json(payload)

    assert not Dangerous.executed
    text = Context(data={"name": "Zoë 客服"}, messages=[Message("user", "\ud83d\ude00 \u2028")]).to_json()
    assert text.isascii()
    assert text[0] == "{"


# -- params and headers ------------------------------------------------------------------------------------------------


def test_params_and_headers_are_merged_again_at_each_handoff(hold_anyway: Hold) -> None:
    """ "Params and headers: agent defaults, then the run's; keys of the run win; re-merged at each handoff"."""
    model = ScriptedModel([handoff("B"), handoff("A"), "done"])
    a = Agent("A", model=model, handoffs=["B"], temperature=0.1, params={"seed": 1, "only_a": 1}, headers={"X-A": "a", "X-Who": "a"})
    b = Agent("B", model=model, handoffs=["A"], params={"seed": 2, "only_b": {"deep": [1]}}, headers={"X-B": "b", "X-Who": "b"})
    config = RunConfig(params={"seed": 9, "user": "ada"}, headers={"X-Who": "run", "X-Run": "r"})

    hold_anyway(Runner.with_agents(a, b), "go", config=config)

    of_a = ({"temperature": 0.1, "seed": 9, "only_a": 1, "user": "ada"}, {"X-A": "a", "X-Who": "run", "X-Run": "r"})
    of_b = ({"seed": 9, "only_b": {"deep": [1]}, "user": "ada"}, {"X-B": "b", "X-Who": "run", "X-Run": "r"})
    assert [(dict(r.params), dict(r.headers)) for r in model.requests] == [of_a, of_b, of_a]


def test_params_of_one_run_stay_in_that_run(hold: Hold) -> None:
    """ "agent defaults, then the run's": the next run has its own; temperature may be overridden too."""
    model = ScriptedModel(["one", "two"])
    runner = Runner.with_agents(Agent("A", model=model, temperature=0.5, params={"seed": 1}))

    hold(runner, "go", config=RunConfig(params={"temperature": 0.0, "seed": 2}))
    hold(runner, "go")

    assert [dict(r.params) for r in model.requests] == [{"temperature": 0.0, "seed": 2}, {"temperature": 0.5, "seed": 1}]


# -- callbacks ---------------------------------------------------------------------------------------------------------

EVENTS = (
    "run_start",
    "agent_thinking",
    "llm_call_complete",
    "tool_start",
    "tool_complete",
    "agent_handoff",
    "agent_complete",
    "run_complete",
)


def listening(runner: AgentRunner, log: list[Any], mark: str = "") -> None:
    """Note every callback with what the row says of it."""

    def told(name: str) -> Any:
        def callback(seen: Any) -> None:
            match seen:
                case RunCompleted():
                    who = seen.result.output
                case AgentHandoff():
                    who = (seen.source, seen.target, seen.reason)
                case ToolStarted():
                    who = seen.name
                case ToolCompleted():
                    who = (seen.name, seen.value, seen.error)
                case _:
                    who = seen.agent
            log.append((mark + name, who))

        return callback

    for name in EVENTS:
        assert getattr(runner, f"on_{name}")(told(name)) is runner, "chainable"


def test_the_order_of_callbacks(hold_anyway: Hold) -> None:
    """ "Order: run_start, agent_thinking, llm_call_complete, (tool_start, tool_complete)*, on a handoff agent_complete(former),
    agent_handoff(from, to, reason), then agent_thinking …; at the end agent_complete, run_complete"."""
    replies = [
        [call("note", value="x"), handoff("B", reason="an invoice")],
        [call("note", value="y"), call("nonsense")],
        handoff("C"),
        "done",
    ]
    runner = trio(ScriptedModel(replies))
    log: list[Any] = []
    listening(runner, log)

    hold_anyway(runner, "go", config=RunConfig(parallel_tools=False))

    assert log == [
        ("run_start", "A"),
        ("agent_thinking", "A"),
        ("llm_call_complete", "A"),
        ("tool_start", "note"),
        ("tool_complete", ("note", "noted x", None)),
        ("agent_complete", "A"),
        ("agent_handoff", ("A", "B", "an invoice")),
        ("agent_thinking", "B"),
        ("llm_call_complete", "B"),
        ("tool_start", "note"),
        ("tool_complete", ("note", "noted y", None)),
        ("agent_thinking", "B"),
        ("llm_call_complete", "B"),
        ("agent_complete", "B"),
        ("agent_handoff", ("B", "C", "")),
        ("agent_thinking", "C"),
        ("llm_call_complete", "C"),
        ("agent_complete", "C"),
        ("run_complete", "done"),
    ]


def test_the_end_is_told_however_a_run_ends(hold_anyway: Hold) -> None:
    """ "at the end agent_complete, run_complete": after a limit, a failure, a final tool."""

    @tool(final=True)
    def end() -> str:
        """End."""
        return "the end"

    model = ScriptedModel([handoff("B"), ConnectionError("down"), call("end"), ConnectionError("down")])
    runner = Runner.with_agents(Agent("A", model=model, tools=[end], handoffs=["B"]), Agent("B", model=model))
    log: list[Any] = []
    listening(runner, log)

    for config in (RunConfig(max_turns=1), RunConfig(), RunConfig(), RunConfig()):
        hold_anyway(runner, "go", config=config)

    ends = [log[i - 1 : i + 1] for i, (name, _) in enumerate(log) if name == "run_complete"]
    assert ends == [
        [("agent_complete", "B"), ("run_complete", None)],
        [("agent_complete", "A"), ("run_complete", None)],
        [("agent_complete", "A"), ("run_complete", "the end")],
        [("agent_complete", "A"), ("run_complete", None)],
    ]
    assert [name for name, _ in log].count("run_start") == 4


def test_callbacks_run_in_registration_order_in_the_runs_thread(hold_anyway: Hold) -> None:
    """ "Callbacks run in registration order in the run's thread": also while tools run in others."""
    log: list[Any] = []
    runner = trio(ScriptedModel([[call("note", value=v) for v in "abc"], "done"]))
    listening(runner, log, "first ")
    listening(runner, log, "second ")
    threads: set[int] = set()
    for name in EVENTS:
        getattr(runner, f"on_{name}")(lambda _: threads.add(threading.get_ident()))

    hold_anyway(runner, "go")

    assert threads == {threading.get_ident()}
    pairs = [(name.split()[0], name.split()[1]) for name, _ in log]
    assert [mark for mark, _ in pairs] == ["first", "second"] * (len(pairs) // 2)
    assert [name for _, name in pairs[0::2]] == [name for _, name in pairs[1::2]]
    assert [name for _, name in pairs[0::2]].count("tool_complete") == 3


def test_an_exception_in_a_callback_is_logged_and_changes_nothing(hold_anyway: Hold, caplog: pytest.LogCaptureFixture) -> None:
    """ "an exception in one is logged and changes nothing"."""
    script = [[call("note", value="x"), handoff("B")], "done"]
    calm, upset = trio(ScriptedModel(script)), trio(ScriptedModel(script))
    log: list[Any] = []
    for name in EVENTS:
        getattr(upset, f"on_{name}")(lambda _: 1 // 0)
    listening(upset, log)

    with caplog.at_level(logging.ERROR, "agentgraph"):
        result = hold_anyway(upset, "go")
        expected = hold_anyway(calm, "go")

    assert (result.output, result.context, result.trace) == (expected.output, expected.context, expected.trace)
    assert {name for name, _ in log} == set(EVENTS), "the ones behind it are still called"
    assert len(caplog.records) == len(log)
    assert all(record.exc_info is not None for record in caplog.records)


def test_callbacks_are_decorators_too() -> None:
    """ "Callbacks" are "chainable and usable as decorators"."""
    runner = trio(ScriptedModel(["done"]))
    seen: list[str] = []

    @runner.on_run_start
    def begun(started: RunStarted) -> None:
        seen.append(started.agent)

    runner.run("go")

    assert seen == ["A"]


def test_registering_in_flight_affects_later_runs_only(hold_anyway: Hold) -> None:
    """ "Registering while runs are in flight is safe and affects later runs only"."""
    log: list[str] = []

    @tool
    def register() -> str:
        """Register."""
        runner.on_tool_complete(lambda _: log.append("tool_complete"))
        runner.on_run_complete(lambda _: log.append("run_complete"))
        return "registered"

    runner = Runner.with_agents(Agent("A", model=ScriptedModel([call("register"), "one", "two"]), tools=[register]))
    runner.on_run_start(lambda _: runner.on_agent_thinking(lambda _: log.append("thinking")))

    hold_anyway(runner, "go")
    assert log == []
    hold_anyway(runner, "go")
    assert log == ["thinking", "run_complete"]


def test_registering_in_many_threads_loses_no_callback() -> None:
    """ "Registering while runs are in flight is safe": also when several register at the same time."""
    runner = trio(ScriptedModel(["done"]))
    count: list[object] = []
    barrier = threading.Barrier(8, timeout=WATCHDOG)

    def register() -> None:
        barrier.wait()
        for _ in range(200):
            runner.on_run_start(count.append)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=register) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WATCHDOG)
    finally:
        sys.setswitchinterval(before)
    runner.run("go")

    assert len(count) == 8 * 200


# -- streaming ---------------------------------------------------------------------------------------------------------

SCRIPTS: dict[str, list[Any]] = {
    "text": ["Good day to you."],
    "tools and a handoff": [Reply("Let me see.", [call("note", value="x"), call("note", value="y"), handoff("B")]), handoff("C"), "done"],
    "empty": [Reply(), "at last"],
    "empty twice": [Reply(), Reply()],
    "failure": [call("note", value="x"), ConnectionError("down")],
    "limit": [call("note", value="x")] * 3,
    "bad calls": [[call("nonsense"), ToolCall("", "note", "{"), call("note")], "done"],
}


@pytest.mark.parametrize("case", list(SCRIPTS))
def test_streaming_and_not_streaming_are_equal(case: str) -> None:
    """ "Streaming and not streaming give equal results, events and contexts"."""

    def strip(seen: Observation) -> Any:
        if isinstance(seen, RunCompleted):
            return fields(seen.result)
        if isinstance(seen, ToolCompleted):
            return type(seen), seen.agent, seen.call, seen.value, seen.error
        return repr(seen)

    def fields(result: RunResult) -> Any:
        shown = result.context.to_json(), result.trace, result.usage, result.path
        return result.output, result.stop_reason, type(result.error), str(result.error), *shown

    results, told, watched = [], [], []
    for way, hold in WAYS.items():
        runner = trio(ScriptedModel(SCRIPTS[case]))
        seen: list[Any] = []
        for name in EVENTS:
            getattr(runner, f"on_{name}")(lambda e, seen=seen: seen.append(strip(e)))
        results.append(fields(hold(runner, "go", config=RunConfig(max_turns=3, parallel_tools=False))))
        told.append(seen)
        if "stream" in way:
            again = trio(ScriptedModel(SCRIPTS[case]))
            watched.append([strip(e) for e in stream_of(again, way) if not isinstance(e, TextDelta | ToolRefused)])

    assert all(each == results[0] for each in results)
    assert all(each == told[0] for each in told)
    assert all(each == told[0] for each in watched), "what a stream shows is what callbacks are told"


def stream_of(runner: AgentRunner, way: str) -> list[Observation]:
    config = RunConfig(max_turns=3, parallel_tools=False)
    if way == "stream":
        return list(runner.stream("go", config=config))

    async def collected() -> list[Observation]:
        return [seen async for seen in runner.astream("go", config=config)]

    return asyncio.run(collected())


@pytest.mark.parametrize("way", ["stream", "astream"])
def test_the_deltas_of_a_stream_are_its_texts(way: str) -> None:
    """ "Streaming and not streaming give equal results": the pieces make up what was said, between thinking and completion."""
    seen = stream_of(trio(ScriptedModel(SCRIPTS["tools and a handoff"])), way)

    assert "".join(e.text for e in seen if isinstance(e, TextDelta) and e.agent == "A") == "Let me see."
    assert "".join(e.text for e in seen if isinstance(e, TextDelta) and e.agent == "C") == "done"
    assert isinstance(seen[0], RunStarted)
    assert isinstance(seen[-1], RunCompleted)
    assert [type(e) for e in seen].count(RunCompleted) == 1


@pytest.mark.parametrize("way", ["stream", "astream"])
@pytest.mark.parametrize("whole", [False, True])
def test_a_delta_says_whether_it_is_a_structured_answer(way: str, whole: bool) -> None:
    """What an agent with an `output_type` writes is JSON; a window that shows what is written can leave it out."""
    scripted = ScriptedModel({"A": [Reply("Let me see.", [handoff("B")])], "B": ['{"total": 3}']})
    model = Whole(scripted) if whole else scripted
    agents = Agent("A", model=model, handoffs=["B"]), Agent("B", model=model, output_type={"type": "object"})
    seen = stream_of(AgentRunner.with_agents(*agents), way)

    assert {(e.agent, e.structured) for e in seen if isinstance(e, TextDelta)} == {("A", False), ("B", True)}
    assert not TextDelta(agent="A", text="said").structured


class Whole:
    """A model that cannot stream."""

    instant = True

    def __init__(self, model: Model) -> None:
        self.reply = model.reply


def test_run_works_inside_a_running_loop() -> None:
    """ "Streaming and not streaming give equal results": and neither needs to own the event loop."""

    @tool
    async def anote() -> str:
        """Note."""
        await asyncio.sleep(0)
        return "noted"

    async def inside() -> tuple[Any, Any]:
        runner = Runner.with_agents(Agent("A", model=ScriptedModel([call("anote"), "one", call("anote"), "two"]), tools=[anote]))
        return runner.run("go").output, (await runner.arun("go")).output

    assert asyncio.run(inside()) == ("one", "two")
