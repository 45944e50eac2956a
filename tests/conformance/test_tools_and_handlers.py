"""semantics.md, "Tools, handlers, run context"."""

# Lists of tools and names of agents, as users write them; the fields of `Agent` are typed as what they become.

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    AgentThinking,
    Context,
    Final,
    Forward,
    Handoff,
    LLMCallComplete,
    Reply,
    Rewrite,
    RunConfig,
    Runner,
    RunResult,
    ScriptedModel,
    ToolCall,
    ToolContext,
    ToolOutput,
    Usage,
    call,
    handoff,
    tool,
)
from agentgraph.definition.decision import Decision
from agentgraph.engine import ToolReturned
from tests.conformance.conftest import Hold
from tests.conformance.reading import answers, offered, said, system, texts
from tests.waiting import WATCHDOG

Answer = Callable[[Any, ToolOutput], Any]


@tool
def give(value: str) -> str:
    """Give it back."""
    return value


@tool
def fail(message: str) -> str:
    """Fail."""
    raise RuntimeError(message)


def run_scoped(handler: Answer, factory: Callable[[], Any] = int) -> RunConfig:
    return RunConfig().with_run_context(factory, handler)


def forward(value: Any, _: ToolOutput) -> tuple[Any, Decision]:
    return value, Forward()


class Ticket(BaseModel):
    number: int


# -- the order of handlers ---------------------------------------------------------------------------------------------


def test_the_run_scoped_handler_sees_the_output_first(hold_anyway: Hold) -> None:
    """ "After every tool execution (success or error; not for handoffs) the run-scoped handler sees the output first, then the
    per-agent handler sees what the first made of it"."""
    seen: list[Any] = []

    def first(value: int, output: ToolOutput) -> tuple[int, Decision]:
        seen.append(("run", value, output.name, output.value, output.error))
        return value + 1, Rewrite(f"<{output.value or output.error}>")

    def second(value: str, output: ToolOutput) -> tuple[str, Decision]:
        seen.append(("agent", value, output.name, output.value, output.error))
        return value + "!", Rewrite(f"[{output.value}]")

    model = ScriptedModel([[call("give", value="v"), call("fail", message="m"), handoff("B")], "done"])
    a = Agent("A", model=model, tools=[give, fail], handoffs=["B"], on_tool_output=(str, second))

    result = hold_anyway(Runner.with_agents(a, Agent("B", model=model)), "go", config=run_scoped(first))

    assert seen == [
        ("run", 0, "give", "v", None),
        ("agent", "", "give", "<v>", None),
        ("run", 1, "fail", None, "RuntimeError: m"),
        ("agent", "!", "fail", "<RuntimeError: m>", None),
    ], "no handler is called for the handoff"
    assert texts(result.messages)[:2] == ["[<v>]", "[<RuntimeError: m>]"]
    assert result.path == ("A", "B")


@pytest.mark.parametrize(
    ("edge", "asked"),
    [
        (Handoff("B"), handoff("B")),
        (Handoff("B", when=lambda _: False), handoff("B")),
        (Handoff("B", payload=Ticket), handoff("B", number="many")),
        (Handoff("B"), ToolCall("1", "handoff_to_b", '{"reason": ')),
    ],
    ids=["done", "refused", "invalid payload", "malformed arguments"],
)
def test_handlers_are_not_called_for_handoffs(hold: Hold, edge: Handoff, asked: ToolCall) -> None:
    """ "(success or error; not for handoffs)": whatever becomes of the handoff."""
    seen: list[str] = []

    def note(value: int, output: ToolOutput) -> tuple[int, Decision]:
        seen.append(output.name)
        return value, Forward()

    model = ScriptedModel([asked, "done"])
    a = Agent("A", model=model, handoffs=[edge], on_tool_output=(int, note))

    hold(Runner.with_agents(a, Agent("B", model=model)), "go", config=run_scoped(note))

    assert seen == []


def test_handlers_see_outputs_in_call_order(hold_anyway: Hold) -> None:
    """ "sees the output": in call order, though parallel tools finish in reverse."""
    later = threading.Event()

    @tool
    def work(n: int) -> int:
        """Work."""
        if n == 0:
            assert later.wait(WATCHDOG)
        later.set()
        return n

    def collect(value: list[int], output: ToolOutput) -> tuple[list[int], Decision]:
        seen.append([*value, output.value])
        return seen[-1], Forward()

    model = ScriptedModel([[call("work", n=0), call("work", n=1)], "done"])
    seen: list[Any] = []
    config = run_scoped(collect, list)

    hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[work])), "go", config=config)

    assert seen == [[0], [0, 1]]


