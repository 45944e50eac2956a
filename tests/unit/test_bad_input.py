"""What is given wrongly: one line that names what was given, what was possible, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import networkx as nx
import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGraphError,
    AgentGroup,
    AgentRunner,
    Context,
    ContextError,
    DefinitionError,
    Handoff,
    Message,
    ModelError,
    ModelRequest,
    Reply,
    RunConfig,
    Runner,
    ScriptedModel,
    Tool,
    ToolCall,
    ToolContext,
    Usage,
    call,
    handoff,
    tool,
)
from agentgraph.engine import ToolReturned
from agentgraph.models import LiteLLMModel


@tool
def look(key: str) -> str:
    """Look."""
    return key


def plain(key: str) -> str:
    return key


class Lines:
    """Its repr has two lines, as many have."""

    def __repr__(self) -> str:
        return "Lines(\n  1,\n)"


class Case(NamedTuple):
    """What is done, the error it gives, and words that its message holds."""

    make: Callable[[], Any]
    error: type[AgentGraphError]
    words: tuple[str, ...]


def graph(*agents: Agent) -> AgentGraph:
    return AgentGraph.of(*agents, name="desk")


def runner(*replies: Any) -> AgentRunner:
    return AgentRunner(Agent("A", model=ScriptedModel(list(replies))))


def wrong(value: Any) -> Any:
    """A value that the type checker would not let through."""
    return value


def no_annotation(x) -> str:  # type: ignore[no-untyped-def]
    return str(x)


def many(*args: str) -> str:
    return str(args)


def unreadable(x: Lines) -> str:
    return str(x)


def unknown_name(x: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    return str(x)


def bad_stored(**fields: Any) -> str:
    return json.dumps({"agentgraph_context": 1, **fields})


D, C = DefinitionError, ContextError

CASES: dict[str, Case] = {
    # -- graphs
    "unknown target": Case(
        lambda: graph(Agent("A", handoffs=wrong(["Biling"])), Agent("Billing")).compile(), D, ("'A'", "'Biling'", "'Billing'", "add")
    ),
    "unknown source": Case(lambda: graph(Agent("A")).add_handoff("Q", "A").compile(), D, ("'Q'", "'A'")),
    "two unknown targets": Case(lambda: graph(Agent("A", handoffs=wrong(["X", "Y"]))).compile(), D, ("'X'", "'Y'")),
    "duplicate agent": Case(lambda: graph(Agent("A"), Agent("A", instructions="other")), D, ("'A'", "already", "rename")),
    "same agent twice": Case(lambda: graph(Agent("A")).add_agent(Agent("A")), D, ("'A'", "already")),
    "two of one name by reference": Case(lambda: graph(Agent("A", handoffs=wrong([Agent("B", "x")])), Agent("B", "y")), D, ("'B'",)),
    "agent and group of one name": Case(lambda: graph(Agent("G")).add_agent(AgentGroup("G", root=Agent("R"))).compile(), D, ("'G'",)),
    "no agents": Case(lambda: AgentGraph("desk").compile(), D, ("'desk'", "no agents", "add")),
    "no agents for a runner": Case(Runner.with_agents, D, ("no agents", "add")),
    "entry that is not there": Case(lambda: setattr(graph(Agent("A")), "entry", "Nope"), D, ("'Nope'", "'A'")),
    "entry of a wrong type": Case(lambda: setattr(graph(Agent("A")), "entry", 5), D, ("5",)),
    "a number as an agent": Case(lambda: graph(Agent("A")).add_agent(wrong(5)), D, ("'desk'", "5", "Agent")),
    "a number as a source": Case(lambda: graph(Agent("A")).add_handoff(wrong(5), "A"), D, ("5",)),
    "a number as a target": Case(lambda: graph(Agent("A")).add_handoff("A", wrong(5)), D, ("5", "name")),
    "a tool as a target": Case(lambda: graph(Agent("A", handoffs=wrong([look]))).compile(), D, ("look",)),
    "a blank graph name": Case(lambda: AgentGraph("  "), D, ("'  '", "name")),
    "an undirected graph": Case(lambda: AgentGraph.from_digraph(wrong(nx.Graph())), D, ("Graph", "DiGraph")),
    "a number as a runner's graph": Case(lambda: AgentRunner(wrong(5)), D, ("5", "AgentGraph")),
    "an agent in two groups": Case(
        lambda: AgentGraph("g").add_agent(AgentGroup("G", root=Agent("A"))).add_agent(AgentGroup("H", root=Agent("A"))),
        D,
        ("'A'", "'G'", "'H'"),
    ),
    # -- groups
    "empty group": Case(lambda: AgentGroup("G", root=wrong(None)), D, ("'G'", "None", "root=")),
    "empty group, built": Case(lambda: AgentGroup.builder("G").build(), D, ("'G'", "root")),
    "blank group": Case(lambda: AgentGroup(" ", root=Agent("A")), D, ("' '", "name")),
    "member of a wrong type": Case(lambda: AgentGroup("G", root=Agent("A"), members=wrong([5])), D, ("'G'", "5", "agents")),
    "members of a wrong type": Case(lambda: AgentGroup("G", root=Agent("A"), members=wrong(5)), D, ("'G'", "5")),
    "two members of one name": Case(lambda: AgentGroup("G", root=Agent("A"), members=(Agent("A", "x"),)), D, ("'G'", "'A'", "rename")),
    "group handoff of a wrong shape": Case(
        lambda: AgentGroup("G", root=Agent("A"), handoffs=wrong([5])), D, ("'G'", "5", "(source, target)")
    ),
    # -- agents
    "agent without a name": Case(lambda: Agent(""), D, ("''", "name")),
    "agent with a blank name": Case(lambda: Agent(" \n\t"), D, (repr(" \n\t"), "name")),
    "agent called None": Case(lambda: Agent(wrong(None)), D, ("None", "name")),
    "agent called 5": Case(lambda: Agent(wrong(5)), D, ("5", "name")),
    "tools as a number": Case(lambda: Agent("A", tools=wrong(5)), D, ("'A'", "5", "list")),
    "tools as text": Case(lambda: Agent("A", tools=wrong("look")), D, ("'A'", "'look'", "list")),
    "tools as one tool": Case(lambda: Agent("A", tools=wrong(look)), D, ("'A'", "look", "list")),
    "a number as a tool": Case(lambda: Agent("A", tools=wrong([5])), D, ("'A'", "5", "@tool")),
    "an agent as a tool": Case(lambda: Agent("A", tools=wrong([Agent("B")])), D, ("'A'", "'B'", "as_tool")),
    "a lambda as a tool": Case(lambda: Agent("A", tools=wrong([lambda: 1])), D, ("<lambda>",)),
    "handoffs as text": Case(lambda: Agent("A", handoffs=wrong("Billing")), D, ("'A'", "'Billing'", "list")),
    "a number as a handoff": Case(lambda: Agent("A", handoffs=wrong([5])), D, ("5", "name")),
    "a blank handoff": Case(lambda: Agent("A", handoffs=wrong([" "])), D, ("' '", "name")),
    "model as a number": Case(lambda: Agent("A", model=wrong(5)), D, ("'A'", "5", "reply(request)")),
    "params as a list": Case(lambda: Agent("A", params=wrong([("seed", 1)])), D, ("'A'", "params", "list")),
    "params that are no JSON": Case(lambda: Agent("A", params={"a": {"b": {1}}}), D, ("'A'", "params.a.b", "set")),
    "headers as text": Case(lambda: Agent("A", headers=wrong("X-A: 1")), D, ("'A'", "headers", "str")),
    "instructions as a number": Case(lambda: Agent("A", instructions=wrong(5)), D, ("'A'", "5", "text")),
    "output type without JSON": Case(lambda: Agent("A", output_type=Lines), D, ("'A'", "output_type", "Lines", "pydantic")),
    "output type that is no schema": Case(lambda: Agent("A", output_type={"type": "alien"}), D, ("'A'", "output_type", "alien")),
    "handler that is no pair": Case(lambda: Agent("A", on_tool_output=wrong(print)), D, ("'A'", "(factory, handler)")),
    "as a tool without turns": Case(lambda: Agent("A").as_tool(max_turns=0), D, ("'A'", "0", "1 or more")),
    "as a tool of a bad name": Case(lambda: Agent("A").as_tool(name="ask me"), D, ("'A'", "'ask me'", "'ask_me'")),
    # -- handoffs
    "handoff to None": Case(lambda: Handoff(wrong(None)), D, ("None", "name")),
    "handoff with a bad tool name": Case(lambda: Handoff("B", tool_name="go to B"), D, ("'B'", "'go to B'", "'go_to_B'")),
    "handoff whose when is text": Case(lambda: Handoff("B", when=wrong("verified")), D, ("'B'", "when", "'verified'", "function")),
    "handoff that needs a blank fact": Case(lambda: Handoff("B", requires=wrong([" "])), D, ("'B'", "' '", "fact")),
    "handoff with a payload of no JSON": Case(lambda: Handoff("B", payload=Lines), D, ("'B'", "payload", "Lines")),
    "options for a whole handoff": Case(lambda: graph(Agent("A")).add_handoff("A", Handoff("A"), description="x"), D, ("'A'",)),
    # -- tools
    "tool without annotations": Case(lambda: tool(no_annotation), D, ("'no_annotation'", "'x'", "x: str")),
    "tool with *args": Case(lambda: tool(many), D, ("'many'", "*args", "name: type")),
    "tool with an annotation of no JSON": Case(lambda: tool(unreadable), D, ("'unreadable'", "str, int")),
    "tool with an unknown annotation": Case(lambda: tool(unknown_name), D, ("'unknown_name'", "Nowhere", "import")),
    "tool name with blanks": Case(lambda: tool(name="look it up")(plain), D, ("'look it up'", "no provider", "'look_it_up'")),
    "tool name in another script": Case(lambda: tool(name="客服")(plain), D, ("'客服'", "no provider")),
    "tool name that is long": Case(lambda: tool(name="x" * 200)(plain), D, ("x" * 200, "no provider", "64")),
    "tool name that is empty": Case(lambda: tool(name="")(plain), D, ("''", "no provider")),
    "tool name that is a number": Case(lambda: Tool(name=wrong(5)), D, ("5", "no provider")),
    "tool of a tool": Case(lambda: tool(wrong(look)), D, ("'look'", "replace")),
    "tool of a number": Case(lambda: tool(wrong(5)), D, ("5", "function")),
    "timeout of zero": Case(lambda: tool(timeout=0)(plain), D, ("'plain'", "timeout=0", "above 0")),
    "timeout as text": Case(lambda: tool(timeout=wrong("5"))(plain), D, ("'plain'", "timeout='5'")),
    "retries below zero": Case(lambda: tool(retries=-1)(plain), D, ("'plain'", "retries=-1", "0 or more")),
    "retries as text": Case(lambda: tool(retries=wrong("2"))(plain), D, ("'plain'", "retries='2'")),
    "sets a number": Case(lambda: tool(sets=wrong(5))(plain), D, ("'plain'", "sets", "5")),
    "requires a blank": Case(lambda: tool(requires=" ")(plain), D, ("'plain'", "requires", "' '")),
    "parameters that are no schema": Case(lambda: tool(parameters={"type": 5})(plain), D, ("'plain'", "5")),
    "no code": Case(lambda: Tool(name="drawn")(), D, ("'drawn'", "no code")),
    # -- runs
    "max_turns of zero": Case(lambda: RunConfig(max_turns=0), D, ("max_turns=0", "at least 1")),
    "max_turns as text": Case(lambda: RunConfig(max_turns=wrong("3")), D, ("max_turns='3'", "whole number")),
    "max_turns as a flag": Case(lambda: RunConfig(max_turns=True), D, ("max_turns=True",)),
    "tool_concurrency of zero": Case(lambda: RunConfig(tool_concurrency=0), D, ("tool_concurrency=0", "at least 1")),
    "tool_output_limit of zero": Case(lambda: RunConfig(tool_output_limit=0), D, ("tool_output_limit=0",)),
    "run model as a number": Case(lambda: RunConfig(model=wrong(5)), D, ("model=5", "reply(request)")),
    "run params as a number": Case(lambda: RunConfig(params=wrong(5)), D, ("params", "dict")),
    "run params that are no JSON": Case(lambda: RunConfig(params={"a": [{"b": object()}]}), D, ("params.a[0].b", "object")),
    "run handler that is no function": Case(lambda: RunConfig().with_run_context(int, wrong(5)), D, ("handler", "5", "function")),
    "a dict as a context": Case(lambda: runner("x").run("hi", context=wrong({"agent": "A"})), D, ("{'agent': 'A'}", "Context")),
    "a dict as a config": Case(lambda: runner("x").run("hi", config=wrong({"max_turns": 3})), D, ("{'max_turns': 3}", "RunConfig")),
    "an option no handoff has": Case(
        lambda: AgentGraph("g").add_handoff("A", "B", descripton="x"), D, ("'descripton'", "description", "requires")
    ),
    "an async guard": Case(lambda: Handoff("B", when=wrong(_later)), D, ("'B'", "when", "_later", "plain")),
    "an async approver": Case(lambda: RunConfig(approve=wrong(_later)), D, ("approve", "_later", "plain")),
    "an async handler": Case(lambda: Agent("A", on_tool_output=(int, wrong(_later))), D, ("'A'", "handler", "_later", "plain")),
    "a payload that is no object": Case(lambda: Handoff("B", payload=int), D, ("'B'", "int", "fields")),
    "retries of an agent": Case(lambda: Agent("A").as_tool().replace(retries=2), D, ("'a'", "retries")),
    "a number as a callback": Case(lambda: runner("x").on_run_start(wrong(5)), D, ("RunStarted", "5", "function")),
    "an async callback": Case(lambda: runner("x").on_run_complete(_later), D, ("RunCompleted", "_later", "plain function")),
    "a script that is text": Case(lambda: ScriptedModel("hello"), D, ("'hello'", "list")),
    "a litellm model without a name": Case(lambda: LiteLLMModel(" "), D, ("' '", "openai/gpt-5-mini")),
    # -- contexts
    "data that is no JSON": Case(lambda: Context(data={"a": {"b": [0, object()]}}), C, ("data.a.b[1]", "object", "str")),
    "data with a tuple": Case(lambda: Context(data={"a": {"b": (1, 2)}}), C, ("data.a.b", "tuple", "list")),
    "data with a number as key": Case(lambda: Context(data={"a": {1: 2}}), C, ("data.a", "1", "int", "strings")),
    "data with infinity": Case(lambda: Context(data={"a": [float("inf")]}), C, ("data.a[0]", "inf")),
    "data nested for ever": Case(lambda: Context(data=_nested(10_000)), C, ("nested", "deep")),
    "data that is a list": Case(lambda: Context(data=wrong([1])), C, ("data", "list", "dict")),
    "changed data that is no JSON": Case(lambda: Context().with_data(a={"b": {1}}), C, ("data.a.b", "set")),
    "messages of a wrong type": Case(lambda: Context(messages=wrong([5])), C, ("messages", "int", "Message")),
    "messages as text": Case(lambda: Context(messages=wrong("hello")), C, ("messages", "str")),
    "messages as a number": Case(lambda: Context(messages=wrong(5)), C, ("messages", "int")),
    "facts as a number": Case(lambda: Context(facts=wrong(5)), C, ("facts", "5")),
    "a field that is not there": Case(lambda: Context().replace(mood="good"), C, ("mood", "data")),
    "an unknown role": Case(lambda: Message(wrong("bot"), "hi"), C, ("'bot'", "assistant")),
    "content of a wrong type": Case(lambda: Message("user", wrong(5)), C, ("content", "int", "text")),
    "a foreign message without a role": Case(lambda: Context(messages=[{"content": "hi"}]), C, ("None", "user")),
    "a foreign call of a wrong shape": Case(lambda: Message.from_openai({"role": "assistant", "tool_calls": [5]}), C, ("5", "function")),
    "arguments of a wrong type": Case(lambda: ToolCall("1", "look", wrong(5)), C, ("'look'", "int", "dict")),
    "truncated JSON": Case(lambda: Context.from_json(Context(data={"a": 1}).to_json()[:-3]), C, ("truncated", "characters")),
    "no JSON": Case(lambda: Context.from_json(b"\x80\x04"), C, ("not a stored context",)),
    "JSON of something else": Case(lambda: Context.from_json("[]"), C, ("agentgraph_context",)),
    "None as JSON": Case(lambda: Context.from_json(wrong(None)), C, ("None",)),
    "an unknown version": Case(lambda: Context.from_json(json.dumps({"agentgraph_context": 99})), C, ("99", "2", "upgrade")),
    "an unknown field": Case(lambda: Context.from_json(bad_stored(mood=1)), C, ("mood",)),
    "a stored field of a wrong type": Case(lambda: Context.from_json(bad_stored(agent=5)), C, ("damaged", "agent")),
    "a stored agent that went away": Case(lambda: Context(agent="Gone").migrate(graph(Agent("A"))), C, ("'Gone'", "rename")),
    "a graph to move to that is none": Case(lambda: Context().migrate(wrong("desk.yaml")), C, ("desk.yaml", "AgentGraph")),
    # -- a repr of two lines
    "two lines as a tool": Case(lambda: Agent("A", tools=wrong([Lines()])), D, ("'A'", "Lines(")),
    "two lines as tools": Case(lambda: Agent("A", tools=wrong(Lines())), D, ("'A'", "Lines(")),
    "two lines as a model": Case(lambda: Agent("A", model=wrong(Lines())), D, ("'A'", "Lines(")),
    "two lines as instructions": Case(lambda: Agent("A", instructions=wrong(Lines())), D, ("'A'", "Lines(")),
    "two lines as a handoff": Case(lambda: Handoff(wrong(Lines())), D, ("Lines(",)),
    "two lines as a name": Case(lambda: Agent(wrong(Lines())), D, ("Lines(",)),
    "two lines as a root": Case(lambda: AgentGroup("G", root=wrong(Lines())), D, ("'G'", "Lines(")),
    "two lines as a limit": Case(lambda: RunConfig(max_turns=wrong(Lines())), D, ("max_turns", "Lines(")),
    "two lines as an agent": Case(lambda: graph(wrong(Lines())), D, ("Lines(",)),
    "two lines as a context": Case(lambda: runner("x").run("hi", context=wrong(Lines())), D, ("Lines(",)),
    "two lines as a tool's function": Case(lambda: tool(wrong(Lines())), D, ("Lines(",)),
}


async def _later(_: Any) -> None:
    """An async callback."""


def _nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"a": data}
    return data


@pytest.mark.parametrize("case", list(CASES))
def test_bad_input_is_one_line_that_helps(case: str) -> None:
    """What was given, what was possible, what to do; never a bare TypeError from somewhere inside."""
    make, error, words = CASES[case]

    with pytest.raises(AgentGraphError) as raised:
        make()

    message = str(raised.value)
    assert isinstance(raised.value, error)
    assert "\n" not in message
    assert len(message) < 1000
    for word in words:
        assert word in message


# -- in the result, not raised -----------------------------------------------------------------------------------------


def bad_model(answer: Any) -> Any:
    """A model of somebody's own that does not answer with a `Reply`."""

    class Homemade:
        def reply(self, request: ModelRequest) -> Any:
            return answer

    return Homemade()


