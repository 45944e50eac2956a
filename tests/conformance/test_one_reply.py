"""semantics.md, "One reply of the model": what each kind of reply leads to."""

# Lists of tools and names of agents, as users write them; the fields of `Agent` are typed as what they become.

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from pydantic import BaseModel

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    Context,
    Handoff,
    ModelError,
    Reply,
    RunConfig,
    Runner,
    ScriptedModel,
    ToolCall,
    ToolCompleted,
    ToolContext,
    ToolOutput,
    call,
    handoff,
    tool,
)
from agentgraph.definition.decision import Decision, Forward
from tests.conformance.conftest import Hold
from tests.conformance.reading import answers, offered, said, system, texts
from tests.waiting import WATCHDOG


class Verdict(BaseModel):
    guilty: bool


@tool
def greet(name: str) -> str:
    """Greet."""
    return f"hello {name}"


def recording(executed: list[str], *names: str) -> list[Any]:
    """Tools that note that they were executed."""

    def made(name: str) -> Any:
        @tool(name=name)
        def work() -> str:
            executed.append(name)
            return f"{name} done"

        return work

    return [made(name) for name in names]


# -- text only ---------------------------------------------------------------------------------------------------------


def test_text_ends_the_turn(hold_anyway: Hold) -> None:
    """ "text only: the turn ends; output is the text"."""
    model = ScriptedModel(["Good day.", "never said"])

    result = hold_anyway(Runner.with_agents(Agent("A", instructions="Be kind.", model=model)), "hi")

    assert (result.output, result.stop_reason, result.error, result.path) == ("Good day.", "completed", None, ("A",))
    assert [(m.role, m.content) for m in result.messages] == [("user", "hi"), ("assistant", "Good day.")]
    assert [(m.role, m.content) for m in model.requests[0].messages] == [("system", "Be kind."), ("user", "hi")]
    assert len(model.requests) == 1
    assert result.context.pending == ()


@pytest.mark.parametrize("reply", ['{"guilty": true}', '```json\n{"guilty": true}\n```'])
def test_text_is_validated_as_the_output_type(hold: Hold, reply: str) -> None:
    """ "text only: ... (or the validated `output_type`)"."""
    model = ScriptedModel([reply])

    result = hold(Runner.with_agents(Agent("Judge", model=model, output_type=Verdict)), "guilty?")

    assert result.output == Verdict(guilty=True)
    assert model.requests[0].output is not None
    assert "guilty" in model.requests[0].output.schema["properties"]


def test_text_of_the_wrong_type_is_never_an_output(hold: Hold) -> None:
    """ "(or the validated `output_type`)": what does not validate is not an output; the model is asked again, then it is an error."""
    mended = ScriptedModel(['{"guilty": "perhaps"}', '{"guilty": false}'])
    stubborn = ScriptedModel(["I would not say."] * 9)

    good = hold(Runner.with_agents(Agent("Judge", model=mended, output_type=Verdict)), "guilty?")
    bad = hold(Runner.with_agents(Agent("Judge", model=stubborn, output_type=Verdict)), "guilty?")

    assert good.output == Verdict(guilty=False)
    assert "guilty" in mended.requests[1].messages[-1].text
    assert (bad.output, bad.stop_reason) == (None, "error")
    assert isinstance(bad.error, ModelError)
    assert len(stubborn.requests) == 2


# -- nothing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [Reply(), Reply(""), Reply(" \n\t"), Reply("", ())])
def test_nothing_is_asked_for_once_more(hold: Hold, nothing: Reply) -> None:
    """ "nothing (no text, no calls): one retry asking for an answer"."""
    model = ScriptedModel([nothing, "Here I am."])

    result = hold(Runner.with_agents(Agent("A", model=model)), "hi")

    assert result.output == "Here I am."
    first, second = ([m.to_openai() for m in request.messages] for request in model.requests)
    assert second[: len(first)] == first
    assert len(second) == len(first) + 1, "the retry asks for an answer"
    assert [(m.role, m.content) for m in result.messages] == [("user", "hi"), ("assistant", "Here I am.")], "the asking is no history"