def test_the_handler_is_told_everything(hold: Hold) -> None:
    """ "the run-scoped handler sees the output": name, arguments, value, error, agent."""
    seen: list[ToolOutput] = []

    def note(value: int, output: ToolOutput) -> tuple[int, Decision]:
        seen.append(output)
        return value, Forward()

    @tool
    def structured(n: int) -> dict[str, int]:
        """Give a dict."""
        return {"n": n}

    model = ScriptedModel([call("structured", n=3), "done"])

    hold(Runner.with_agents(Agent("A", model=model, tools=[structured])), "go", config=run_scoped(note))

    assert seen == [ToolOutput("structured", call("", n=3).arguments, {"n": 3}, None, "A")]


# -- decisions ---------------------------------------------------------------------------------------------------------


def test_forward_lets_it_pass(hold: Hold) -> None:
    """ "Decisions: `Forward`": an output as it is, an error as an error."""
    model = ScriptedModel([[call("give", value="v"), call("fail", message="m")], "done"])
    agent = Agent("A", model=model, tools=[give, fail], on_tool_output=(int, forward))

    result = hold(Runner.with_agents(agent), "go", config=run_scoped(forward))

    assert texts(result.messages) == ["v", "error: RuntimeError: m"]


@pytest.mark.parametrize("scope", ["run", "agent"])
def test_rewrite_of_an_error_makes_it_a_success(hold: Hold, scope: str) -> None:
    """ "`Rewrite` of an error makes it a success"."""

    def mend(value: int, output: ToolOutput) -> tuple[int, Decision]:
        return value, Rewrite({"mended": output.error})

    model = ScriptedModel([call("fail", message="m"), "done"])
    agent = Agent("A", model=model, tools=[fail], on_tool_output=(int, mend) if scope == "agent" else None)

    result = hold(Runner.with_agents(agent), "go", config=run_scoped(mend) if scope == "run" else None)

    assert texts(result.messages) == ['{"mended": "RuntimeError: m"}']
    assert result.succeeded


def test_final_ends_the_run_and_closes_the_rest(hold_anyway: Hold) -> None:
    """ "`Final` ends the run with that value as output; the call in hand is answered with the value and the calls after it as
    "not executed" "."""
    executed: list[str] = []

    @tool
    def note(value: str) -> str:
        """Note."""
        executed.append(value)
        return value

    def end_at_two(value: int, output: ToolOutput) -> tuple[int, Decision]:
        return value + 1, Final({"answer": output.value}) if output.value == "2" else Forward()

    model = ScriptedModel([[call("note", value="1"), call("note", value="2"), handoff("B"), call("note", value="4")], "never said"])
    a = Agent("A", model=model, tools=[note], handoffs=["B"])

    result = hold_anyway(Runner.with_agents(a, Agent("B", model=model)), "go", config=run_scoped(end_at_two))

    assert result.output == {"answer": "2"}
    assert (result.error, result.path, result.context.agent) == (None, ("A",), "A")
    first, second, third, fourth = texts(result.messages)
    assert (first, second) == ("1", '{"answer": "2"}')
    assert third.startswith("not executed")
    assert fourth.startswith("not executed")
    assert executed == ["1", "2"]
    assert len(model.requests) == 1
    again = hold_anyway(Runner.with_agents(a, Agent("B", model=model)), "next", context=result.context)
    assert again.output == "never said"
    answers(model.requests[1].messages[0:])


def test_the_history_after_final_does_not_depend_on_who_was_faster(hold: Hold) -> None:
    """ "the calls after it as "not executed" " and "results are committed in call order": one that failed early and one that is
    still running leave the same history."""

    def histories(*, failed_first: bool) -> list[str]:
        failed, over = threading.Event(), threading.Event()

        @tool
        def slow() -> str:
            """Return when the other has failed, or at once."""
            assert not failed_first or failed.wait(WATCHDOG)
            return "slow"

        @tool
        def failing() -> str:
            """Fail before the other returns, or after the run."""
            assert failed_first or over.wait(WATCHDOG)
            raise RuntimeError("no")

        def end(value: int, output: ToolOutput) -> tuple[int, Decision]:
            return value, Final("end") if output.name == "slow" else Forward()

        model = ScriptedModel([[call("slow"), call("failing")], "never said"])
        runner = Runner.with_agents(Agent("A", model=model, tools=[slow, failing]))
        runner.on_tool_complete(lambda seen: failed.set() if seen.name == "failing" else None)
        try:
            return texts(hold(runner, "go", config=run_scoped(end)).messages)
        finally:
            over.set()

    assert histories(failed_first=True) == histories(failed_first=False)


def test_a_run_scoped_final_preempts_the_per_agent_handler(hold: Hold) -> None:
    """ "a run-scoped `Final` pre-empts the per-agent handler"."""
    seen: list[str] = []

    def per_agent(value: int, output: ToolOutput) -> tuple[int, Decision]:
        seen.append(output.name)
        return value, Rewrite("mine")

    model = ScriptedModel([call("give", value="v"), "never said"])
    agent = Agent("A", model=model, tools=[give], on_tool_output=(int, per_agent))

    result = hold(Runner.with_agents(agent), "go", config=run_scoped(lambda value, _: (value, Final("over"))))

    assert (result.output, seen) == ("over", [])