RESULTS: dict[str, Case] = {
    "no model": Case(lambda: AgentRunner(Agent("A")).run("hi"), ModelError, ("'A'", "no model", "Agent(model=...)")),
    "a model that answers with text": Case(lambda: AgentRunner(Agent("A", model=bad_model("hi"))).run("hi"), ModelError, ("'hi'", "Reply")),
    "a model that answers with nothing": Case(
        lambda: AgentRunner(Agent("A", model=bad_model(None))).run("hi"), ModelError, ("None", "Reply")
    ),
    "a script that is used up": Case(lambda: runner().run("hi"), ModelError, ("'A'", "0 replies", "add a reply")),
    "a script with a wrong reply": Case(lambda: runner(5).run("hi"), ModelError, ("5", "Reply")),
    "instructions that raise": Case(
        lambda: AgentRunner(Agent("A", instructions=lambda ctx: ctx.data["name"], model=ScriptedModel(["x"]))).run("hi"),
        ModelError,
        ("'A'", "instructions", "KeyError", "name"),
    ),
    "instructions that give no text": Case(
        lambda: AgentRunner(Agent("A", instructions=wrong(lambda _: None), model=ScriptedModel(["x"]))).run("hi"),
        ModelError,
        ("'A'", "instructions", "None"),
    ),
    "a blank litellm model": Case(lambda: AgentRunner(Agent("A", model=" ")).run("hi"), ModelError, ("' '", "openai/gpt-5-mini")),
    "a part that is no part": Case(lambda: runner("x").run(wrong([1])), AgentGraphError, ("the part 1", "'type': 'text'")),
    "a part of no type": Case(lambda: runner("x").run([{"text": "hi"}]), AgentGraphError, ("the part {'text': 'hi'}", "'type': 'text'")),
    "a part with no text": Case(lambda: runner("x").run([{"type": "text", "text": " "}]), AgentGraphError, ("that is not empty",)),
    "an empty message": Case(lambda: runner("x").run("  "), AgentGraphError, ("empty message",)),
    "a number as a message": Case(lambda: runner("x").run(wrong(5)), AgentGraphError, ("5", "text")),
    "nothing to take up": Case(lambda: runner("x").run(None), AgentGraphError, ("nothing is pending",)),
    "a context of another topology": Case(
        lambda: AgentRunner(Agent("Other", model=ScriptedModel(["x"]))).run("hi", context=runner("x").run("hi").context),
        ContextError,
        ("'A'", "another topology", "migrate"),
    ),
}