def test_nothing_twice_is_an_error(hold_anyway: Hold) -> None:
    """ "then the run ends with an error; never a silent loop to max_turns"."""
    model = ScriptedModel([Reply()] * 20)

    result = hold_anyway(Runner.with_agents(Agent("A", model=model)), "hi")

    assert len(model.requests) == 2
    assert (result.output, result.stop_reason) == (None, "error")
    assert isinstance(result.error, ModelError)
    assert said(result.messages) == ["hi"]
    assert result.usage.requests == 2


def test_each_answer_has_its_own_retry() -> None:
    """ "one retry": of each reply that holds nothing, not of the run."""
    model = ScriptedModel([Reply(), call("greet", name="Ada"), Reply(), "done"])

    result = AgentRunner(Agent("A", model=model, tools=[greet])).run("hi")

    assert result.output == "done"
    assert texts(result.messages) == ["hello Ada"]


# -- tool calls --------------------------------------------------------------------------------------------------------


def test_all_calls_run_then_the_model_is_called_again(hold_anyway: Hold) -> None:
    """ "tool calls: all run ..., results are committed in call order; then the model is called again"."""
    model = ScriptedModel([Reply("I will greet.", [call("greet", name=n) for n in "abc"]), "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[greet])), "hi")

    assert answers(result.messages) == [("greet", f"hello {n}") for n in "abc"]
    assert result.messages[1].content == "I will greet."
    assert texts(model.requests[1].messages[0:]) == ["hello a", "hello b", "hello c"]
    assert len(model.requests) == 2


def test_calls_run_concurrently(hold_anyway: Hold) -> None:
    """ "all run (concurrently when `parallel_tools`)": four that wait for each other come through."""
    barrier = threading.Barrier(4, timeout=WATCHDOG)

    @tool
    def meet(n: int) -> int:
        """Wait for the others."""
        barrier.wait()
        return n

    model = ScriptedModel([[call("meet", n=n) for n in range(4)], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[meet])), "go")

    assert texts(result.messages) == ["0", "1", "2", "3"]


def test_async_calls_run_concurrently(hold_anyway: Hold) -> None:
    """ "all run (concurrently when `parallel_tools`)": async tools too, and beside synchronous ones."""
    barrier = threading.Barrier(3, timeout=WATCHDOG)

    @tool
    async def ameet(n: int) -> int:
        """Wait for the others."""
        await asyncio.to_thread(barrier.wait)
        return n

    @tool
    def meet(n: int) -> int:
        """Wait for the others."""
        barrier.wait()
        return n

    model = ScriptedModel([[call("ameet", n=0), call("meet", n=1), call("ameet", n=2)], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[meet, ameet])), "go")

    assert texts(result.messages) == ["0", "1", "2"]


def test_results_are_committed_in_call_order_though_they_finish_in_reverse(hold_anyway: Hold) -> None:
    """ "results are committed **in call order**"."""
    done = [threading.Event() for _ in range(4)]
    finished: list[int] = []
    done[3].set()

    @tool
    def work(n: int, ctx: ToolContext) -> str:
        """Finish after the one behind."""
        assert done[n].wait(WATCHDOG)
        finished.append(n)
        ctx.update(last=n)
        if n:
            done[n - 1].set()
        return f"result {n}"

    model = ScriptedModel([[call("work", n=n) for n in range(4)], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[work])), "go")

    assert finished == [3, 2, 1, 0]
    assert texts(result.messages) == [f"result {n}" for n in range(4)]
    assert result.context.data == {"last": 3}, "changes are committed in call order too"