def test_a_per_agent_final_ends_the_run_too(hold: Hold) -> None:
    """ "Decisions: ... `Final(value)`": of either handler."""
    model = ScriptedModel([call("fail", message="m"), "never said"])
    agent = Agent("A", model=model, tools=[fail], on_tool_output=(int, lambda value, output: (value, Final(output.error))))

    result = hold(Runner.with_agents(agent), "go", config=run_scoped(forward))

    assert result.output == "RuntimeError: m"
    assert texts(result.messages) == ["RuntimeError: m"]


def test_data_and_facts_of_the_call_in_hand_are_kept_at_final(hold: Hold) -> None:
    """ "`Final` ends the run": what the call in hand changed is committed all the same."""

    @tool(sets="verified")
    def change(ctx: ToolContext) -> str:
        """Change."""
        ctx.update(name="Ada")
        return "changed"

    model = ScriptedModel([call("change"), "never said"])

    result = hold(
        Runner.with_agents(Agent("A", model=model, tools=[change])), "go", config=run_scoped(lambda value, _: (value, Final("end")))
    )

    assert (result.output, dict(result.context.data), set(result.context.facts)) == ("end", {"name": "Ada"}, {"verified"})


# -- handlers that fail ------------------------------------------------------------------------------------------------

FAILING: dict[str, Any] = {
    "raises": ZeroDivisionError("boom"),
    "none": None,
    "no tuple": Forward(),
    "no decision": (99, "forward"),
    "another class": (99, Final),
    "three": (99, Forward(), 1),
}


@pytest.mark.parametrize("scope", ["run", "agent"])
@pytest.mark.parametrize("case", list(FAILING))
def test_a_failing_handler_forwards_and_keeps_its_value(hold: Hold, caplog: pytest.LogCaptureFixture, case: str, scope: str) -> None:
    """ "A handler that raises: logged, treated as `Forward`, its accumulated value kept as it was before that call ... A handler
    that returns the wrong type: the same, with an error naming what was expected"."""
    before: list[int] = []

    def handler(value: int, output: ToolOutput) -> Any:
        before.append(value)
        if output.value != "bad":
            return value + 1, Forward()
        if isinstance(FAILING[case], Exception):
            raise FAILING[case]
        return FAILING[case]

    model = ScriptedModel([[call("give", value=v) for v in ("a", "b", "bad", "c")], "done"])
    agent = Agent("A", model=model, tools=[give], on_tool_output=(int, handler) if scope == "agent" else None)

    with caplog.at_level(logging.ERROR, "agentgraph"):
        result = hold(Runner.with_agents(agent), "go", config=run_scoped(handler) if scope == "run" else None)

    assert before == [0, 1, 2, 2]
    assert texts(result.messages) == ["a", "b", "bad", "c"]
    assert result.output == "done"
    assert len(caplog.records) == 1
    if case != "raises":
        assert all(word in caplog.text for word in ("expected", "Forward", "Rewrite", "Final"))


def test_a_run_value_survives_a_failing_handler(hold: Hold) -> None:
    """ "its accumulated value kept as it was before that call (T throws the accumulated value away)"."""

    def handler(value: int, output: ToolOutput) -> tuple[int, Decision]:
        if output.value == "bad":
            raise ValueError(output.value)
        return value + 1, Forward()

    model = ScriptedModel([[call("give", value=v) for v in ("a", "bad", "c")], "done"])
    runner = Runner.with_agents(Agent("A", model=model, tools=[give]))

    assert runner.run_with_run_context("go", factory=int, handler=handler).run_context == 2