@pytest.mark.parametrize("case", list(RESULTS))
def test_bad_input_of_a_run_is_in_its_result(case: str) -> None:
    """Errors of a run are in the result, not raised; the context there can be kept."""
    make, error, words = RESULTS[case]

    result = make()

    assert isinstance(result.error, error)
    assert result.stop_reason == "error"
    assert "\n" not in str(result.error)
    for word in words:
        assert word in str(result.error)
    assert Context.from_json(result.context.to_json()) == result.context


def test_every_finding_is_listed_at_once() -> None:
    """One message, all that is wrong."""
    with pytest.raises(DefinitionError) as raised:
        graph(Agent("A", tools=(look, look), handoffs=wrong(["X", "Y"]))).compile()

    assert {f.code for f in raised.value.findings} == {"unknown-target", "name-collision"}
    assert len(raised.value.findings) == 3
    assert "\n" not in str(raised.value)


# -- what a model is told ----------------------------------------------------------------------------------------------


def test_a_when_that_raises_is_answered_and_the_run_goes_on() -> None:
    """A guard that fails permits nothing, and the model is told."""
    model = ScriptedModel([handoff("B"), "I stay"])
    a = Agent("A", model=model, handoffs=(Handoff("B", when=lambda ctx: ctx.data["vip"]),))

    result = AgentRunner.with_agents(a, Agent("B", model=model)).run("hi")

    assert (result.output, result.path) == ("I stay", ("A",))
    answer = result.messages[2].text
    assert answer.startswith("error:")
    assert "KeyError" in answer
    assert "vip" in answer