def test_without_parallel_tools_one_runs_after_the_other(hold_anyway: Hold) -> None:
    """ "(concurrently when `parallel_tools`)": and else one by one, each seeing what the one before changed."""
    events: list[str] = []

    @tool
    def work(n: int, ctx: ToolContext) -> str:
        """Work."""
        events.append(f"start {n}")
        time.sleep(0.002)
        seen = ctx.data.get("n")
        ctx.update(n=n)
        events.append(f"end {n}")
        return f"saw {seen}"

    model = ScriptedModel([[call("work", n=n) for n in range(3)], "done"])
    runner = Runner.with_agents(Agent("A", model=model, tools=[work]), config=RunConfig(parallel_tools=False))

    result = hold_anyway(runner, "go")

    assert events == ["start 0", "end 0", "start 1", "end 1", "start 2", "end 2"]
    assert texts(result.messages) == ["saw None", "saw 0", "saw 1"]


# -- requires ----------------------------------------------------------------------------------------------------------


@tool(sets="verified")
def verify() -> str:
    """Verify."""
    time.sleep(0.01)
    return "verified"


@tool(requires="verified")
def refund(ctx: ToolContext) -> str:
    """Refund."""
    return f"refunded, {sorted(ctx.facts)}"


def test_a_call_with_requires_waits_for_the_calls_before_it(hold_anyway: Hold) -> None:
    """ "a call with `requires` waits for the calls before it in the reply, and its guard is evaluated then"."""
    model = ScriptedModel([[call("verify"), call("refund")], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[verify, refund])), "go")

    assert texts(result.messages) == ["verified", "refunded, ['verified']"]
    assert result.context.facts == {"verified"}


def test_the_others_start_at_once(hold_anyway: Hold) -> None:
    """ "the others start at once": also those behind the one that waits."""
    behind = threading.Event()

    @tool(sets="verified")
    def slow_verify() -> str:
        """Verify."""
        assert behind.wait(WATCHDOG), "the call behind the waiting one did not start"
        return "verified"

    @tool
    def other() -> str:
        """Something else."""
        behind.set()
        return "other"

    model = ScriptedModel([[call("slow_verify"), call("refund"), call("other")], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[slow_verify, refund, other])), "go")

    assert texts(result.messages) == ["verified", "refunded, ['verified']", "other"]


def test_unmet_requires_is_answered_and_not_run(hold_anyway: Hold) -> None:
    """ "Unmet: answered as an error naming the missing fact, not run": also when the fact comes later in the reply."""
    executed: list[str] = []

    @tool(requires=["verified", "of age"])
    def guarded() -> str:
        """Guarded."""
        executed.append("guarded")
        return "ran"

    model = ScriptedModel([[call("guarded"), call("verify")], "done"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[verify, guarded])), "go")

    refused, verified = texts(result.messages)
    assert refused.startswith("error:")
    assert "'verified'" in refused
    assert "'of age'" in refused
    assert verified == "verified"
    assert executed == []