def test_a_factory_that_raises_does_not_escape_the_run(hold: Hold) -> None:
    """ "A handler that raises: logged, treated as `Forward`": its factory is part of it; errors are in the result, not raised."""

    def factory() -> int:
        raise RuntimeError("no value")

    model = ScriptedModel([call("give", value="v"), "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[give], on_tool_output=(factory, forward))), "go")

    assert texts(result.messages) == ["v"]


# -- values of runs and agents -----------------------------------------------------------------------------------------


class Ledger(BaseModel):
    entries: tuple[str, ...] = ()


def entered(ledger: Ledger, output: ToolOutput) -> tuple[Ledger, Decision]:
    return Ledger(entries=(*ledger.entries, f"{output.agent}:{output.value}")), Forward()


def test_the_run_value_spans_handoffs_and_is_returned_typed() -> None:
    """ "The run context value is made by its factory once per run, spans handoffs, and is returned typed only when the run
    completes"."""
    made: list[Ledger] = []

    def factory() -> Ledger:
        made.append(Ledger())
        return made[-1]

    def runner() -> AgentRunner:
        model = ScriptedModel([call("give", value="1"), [call("give", value="2"), handoff("B")], call("give", value="3"), "done"])
        return AgentRunner.with_agents(
            Agent("A", model=model, tools=[give], handoffs=["B"]), Agent("B", model=model, tools=[give], handoffs=["A"])
        )

    held = runner().run_with_run_context("go", factory=factory, handler=entered)
    awaited = asyncio.run(runner().arun_with_run_context("go", factory=factory, handler=entered))

    for each in (held, awaited):
        assert isinstance(each.run_context, Ledger)
        assert each.run_context.entries == ("A:1", "A:2", "B:3")
        assert isinstance(each.result, RunResult)
        assert each.result.path == ("A", "B")
    assert len(made) == 2, "once per run"


def test_the_per_agent_value_is_made_anew_whenever_an_agent_takes_over(hold: Hold) -> None:
    """ "The per-agent value is made anew whenever an agent takes over (also when it takes over again)"."""
    seen: list[tuple[str, tuple[str, ...]]] = []

    def note(ledger: Ledger, output: ToolOutput) -> tuple[Ledger, Decision]:
        seen.append((output.agent, ledger.entries))
        return entered(ledger, output)

    a_says = [call("give", value="1"), [call("give", value="2"), handoff("B")], call("give", value="5"), "done"]
    b_says = [call("give", value="3"), [call("give", value="4"), handoff("A")]]
    model = ScriptedModel({"A": a_says, "B": b_says})
    a = Agent("A", model=model, tools=[give], handoffs=["B"], on_tool_output=(Ledger, note))
    b = Agent("B", model=model, tools=[give], handoffs=["A"], on_tool_output=(Ledger, note))

    result = hold(Runner.with_agents(a, b), "go")

    assert result.path == ("A", "B", "A")
    assert seen == [("A", ()), ("A", ("A:1",)), ("B", ()), ("B", ("B:3",)), ("A", ())]


def test_the_per_agent_value_does_not_outlive_its_run(hold: Hold) -> None:
    """ "made anew whenever an agent takes over": a new run is a new take-over."""
    seen: list[int] = []

    def note(value: int, _: ToolOutput) -> tuple[int, Decision]:
        seen.append(value)
        return value + 1, Forward()

    model = ScriptedModel([call("give", value="1"), "one", call("give", value="2"), "two"])
    runner = Runner.with_agents(Agent("A", model=model, tools=[give], on_tool_output=(int, note)))

    hold(runner, "again", context=hold(runner, "go").context)

    assert seen == [0, 0]


# -- tools that fail ---------------------------------------------------------------------------------------------------


class CustomError(Exception):
    pass


@pytest.mark.parametrize("error", [RuntimeError("it broke"), CustomError(), StopIteration(), StopAsyncIteration(), KeyError("x")], ids=repr)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tool_that_raises_is_answered_and_the_run_goes_on(hold_anyway: Hold, error: Exception, kind: str) -> None:
    """ "A tool that raises or times out: its error is answered to the model as text ("error: …"), the run goes on"."""

    @tool(name="broken")
    def broken(ctx: ToolContext) -> str:
        """Fail."""
        ctx.update(half="done")
        raise error

    @tool(name="broken")
    async def abroken(ctx: ToolContext) -> str:
        """Fail."""
        ctx.update(half="done")
        raise error

    model = ScriptedModel([call("broken"), [call("broken"), call("give", value="v")], "done"])
    agent = Agent("A", model=model, tools=[broken if kind == "sync" else abroken, give])

    result = hold_anyway(Runner.with_agents(agent), "go")

    alone, beside, given = texts(result.messages)
    assert alone.startswith("error: ")
    assert beside == alone
    assert str(error) in alone
    assert given == "v"
    assert result.output == "done"
    assert result.context.data == {}, "a call that failed has changed nothing"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_tool_that_times_out_is_answered_and_the_run_goes_on(hold_anyway: Hold, kind: str) -> None:
    """ "A tool that raises or times out: its error is answered to the model as text"."""
    release = threading.Event()

    @tool(name="slow", timeout=0.02)
    def slow() -> str:
        """Wait."""
        release.wait(WATCHDOG)
        return "late"

    @tool(name="slow", timeout=0.02)
    async def aslow() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return "late"

    model = ScriptedModel([call("slow"), [call("slow"), call("give", value="v")], "done"])
    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[slow if kind == "sync" else aslow, give])), "go")

    release.set()
    alone, beside, given = texts(result.messages)
    assert alone.startswith("error: ")
    assert "0.02 seconds" in alone
    assert (beside, given, result.output) == (alone, "v", "done")