def test_data_that_is_no_json_fails_the_tool_alone() -> None:
    """`ctx.update` refuses it with its path; the model is told, and nothing is changed."""

    @tool
    def change(ctx: ToolContext) -> str:
        """Change."""
        ctx.update(good=1)
        ctx.update(bad={"deep": [object()]})
        return "changed"

    result = AgentRunner(Agent("A", model=ScriptedModel([call("change"), "done"]), tools=(change,))).run("hi")

    assert result.output == "done"
    assert "data.bad.deep[0]" in result.messages[2].text
    assert result.context.data == {}


def test_an_output_that_is_no_json_still_reaches_the_model() -> None:
    """A tool may return anything: what JSON cannot hold is shown as text."""

    @tool
    def odd() -> Any:
        """Give something odd."""
        return {"set": {1}, "object": Lines()}

    result = AgentRunner(Agent("A", model=ScriptedModel([call("odd"), "done"]), tools=(odd,))).run("hi")

    shown = json.loads(result.messages[2].text)
    assert shown["set"] == [1]
    assert shown["object"].startswith("Lines(")
    assert Context.from_json(result.context.to_json()) == result.context


def test_infinity_in_an_output_spoils_nothing_beside_it() -> None:
    """One number that JSON cannot hold is shown as text; the rest stays JSON."""

    @tool
    def odd() -> Any:
        """Give infinity."""
        return {"inf": float("inf"), "name": "Ada"}

    result = AgentRunner(Agent("A", model=ScriptedModel([call("odd"), "done"]), tools=(odd,))).run("hi")

    shown = json.loads(result.messages[2].text)
    assert shown["name"] == "Ada"
    assert "inf" in str(shown["inf"]).lower()