def test_a_failed_tool_sets_no_fact(hold: Hold) -> None:
    """ "its guard is evaluated then": a call before that failed has set nothing."""

    @tool(sets="verified")
    def broken() -> str:
        """Fail."""
        raise RuntimeError("no")

    model = ScriptedModel([[call("broken"), call("refund")], "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[broken, refund])), "go")

    assert "'verified'" in texts(result.messages)[1]
    assert result.context.facts == frozenset()


# -- one handoff -------------------------------------------------------------------------------------------------------


def test_a_handoff_is_answered_and_the_target_takes_over(hold_anyway: Hold) -> None:
    """ "one handoff: answered with a tool message; the target becomes the agent; its own instructions, model, tools, output
    type, params and headers replace the former's **entirely**"."""
    first, second = ScriptedModel([handoff("Judge", reason="law")]), ScriptedModel(['{"guilty": true}'])
    triage = Agent(
        "Triage",
        instructions="TRIAGE PROMPT",
        model=first,
        tools=[greet],
        handoffs=["Judge", "Else"],
        temperature=0.9,
        params={"seed": 7},
        headers={"X-Triage": "1"},
    )
    judge = Agent(
        "Judge",
        instructions=lambda ctx: f"JUDGE PROMPT {ctx.agent}",
        model=second,
        tools=[verify],
        handoffs=["Triage"],
        output_type=Verdict,
        params={"top_p": 0.5},
        headers={"X-Judge": "1"},
    )

    result = hold_anyway(Runner.with_agents(triage, judge, Agent("Else")), "guilty?")

    assert result.output == Verdict(guilty=True)
    assert result.path == ("Triage", "Judge")
    assert result.context.agent == "Judge"
    assert [name for name, _ in answers(result.messages)] == ["handoff_to_judge"]
    before, after = first.requests[0], second.requests[0]
    assert system(before) == ["TRIAGE PROMPT"]
    assert offered(before) == {"greet", "handoff_to_judge", "handoff_to_else"}
    assert (dict(before.params), dict(before.headers), before.output) == ({"temperature": 0.9, "seed": 7}, {"X-Triage": "1"}, None)
    assert after.agent == "Judge"
    assert system(after) == ["JUDGE PROMPT Judge"]
    assert offered(after) == {"verify", "handoff_to_triage"}
    assert (dict(after.params), dict(after.headers)) == ({"top_p": 0.5}, {"X-Judge": "1"})
    assert after.output is not None
    assert "TRIAGE PROMPT" not in repr([m.to_openai() for m in after.messages])


def test_nothing_of_the_former_is_left_when_the_target_has_nothing(hold: Hold) -> None:
    """ "replace the former's **entirely**": no instructions, output type, params or headers is replaced by none."""
    model = ScriptedModel([handoff("Plain"), "plain text, no JSON"])
    rich = Agent("Rich", instructions="RICH", model=model, output_type=Verdict, handoffs=["Plain"], params={"seed": 1}, headers={"X": "1"})

    result = hold(Runner.with_agents(rich, Agent("Plain", model=model)), "hi")

    after = model.requests[1]
    assert result.output == "plain text, no JSON"
    assert system(after) == []
    assert (dict(after.params), dict(after.headers), after.output) == ({}, {}, None)


def test_a_target_without_tools_is_offered_none() -> None:
    """ "its own ... tools ... replace the former's **entirely**": an agent that has none is offered none, but the
    placeholder that Anthropic asks for where the history holds calls (rule T3 of what providers accept)."""
    model = ScriptedModel([handoff("Plain"), "done"])

    AgentRunner.with_agents(Agent("Rich", model=model, tools=[greet], handoffs=["Plain"]), Agent("Plain", model=model)).run("hi")

    assert offered(model.requests[1]) == {"no_tool"}


def test_a_handoff_back_and_forth_keeps_each_agents_own(hold: Hold) -> None:
    """ "replace the former's entirely": there, back, and there again."""
    model = ScriptedModel([handoff("B"), handoff("A"), handoff("B"), "done"])
    a = Agent("A", instructions="I am A", model=model, handoffs=["B"], params={"a": 1})
    b = Agent("B", instructions="I am B", model=model, handoffs=["A"], params={"b": 1})

    result = hold(Runner.with_agents(a, b), "hi")

    assert result.path == ("A", "B", "A", "B")
    assert [system(r) for r in model.requests] == [["I am A"], ["I am B"], ["I am A"], ["I am B"]]
    assert [dict(r.params) for r in model.requests] == [{"a": 1}, {"b": 1}, {"a": 1}, {"b": 1}]


# -- tools and handoffs mixed ------------------------------------------------------------------------------------------


def test_the_first_handoff_wins_and_what_follows_is_not_executed(hold_anyway: Hold) -> None:
    """ "calls take effect in call order up to and including the **first** handoff; everything after it is answered
    "not executed: the conversation was handed off" "."""
    executed: list[str] = []
    first, second, third = recording(executed, "first", "second", "third")
    model = ScriptedModel([[call("first"), handoff("B"), call("second"), handoff("C"), call("third")], "B speaks"])
    a = Agent("A", model=model, tools=[first, second, third], handoffs=["B", "C"])

    result = hold_anyway(Runner.with_agents(a, Agent("B", model=model), Agent("C", model=model)), "go")

    assert executed == ["first"]
    assert result.path == ("A", "B")
    assert result.output == "B speaks"
    found = answers(result.messages)
    assert [name for name, _ in found] == ["first", "handoff_to_b", "second", "handoff_to_c", "third"]
    assert found[0][1] == "first done"
    assert not found[1][1].startswith(("error", "not executed"))
    assert all(text.startswith("not executed: the conversation was handed off") for _, text in found[2:])
    assert answers(model.requests[1].messages[0:]) == found, "and this is what B reads"


def test_nothing_behind_a_handoff_starts_early(hold_anyway: Hold) -> None:
    """ "calls take effect in call order up to ... the first handoff": not even while a slow call before it is running."""
    executed: list[str] = []
    (after,) = recording(executed, "after")

    @tool
    def slow() -> str:
        """Be slow."""
        time.sleep(0.03)
        executed.append("slow")
        return "slow done"

    model = ScriptedModel([[call("slow"), handoff("B"), call("after")], "B speaks"])

    result = hold_anyway(Runner.with_agents(Agent("A", model=model, tools=[slow, after], handoffs=["B"]), Agent("B", model=model)), "go")

    assert executed == ["slow"]
    assert texts(result.messages)[0] == "slow done"


def test_a_handoff_may_need_the_fact_that_a_call_before_it_sets(hold: Hold) -> None:
    """ "calls take effect in call order": the handoff's guard sees what came before it, and data changes reach the target."""
    model = ScriptedModel([[call("verify"), handoff("B")], "B speaks"])
    a = Agent("A", model=model, tools=[verify], handoffs=[Handoff("B", requires="verified")])

    result = hold(Runner.with_agents(a, Agent("B", model=model)), "go")

    assert result.path == ("A", "B")


# -- a handoff that cannot be ------------------------------------------------------------------------------------------


class Ticket(BaseModel):
    number: int


REFUSED: dict[str, tuple[Handoff, ToolCall, str]] = {
    "when is false": (Handoff("B", when=lambda _: False), handoff("B"), "refused"),
    "fact is missing": (Handoff("B", requires="verified"), handoff("B"), "'verified'"),
    "payload is missing": (Handoff("B", payload=Ticket), handoff("B"), "number"),
    "payload is wrong": (Handoff("B", payload=Ticket), handoff("B", number="many"), "number"),
    "payload has no JSON": (Handoff("B", payload=Ticket), ToolCall("x", "handoff_to_b", '{"number": '), "JSON"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_a_refused_handoff_is_answered_and_the_agent_stays(hold: Hold, case: str) -> None:
    """ "a handoff whose guard refuses, or whose payload is invalid: answered as an error the model can read; the agent keeps
    the conversation": and the calls behind it run."""
    edge, asked, reason = REFUSED[case]
    executed: list[str] = []
    model = ScriptedModel([[asked, call("after")], "A speaks"])
    a = Agent("A", instructions="I am A", model=model, tools=recording(executed, "after"), handoffs=[edge])

    result = hold(Runner.with_agents(a, Agent("B", model=model)), "go")

    refused, after = texts(result.messages)
    assert refused.startswith("error:")
    assert reason in refused
    assert after == "after done"
    assert (result.output, result.path, result.context.agent) == ("A speaks", ("A",), "A")
    assert system(model.requests[1]) == ["I am A"]


def test_after_a_refused_handoff_another_one_in_the_reply_counts(hold: Hold) -> None:
    """ "up to and including the first handoff": one that is refused is not it."""
    model = ScriptedModel([[handoff("B"), handoff("C")], "C speaks"])
    a = Agent("A", model=model, handoffs=[Handoff("B", when=lambda _: False), "C"])

    result = hold(Runner.with_agents(a, Agent("B"), Agent("C", model=model)), "go")

    assert result.path == ("A", "C")
    refused, done = texts(result.messages)
    assert refused.startswith("error:")
    assert not done.startswith("error:")


def test_a_payload_reaches_the_target(hold: Hold) -> None:
    """ "whose payload is invalid": and a valid one is what the target receives, converted."""
    model = ScriptedModel([handoff("B", number=17.0), "B speaks"])
    a = Agent("A", model=model, handoffs=[Handoff("B", payload=Ticket)])
    seen: list[Any] = []

    def instructions(ctx: Context) -> str:
        seen.append(ctx.payload)
        return "I am B"

    result = hold(Runner.with_agents(a, Agent("B", instructions=instructions, model=model)), "go")

    assert repr(result.context.payload) == "{'number': 17}"
    assert seen == [{"number": 17}]
    assert "17" in texts(model.requests[1].messages)[0]


# -- calls that lead nowhere -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nonsense", "verify", "handoff_to_c", ""])
def test_an_unknown_tool_is_answered_with_what_is_available(hold_anyway: Hold, name: str) -> None:
    """ "an unknown tool, or a tool of another agent: answered as an error that names what is available"."""
    model = ScriptedModel([[ToolCall("1", name), call("greet", name="Ada")], "done"])
    a = Agent("A", model=model, tools=[greet], handoffs=["B"])

    result = hold_anyway(Runner.with_agents(a, Agent("B", tools=[verify], handoffs=["C"]), Agent("C")), "go")

    unknown, known = texts(result.messages)
    assert unknown.startswith("error:")
    assert "greet" in unknown
    assert "handoff_to_b" in unknown
    assert known == "hello Ada"
    assert result.output == "done"
    assert result.context.facts == frozenset()


def test_handlers_are_called_for_an_unknown_tool(hold: Hold) -> None:
    """ "an unknown tool ...: handlers are called as for any failed tool"."""
    seen: list[tuple[str, str, ToolOutput]] = []

    def handler(who: str) -> Any:
        def handle(value: int, output: ToolOutput) -> tuple[int, Decision]:
            seen.append((who, output.name, output))
            return value + 1, Forward()

        return handle

    model = ScriptedModel([call("nonsense", x=1), "done"])
    agent = Agent("A", model=model, tools=[greet], on_tool_output=(int, handler("agent")))

    hold(Runner.with_agents(agent), "go", config=RunConfig().with_run_context(int, handler("run")))

    assert [(who, name) for who, name, _ in seen] == [("run", "nonsense"), ("agent", "nonsense")]
    output = seen[0][2]
    assert (output.value, output.arguments, output.agent) == (None, {"x": 1}, "A")
    assert output.error is not None
    assert "nonsense" in output.error


BAD_ARGUMENTS: dict[str, tuple[ToolCall, str]] = {
    "cut": (ToolCall("1", "count", '{"n": 1'), "JSON"),
    "empty text": (ToolCall("1", "count", ""), "JSON"),
    "a list": (ToolCall("1", "count", "[1]"), "JSON object"),
    "null": (ToolCall("1", "count", "null"), "JSON object"),
    "NaN": (ToolCall("1", "count", '{"n": NaN}'), "NaN"),
    "deep": (ToolCall("1", "count", '{"n": ' + "[" * 100_000), "JSON object"),
    "wrong type": (ToolCall("1", "count", '{"n": "many"}'), "n:"),
    "missing": (ToolCall("1", "count", "{}"), "n:"),
    "extra": (ToolCall("1", "count", '{"n": 1, "ctx": 2}'), "ctx"),
}


@pytest.mark.parametrize("case", list(BAD_ARGUMENTS))
def test_bad_arguments_are_answered_and_the_tool_is_not_run(hold: Hold, case: str) -> None:
    """ "malformed JSON arguments, arguments that fail validation: answered with the validation errors; the tool is not run"."""
    asked, reason = BAD_ARGUMENTS[case]
    executed: list[int] = []

    @tool
    def count(n: int, ctx: ToolContext) -> int:
        """Count."""
        executed.append(n)
        return n

    model = ScriptedModel([[asked, call("count", n=2)], "done"])

    result = hold(Runner.with_agents(Agent("A", model=model, tools=[count])), "go")

    wrong, right = texts(result.messages)
    assert wrong.startswith("error:")
    assert reason in wrong
    assert right == "2"
    assert executed == [2]
    assert result.output == "done"


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_ids_are_made_unique_before_they_enter_the_history(hold_anyway: Hold) -> None:
    """ "the same call id twice, an empty id: normalised to unique ids before they enter the history"."""

    def same(n: str) -> ToolCall:
        return ToolCall("same", "greet", {"name": n})

    model = ScriptedModel(
        [
            [same("a"), same("b"), call("greet", name="c"), call("greet", name="d")],
            [same("e"), ToolCall("call_1", "greet", {"name": "f"}), call("greet", name="g")],
            "done",
        ]
    )
    runner = Runner.with_agents(Agent("A", model=model, tools=[greet]))

    result = hold_anyway(runner, "go")

    assert texts(result.messages) == [f"hello {n}" for n in "abcdefg"]
    assert texts(model.requests[2].messages[0:]) == [f"hello {n}" for n in "abcdefg"]


def test_ids_are_unique_across_runs(hold: Hold) -> None:
    """ "unique ids": in the whole conversation, also after it was stored."""
    model = ScriptedModel([ToolCall("same", "greet", {"name": "a"}), "one", ToolCall("same", "greet", {"name": "b"}), "two"])
    runner = Runner.with_agents(Agent("A", model=model, tools=[greet]))

    first = hold(runner, "go")
    second = hold(runner, "again", context=Context.from_json(first.context.to_json()))

    assert texts(second.messages) == ["hello a", "hello b"]


# -- the law below the table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", range(1, 14))
def test_no_dangling_call_wherever_a_run_is_left(stop: int) -> None:
    """ "**Every tool call in the history is answered exactly once, or is pending in the snapshot.** No provider ever sees a
    dangling call, whatever failed, was cancelled, or was killed"."""

    @tool
    def broken() -> str:
        """Fail."""
        raise RuntimeError("no")

    def script() -> list[Any]:
        return [[call("greet", name="a"), call("broken"), call("nonsense")], [call("greet", name="b"), handoff("B"), call("broken")], "end"]

    model = ScriptedModel(script())
    graph = AgentGraph("g").add_agent(Agent("A", model=model, tools=[greet, broken], handoffs=["B"])).add_agent(Agent("B", model=model))
    stream = AgentRunner(graph).stream("go")
    for _ in range(stop):
        next(stream)
    context = stream.context
    stream.close()

    asked = [c.id for m in context.messages for c in m.tool_calls]
    answered = [str(m.tool_call_id) for m in context.messages if m.role == "tool"]
    assert sorted(asked) == sorted([*answered, *(c.id for c in context.pending)])
    again = ScriptedModel(["continued"])
    stored = Context.from_json(context.to_json())
    result = AgentRunner(graph).run("and now?", context=stored, config=RunConfig(model=again))
    assert result.output == "continued"
    answers(again.requests[0].messages)
    answers(result.messages)
    assert result.messages[: len(context.messages)] == tuple(context.messages), "a later history begins with the earlier one"


def test_no_dangling_call_after_a_cancelled_run() -> None:
    """ "whatever ... was cancelled": an asyncio task that is cancelled while a tool runs."""
    begun, greeted = threading.Event(), threading.Event()

    @tool
    async def forever() -> str:
        """Never return."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    model = ScriptedModel([[call("greet", name="a"), call("forever")], "continued"])
    runner = Runner.with_agents(Agent("A", model=model, tools=[greet, forever]))
    stream = runner.astream("go")

    async def cancelled() -> None:
        async def watch() -> None:
            async with stream:
                async for seen in stream:
                    if isinstance(seen, ToolCompleted):
                        greeted.set()

        task = asyncio.create_task(watch())
        for what in (begun, greeted):
            assert await asyncio.to_thread(what.wait, WATCHDOG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    result = runner.run("and now?", context=stream.context)

    assert result.output == "continued"
    assert said(result.messages) == ["go", "and now?", "continued"]
    assert texts(result.messages)[0] == "hello a"