def test_an_exception_that_is_returned_is_a_value(hold: Hold) -> None:
    """ "A tool that raises": one that returns an exception has not raised it, however one waits for it."""

    @tool
    def returns() -> Any:
        """Return an exception."""
        return ValueError("as a value")

    @tool(timeout=WATCHDOG)
    def returns_in_time() -> Any:
        """Return an exception."""
        return ValueError("as a value")

    model = ScriptedModel([[call("returns"), call("returns_in_time")], call("returns"), call("returns_in_time"), "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[returns, returns_in_time])), "go")

    assert texts(result.messages) == ["as a value"] * 4


# -- final tools -------------------------------------------------------------------------------------------------------


@tool(final=True)
def conclude(value: str) -> str:
    """Conclude."""
    if value == "bad":
        raise RuntimeError("cannot conclude")
    return value


def test_final_tools_end_the_run(hold_anyway: Hold) -> None:
    """ "`final=True` tools end the run with their ... output": the calls behind are answered as not executed."""
    executed: list[str] = []

    @tool
    def note() -> str:
        """Note."""
        executed.append("note")
        return "noted"

    model = ScriptedModel([[call("give", value="first"), call("conclude", value="the end"), call("note")], "never said"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[give, conclude, note])), "go")

    assert (result.output, result.error) == ("the end", None)
    first, last, after = texts(result.messages)
    assert (first, last) == ("first", "the end")
    assert after.startswith("not executed")
    assert executed == []
    assert len(model.requests) == 1


def test_the_output_of_a_final_tool_may_be_rewritten(hold: Hold) -> None:
    """ "(possibly rewritten)": also an error, which becomes a success."""

    def shout(value: int, output: ToolOutput) -> tuple[int, Decision]:
        return value, Rewrite(f"{output.value or output.error}!")

    for value, expected in (("end", "end!"), ("bad", "RuntimeError: cannot conclude!")):
        model = ScriptedModel([call("conclude", value=value), "never said"])
        result = hold(Runner.with_agents(Agent("A", model=model, tools=[conclude], on_tool_output=(int, shout))), "go")
        assert result.output == expected
        assert texts(result.messages) == [expected]


def test_a_final_tool_that_fails_ends_nothing(hold: Hold) -> None:
    """ "`final=True` tools end the run with their output": one that raised has none; its error is answered."""
    model = ScriptedModel([[call("conclude", value="bad"), call("give", value="v")], call("conclude", value="end")])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[give, conclude])), "go")

    assert texts(result.messages) == ["error: RuntimeError: cannot conclude", "v", "end"]
    assert result.output == "end"


# -- ctx.update --------------------------------------------------------------------------------------------------------


def test_changes_of_parallel_tools_are_committed_in_call_order_and_the_trace_shows_both(hold_anyway: Hold) -> None:
    """ "`ctx.update(...)` changes made by parallel tools are committed in call order; two tools writing one key is legal, the
    later call wins, and the trace shows both"."""
    written = threading.Event()

    @tool
    def write(n: int, ctx: ToolContext) -> Any:
        """The earlier call writes last."""
        assert written.wait(WATCHDOG) if n == 0 else True
        ctx.update(winner=n, **{f"by_{n}": True})
        written.set()
        return ctx.data.get("winner")

    model = ScriptedModel([[call("write", n=0), call("write", n=1)], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[write])), "go")

    assert result.context.data == {"winner": 1, "by_0": True, "by_1": True}
    assert texts(result.messages) == ["0", "1"], "each sees its own change"
    by_call = {e.call_id: e.updates["winner"] for e in result.trace.events if isinstance(e, ToolReturned)}
    assert [by_call[c.id] for c in result.messages[1].tool_calls] == [0, 1]


def test_changes_reach_instructions_and_later_calls_at_once(hold: Hold) -> None:
    """ "`ctx.update(...)` changes ... are committed": what follows sees them."""

    @tool
    def rename(name: str, ctx: ToolContext) -> str:
        """Rename."""
        before = ctx.data.get("name", "nobody")
        ctx.update(name=name)
        return f"{before} -> {ctx.data['name']}"

    model = ScriptedModel([call("rename", name="Ada"), call("rename", name="Grace"), "done"])
    agent = Agent("A", instructions=lambda ctx: f"Help {ctx.data.get('name', 'nobody')}.", model=model, tools=[rename])

    result = hold(Runner.with_agents(agent), "go")

    assert texts(result.messages) == ["nobody -> Ada", "Ada -> Grace"]
    assert [system(r) for r in model.requests] == [["Help nobody."], ["Help Ada."], ["Help Grace."]]


# -- an agent as a tool ------------------------------------------------------------------------------------------------


@tool
def look(ctx: ToolContext) -> str:
    """Look at the shared data, and change it."""
    ctx.update(seen=ctx.data.get("name"), by=ctx.agent)
    return f"saw {ctx.data.get('name')}"