def test_a_context_of_another_topology_names_the_missing_agent() -> None:
    """And keeps what there was."""
    context = runner("x").run("hi").context

    result = AgentRunner(Agent("Other", model=ScriptedModel(["x"]))).run("again", context=context)

    assert isinstance(result.error, ContextError)
    assert "'A'" in str(result.error)
    assert result.messages == context.messages


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_truncated_json_is_refused_and_kept(cut: int) -> None:
    """Wherever it was cut; the text is in the error."""
    text = runner("x").run("hi").context.to_json()[:-cut]

    with pytest.raises(ContextError) as raised:
        Context.from_json(text)

    assert raised.value.given == text
    assert "\n" not in str(raised.value)


# -- a very large output -----------------------------------------------------------------------------------------------

LARGE = "0123456789" * 1_000_000


@tool
def flood() -> str:
    """Ten megabytes."""
    return LARGE


@pytest.mark.parametrize("limit", [None, 1_000])
def test_a_large_output_is_whole_in_the_trace_and_cut_for_the_model(limit: int | None) -> None:
    """With a mark that says how much was cut; the limit can be configured."""
    model = ScriptedModel([call("flood"), "done"])
    config = RunConfig() if limit is None else RunConfig(tool_output_limit=limit)

    result = AgentRunner(Agent("A", model=model, tools=(flood,)), config).run("hi")

    shown = model.requests[1].messages[-1].text
    kept = limit or 100_000
    assert shown[:kept] == LARGE[:kept]
    assert len(shown) < kept + 100
    assert "cut" in shown[kept:]
    assert f"{len(LARGE):,}" in shown[kept:]
    (returned,) = (e for e in result.trace.events if isinstance(e, ToolReturned))
    assert returned.value == LARGE
    assert len(result.context.to_json()) < kept + 5_000
    assert result.output == "done"


# -- names that work ---------------------------------------------------------------------------------------------------

HARMLESS = [
    "end",
    "END",
    "start",
    "*",
    "=",
    "state",
    "initial",
    "__init__",
    "None",
    "客服",
    "agent",
    "agent x",
    "call",
    "model",
    "a.b",
    "a_b_c",
    "%s",
    "{x}",
    "\\",
    "'",
]


@pytest.mark.parametrize("name", HARMLESS)
def test_agents_may_be_called_anything(name: str) -> None:
    """Names are never used as ids: they run, hand over both ways, are stored and drawn from a DiGraph."""
    model = ScriptedModel([handoff(name), handoff("Other"), handoff(name), "here", "again"])
    made = AgentGraph("g").add_agent(Agent("Other", model=model)).add_agent(Agent(name, model=model))
    made.add_handoff("Other", name).add_handoff(name, "Other")

    result = AgentRunner(made).run("hi")
    again = AgentRunner(made.compile()).run("and?", context=Context.from_json(result.context.to_json()))

    assert result.path == ("Other", name, "Other", name)
    assert again.path == (name,)
    assert set(made.compile().transitions) >= {("Other", made.edges[0].tool, name)}
    assert AgentGraph.from_digraph(made.digraph).fingerprint == made.fingerprint


def test_all_of_them_in_one_graph() -> None:
    """And beside each other, each handing over to the next."""
    names = [name for name in HARMLESS if name not in ("END", "agent x", "a.b")]
    model = ScriptedModel([*(handoff(name) for name in names[1:]), "here"])
    made = AgentGraph("g")
    for name in names:
        made.add_agent(Agent(name, model=model))
    for one, other in pairwise(names):
        made.add_handoff(one, other)

    assert AgentRunner(made, RunConfig(max_turns=50)).run("hi").path == tuple(names)


def test_tools_may_be_called_what_machines_reserve() -> None:
    """ "state", "trigger", "model", "initial": names that state machine libraries graft onto objects."""
    names = ["state", "trigger", "model", "initial", "to_A", "is_A", "events", "__class__"]
    tools = tuple(look.replace(name=name) for name in names)
    model = ScriptedModel([[call(name, key=name) for name in names], Reply("done", (), Usage(1, 1, 1))])

    result = AgentRunner(Agent("A", model=model, tools=tools)).run("hi")

    assert [m.text for m in result.messages if m.role == "tool"] == names


def test_one_fact_given_as_text_is_one_fact() -> None:
    """Not its letters: facts are guards."""
    assert Context(facts="verified").facts == {"verified"}