def test_an_agent_as_a_tool_receives_input_only_and_offers_no_handoffs(hold_anyway: Hold) -> None:
    """ "An agent as a tool: receives `input` only, no history; its handoffs are not offered"."""
    inner_model = ScriptedModel([call("look"), "inner answer"])
    inner = Agent("Helper", instructions="HELPER", model=inner_model, tools=[look], handoffs=["Outer"], description="Ask for help.")
    model = ScriptedModel(["hello", call("helper", input="what is up?"), "done"])
    outer = Agent("Outer", instructions="OUTER", model=model, tools=[inner.as_tool()])
    runner = Runner.with_agents(outer)

    first = hold_anyway(runner, "SECRET")
    result = hold_anyway(runner, "go", context=first.context)

    assert result.output == "done"
    assert texts(result.messages) == ["inner answer"]
    asked = inner_model.requests[0]
    assert [(m.role, m.content) for m in asked.messages] == [("system", "HELPER"), ("user", "what is up?")]
    assert [offered(r) for r in inner_model.requests] == [{"look"}, {"look"}]
    assert result.path == ("Outer",)
    assert result.context.agent == "Outer"
    assert said(result.messages) == ["SECRET", "hello", "go", "done"], "the inner conversation is not in the outer one"


def test_an_inner_handoff_is_answered_as_unknown(hold: Hold) -> None:
    """ "its handoffs are not offered": and not followed either."""
    inner_model = ScriptedModel([handoff("Outer"), "I stay"])
    inner = Agent("Helper", model=inner_model, tools=[look], handoffs=["Outer"])
    model = ScriptedModel([call("helper", input="?"), "done"])

    result = hold(Runner.with_agents(Agent("Outer", model=model, tools=[inner.as_tool()])), "go")

    assert texts(result.messages) == ["I stay"]
    assert texts(inner_model.requests[1].messages[0:])[0].startswith("error:")


def test_an_agent_as_a_tool_makes_at_most_three_model_calls(hold_anyway: Hold) -> None:
    """ "at most 3 model calls": then an error for the outer agent, which goes on."""
    inner_model = ScriptedModel([call("look") for _ in range(9)])
    inner = Agent("Helper", model=inner_model, tools=[look])
    model = ScriptedModel([call("helper", input="?"), "done"])

    result = hold_anyway(
        Runner.with_agents(Agent("Outer", model=model, tools=[inner.as_tool()])), "go", context=Context(data={"name": "Ada"})
    )

    assert len(inner_model.requests) == 3
    (answer,) = texts(result.messages)
    assert answer.startswith("error:")
    assert "max_turns" in answer
    assert result.output == "done"
    assert result.usage.requests == 5, "its usage counts although it failed"
    assert result.context.data["seen"] == "Ada", "and so do its changes"


def test_an_agent_as_a_tool_shares_the_data(hold_anyway: Hold) -> None:
    """ "sees the shared data and its updates to it are kept": and facts likewise."""

    @tool(requires="known", sets="looked")
    def look_closely(ctx: ToolContext) -> str:
        """Look."""
        ctx.update(seen=ctx.data.get("name"), by=ctx.agent)
        return f"saw {ctx.data.get('name')}"

    @tool(sets="known")
    def know() -> str:
        """Know."""
        return "known"

    inner = Agent("Helper", model=ScriptedModel([call("look_closely"), "ok"]), tools=[look_closely])
    model = ScriptedModel([call("know"), call("helper", input="?"), "done"])
    outer = Agent("Outer", model=model, tools=[inner.as_tool(), know])

    result = hold_anyway(Runner.with_agents(outer), "go", context=Context(data={"name": "Ada", "kept": 1}))

    assert result.context.data == {"name": "Ada", "kept": 1, "seen": "Ada", "by": "Helper"}
    assert result.context.facts == {"known", "looked"}


def test_usage_and_events_of_an_agent_as_a_tool_count(hold_anyway: Hold) -> None:
    """ "its usage and its events count towards the parent (R loses both)"."""
    inner = Agent(
        "Helper", model=ScriptedModel([Reply("a", [call("look")], Usage(1, 10, 1)), Reply("ok", (), Usage(1, 20, 2))]), tools=[look]
    )
    model = ScriptedModel([Reply(None, [call("helper", input="?")], Usage(1, 100, 10)), Reply("done", (), Usage(1, 200, 20))])
    runner = AgentRunner(Agent("Outer", model=model, tools=[inner.as_tool()]))
    events: list[Any] = []
    for register in (runner.on_agent_thinking, runner.on_llm_call_complete, runner.on_tool_start, runner.on_tool_complete):
        register(events.append)

    result = hold_anyway(runner, "go")

    assert (result.usage.requests, result.usage.input_tokens, result.usage.output_tokens) == (4, 330, 33)
    assert result.context.usage == result.usage
    call_id = result.messages[1].tool_calls[0].id
    inside = [(type(e).__name__, e.agent) for e in events if e.within == (call_id,)]
    kinds = ["AgentThinking", "LLMCallComplete", "ToolStarted", "ToolCompleted", "AgentThinking", "LLMCallComplete"]
    assert inside == [(kind, "Helper") for kind in kinds]
    assert [type(e).__name__ for e in events if not e.within] == kinds
    assert len(result.trace.children[call_id].events) > 0


def test_runs_inside_begin_and_end_alike(hold: Hold) -> None:
    """ "its events count towards the parent": whoever counts runs sees as many beginnings as ends."""
    inner = Agent("Helper", model=ScriptedModel(["ok"]))
    runner = AgentRunner(Agent("Outer", model=ScriptedModel([call("helper", input="?"), "done"]), tools=[inner.as_tool()]))
    begun: list[Any] = []
    ended: list[Any] = []
    runner.on_run_start(begun.append)
    runner.on_run_complete(ended.append)

    hold(runner, "go")

    assert len(begun) == len(ended)


def test_agents_as_tools_run_beside_each_other(hold_anyway: Hold) -> None:
    """ "An agent as a tool" is a tool: several run concurrently, their changes are committed in call order, all usage counts."""
    barrier = threading.Barrier(2, timeout=WATCHDOG)

    @tool
    def meet(who: str, ctx: ToolContext) -> str:
        """Meet."""
        barrier.wait()
        ctx.update(last=who)
        return who

    def helper(name: str) -> Agent:
        return Agent(name, model=ScriptedModel([call("meet", who=name), f"{name} ok"]), tools=[meet])

    model = ScriptedModel([[call("one", input="?"), call("two", input="?")], "done"])
    runner = AgentRunner(Agent("Outer", model=model, tools=[helper("One").as_tool(), helper("Two").as_tool()]))
    seen: list[Any] = []
    main: list[int] = []
    runner.on_llm_call_complete(lambda e: seen.append((e.agent, len(e.within))))
    runner.on_llm_call_complete(lambda _: main.append(threading.get_ident()))

    result = hold_anyway(runner, "go")

    assert texts(result.messages) == ["One ok", "Two ok"]
    assert result.context.data == {"last": "Two"}
    assert result.usage.requests == 6
    assert sorted(seen) == [("One", 1), ("One", 1), ("Outer", 0), ("Outer", 0), ("Two", 1), ("Two", 1)]
    assert set(main) == {threading.get_ident()}, "callbacks run in the run's thread"


def test_usage_of_a_call_behind_final_is_not_lost(hold: Hold) -> None:
    """ "its usage ... count[s] towards the parent" and "no limit, error, or cancellation ever loses ... the usage": also when
    the answer itself is not used."""
    answered = threading.Event()

    @tool
    def slow() -> str:
        """Wait for the agent behind."""
        assert answered.wait(WATCHDOG)
        return "slow"

    inner = Agent("Helper", model=ScriptedModel([Reply("ok", (), Usage(1, 20, 2))]))
    model = ScriptedModel([Reply(None, [call("slow"), call("helper", input="?")], Usage(1, 100, 10))])
    runner = Runner.with_agents(Agent("Outer", model=model, tools=[slow, inner.as_tool()]))
    runner.on_tool_complete(lambda e: answered.set() if e.name == "helper" else None)

    result = hold(runner, "go", config=run_scoped(lambda value, _: (value, Final("end"))))

    assert result.output == "end"
    assert result.usage == Usage(2, 120, 12)


def test_the_inner_model_failing_is_answered(hold: Hold) -> None:
    """ "A tool that raises": so is an agent as a tool whose provider fails."""
    inner = Agent("Helper", model=ScriptedModel([ConnectionError("provider down")]))
    model = ScriptedModel([call("helper", input="?"), "done"])

    result = hold(Runner.with_agents(Agent("Outer", model=model, tools=[inner.as_tool()])), "go")

    (answer,) = texts(result.messages)
    assert answer.startswith("error:")
    assert "provider down" in answer
    assert result.output == "done"


def test_outer_handlers_follow_an_agent_as_a_tool_and_not_its_tools(hold: Hold) -> None:
    """ "After every tool execution": the outer handlers see the agent's answer as one output; the run value is the outer run's."""
    seen: list[str] = []

    def note(value: int, output: ToolOutput) -> tuple[int, Decision]:
        seen.append(f"{output.agent}.{output.name}={output.value}")
        return value, Forward()

    inner = Agent("Helper", model=ScriptedModel([call("look"), "ok"]), tools=[look])
    model = ScriptedModel([call("helper", input="?"), "done"])

    hold(Runner.with_agents(Agent("Outer", model=model, tools=[inner.as_tool()])), "go", config=run_scoped(note))

    assert "Outer.helper=ok" in seen


def test_a_group_as_a_tool_hands_over_among_its_members(hold: Hold) -> None:
    """ "its handoffs are not offered": those of a group that lead outside; inside it is entered at the root."""
    member_model = ScriptedModel([handoff("Analyst"), "analysed"])
    root, analyst = Agent("Coordinator", model=member_model, handoffs=["Outside"]), Agent("Analyst", model=member_model)
    group = AgentGroup("Research", root=root, members=[analyst], handoffs=[("Coordinator", "Analyst"), ("Research", "Outside")])
    model = ScriptedModel([call("research", input="dig"), "done"])
    graph = AgentGraph("g").add_agent(Agent("Outer", model=model, tools=[group.as_tool()])).add_agent(Agent("Outside"))

    result = hold(AgentRunner(graph), "go")

    assert texts(result.messages) == ["analysed"]
    assert [r.agent for r in member_model.requests] == ["Coordinator", "Analyst"]
    assert offered(member_model.requests[0]) == {"handoff_to_analyst"}
    assert result.path == ("Outer",)


def test_output_extractor_and_other_names(hold: Hold) -> None:
    """ "An agent as a tool: receives `input` only": whatever it is called, and whatever becomes of its answer."""
    inner = Agent("Helper", model=ScriptedModel(["ok", "ok"]))
    asked = inner.as_tool(
        name="ask", description="Ask.", output_extractor=lambda result: {"said": result.output, "calls": result.usage.requests}
    )
    model = ScriptedModel([ToolCall("1", "ask", {"input": "?", "history": []}), call("ask", input="?"), "done"])

    result = hold(Runner.with_agents(Agent("Outer", model=model, tools=[asked])), "go")

    wrong, right = texts(result.messages)
    assert wrong.startswith("error:")
    assert right == '{"said": "ok", "calls": 1}'


def test_thinking_is_told_before_the_model_answers() -> None:
    """ "its events": in a stream they come as they happen, the inner ones between start and end of the call."""
    inner = Agent("Helper", model=ScriptedModel(["ok"]))
    runner = AgentRunner(Agent("Outer", model=ScriptedModel([call("helper", input="?"), "done"]), tools=[inner.as_tool()]))

    seen = [e for e in runner.stream("go") if isinstance(e, AgentThinking | LLMCallComplete)]

    assert [(type(e).__name__, e.agent) for e in seen] == [
        ("AgentThinking", "Outer"),
        ("LLMCallComplete", "Outer"),
        ("AgentThinking", "Helper"),
        ("LLMCallComplete", "Helper"),
        ("AgentThinking", "Outer"),
        ("LLMCallComplete", "Outer"),
    ]


def test_an_agent_as_a_tool_sees_the_data_as_it_was_asked(hold: Hold) -> None:
    """ "sees the shared data": as it was when it was started, like any parallel tool, and not by who was faster."""

    @tool
    def write(ctx: ToolContext) -> str:
        """Write."""
        ctx.update(written=True)
        return "written"

    @tool
    def read(ctx: ToolContext) -> str:
        """Read."""
        return str(ctx.data.get("written"))

    seen: set[str] = set()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(100):
            inner = Agent("Helper", model=ScriptedModel([call("read"), lambda request: request.messages[-1].text]), tools=[read])
            model = ScriptedModel([[*[call("write")] * 3, call("helper", input="?")], "done"])
            result = hold(Runner.with_agents(Agent("Outer", model=model, tools=[write, inner.as_tool()])), "go")
            seen.add(texts(result.messages)[-1])
    finally:
        sys.setswitchinterval(before)

    assert seen == {"None"}


def test_a_cancelled_error_of_a_tools_own_is_an_error_like_any_other(hold_anyway: Hold) -> None:
    """ "A tool that raises ...: its error is answered ..., the run goes on": what a tool cancelled inside is not the run."""

    @tool
    async def cancels() -> str:
        """Await something that was cancelled."""
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner
        return "never"

    model = ScriptedModel([call("cancels"), [call("cancels"), call("give", value="v")], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[cancels, give])), "go")

    alone, beside, given = texts(result.messages)
    assert alone.startswith("error:")
    assert (beside, given, result.output) == (alone, "v", "done")


@pytest.mark.parametrize("name", ["self", "args", "kwargs", "function", "name", "input", "context"])
def test_a_parameter_may_have_any_name(hold: Hold, name: str) -> None:
    """ "tool calls: all run": whatever their parameters are called."""
    scope: dict[str, Any] = {}
    exec(f"def echo({name}: str) -> str:\n    return {name}", scope)
    model = ScriptedModel([ToolCall("1", "echo", {name: "v"}), "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[tool(scope["echo"])])), "go")

    assert texts(result.messages) == ["v"]
