"""What an adversary or an accident hands in: it is refused with a reason, or carried through as it is."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys
import threading
from enum import StrEnum
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, TypedDict

import pytest

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Context,
    ContextError,
    DefinitionError,
    Handoff,
    Message,
    Reply,
    RunConfig,
    ScriptedModel,
    ToolCall,
    call,
    handoff,
    tool,
)
from tests.e2e.provider_rules import violations


@tool
async def leave() -> str:
    """Try to end the process from inside the background loop."""
    sys.exit(3)


@tool
async def harmless() -> str:
    """Do nothing."""
    return "ok"


class Odd(BaseException):
    """What no tool should raise."""

    def __str__(self) -> str:
        raise ValueError("and it cannot be shown")


@tool
def odd() -> str:
    """Raise what no tool should."""
    raise Odd


@tool
def endless() -> str:
    """Raise what a generator would swallow."""
    return next(iter(()))


@tool
def huge() -> int:
    """Give a number that JSON cannot read back."""
    return 10**5000


def texts(agent: Agent, *replies: Any) -> list[list[str]]:
    """The tool messages of the same run in a thread, in asyncio and streamed."""

    def runner() -> AgentRunner:
        return AgentRunner(agent, RunConfig(model=ScriptedModel(replies)))

    async def watched() -> Any:
        return [event async for event in runner().astream("go")][-1]

    results: list[Any] = [runner().run("go"), asyncio.run(runner().arun("go")), asyncio.run(watched()).result]
    return [[m.text for m in result.messages if m.role == "tool"] for result in results]


@pytest.mark.parametrize("name", ["leave", "odd", "endless", "huge"])
@pytest.mark.parametrize("beside", [[], [call("harmless")]], ids=["alone", "beside another"])
def test_whatever_a_tool_does_is_answered_alike(name: str, beside: list[ToolCall]) -> None:
    agent = Agent("A", tools=[leave, harmless, odd, endless, huge])

    answers = texts(agent, [call(name), *beside], [call("harmless")], "done")

    assert all(each == answers[0] for each in answers)
    assert answers[0][0].startswith("error: " if name != "huge" else "(a int")
    assert answers[0][-1] == "ok"


@pytest.mark.parametrize("name", ["multi_tool_use.parallel", "", "bad name! " * 20])
def test_a_made_up_tool_name_reaches_no_provider(name: str) -> None:
    model = ScriptedModel([ToolCall("c" * 500, name, {}), "ok"])
    AgentRunner(Agent("A", tools=[harmless], model=model)).run("go")

    messages = [m.to_openai() for m in model.requests[1].messages]

    assert violations({"messages": messages, "tools": model.requests[1].tools}) == []
    sent = messages[1]["tool_calls"][0]
    assert 0 < len(sent["function"]["name"]) <= 64
    assert len(sent["id"]) <= 64


@pytest.mark.parametrize("arguments", [{"a": 1}, None, "{", "[1]"])
def test_an_odd_imported_call_reaches_no_provider(arguments: Any) -> None:
    history: list[Any] = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "harmless", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ]
    model = ScriptedModel(["fine"])
    AgentRunner(Agent("A", tools=[harmless], model=model)).run("next", context=Context(messages=history))

    assert violations({"messages": [m.to_openai() for m in model.requests[0].messages], "tools": model.requests[0].tools}) == []
    assert [Message.from_openai(m).to_openai() for m in history] == history


@pytest.mark.parametrize("wrong", [{"agent": 5}, {"turn": "x"}, {"usage": 5}, {"facts": [5]}, {"messages": 5}, {"data": 5}])
def test_what_could_not_be_stored_is_no_context(wrong: dict[str, Any]) -> None:
    with pytest.raises(ContextError):
        Context(**wrong)


@pytest.mark.parametrize("name", [5, None])
def test_an_imported_name_that_is_no_text_survives(name: Any) -> None:
    given = {"role": "user", "content": "x", "name": name}
    context = Context(messages=[given])

    assert Context.from_json(context.to_json()).messages[0].to_openai() == given


def test_a_reply_that_is_none_is_the_models_mistake() -> None:
    class Wrong:
        instant = True

        def reply(self, request: Any) -> Reply:
            return Reply(5)  # type: ignore[arg-type]

    result = AgentRunner(Agent("A", model=Wrong())).run("go")

    assert "a reply has text=5" in str(result.error)
    assert result.context.messages[-1].text == "go"


def test_a_failed_result_can_be_copied_and_sent() -> None:
    result = AgentRunner(Agent("A", tools=[harmless]), RunConfig(model=ScriptedModel([call("harmless")]), max_turns=1)).run("go")

    for again in (copy.copy(result), pickle.loads(pickle.dumps(result))):
        assert str(again.error) == str(result.error)
        assert again.context == result.context


class Colour(StrEnum):
    RED = "red desk"


def test_an_enum_member_names_an_agent() -> None:
    result = AgentRunner(Agent(Colour.RED, model=ScriptedModel(["hi"]))).run("go")

    assert result.path == ("red desk",)
    assert Context.from_json(result.context.to_json()) == result.context


class Row(TypedDict, total=False):
    """A dictionary as `typing` writes it."""

    count: int


def test_a_typed_dict_of_typing_will_do() -> None:
    @tool
    def add(row: Row, rows: list[Row]) -> int:
        """Add."""
        return row.get("count", 0) + sum(r.get("count", 0) for r in rows)

    agent = Agent("A", tools=[add], output_type=Row)
    result = AgentRunner(agent, RunConfig(model=ScriptedModel([call("add", row={"count": 2}, rows=[{"count": 3}]), '{"count": 5}']))).run(
        "go"
    )

    assert result.messages[2].text == "5"
    assert result.output == {"count": 5}


def test_a_partial_function_keeps_its_name_and_words() -> None:
    def send(text: str, to: str) -> str:
        """Send a message."""
        return f"{to}: {text}"

    made = tool(partial(send, to="ops"))

    assert (made.name, made.description) == ("send", "Send a message.")


def nested(*inside: tuple[str, str]) -> AgentGraph:
    inner = AgentGroup("Inner", root=Agent("y"), members=[Agent("k")], handoffs=inside)
    outer = AgentGroup("Outer", root=inner, members=[Agent("z")], handoffs=[("z", "Inner")])
    return AgentGraph.of(Agent("A", tools=[outer.as_tool()]))


def test_a_group_in_a_group_behind_a_tool_is_kept(tmp_path: Path) -> None:
    graph, file = nested(("y", "k")), tmp_path / "graph.yaml"

    graph.save(file)
    again = AgentGraph.load(file)

    assert again.fingerprint == graph.fingerprint
    assert nested(("y", "k"), ("k", "y")).fingerprint != graph.fingerprint
    loaded = again.agents["A"].tools[0].agent
    assert isinstance(loaded, AgentGroup)
    assert [agent.name for agent in loaded.agents()] == ["y", "k", "z"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agents: [{name: A}]\nhandofs: []", "handofs"),
        ("agents: [{name: A}]\ngroups: [{name: G, root: A, in: Q}]", "'Q'"),
        ("agents: [{name: A, tools: [{name: t, agent: 5}]}]", "agent"),
        ("agents: [{name: A, tools: ['no good name']}]", "no provider"),
        ("agents: [{name: A}]\nentry: [B]", "'B'"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "hand.yaml"
    file.write_text(f"agentgraph_topology: 1\n{text}\n", encoding="utf-8")

    with pytest.raises(DefinitionError, match=r"hand\.yaml") as raised:
        AgentGraph.load(file)

    assert words in str(raised.value)


def test_no_reference_is_fetched() -> None:
    """A schema may come from a file that somebody else wrote: it must not make this process call anywhere."""
    asked: list[str] = []

    class Schemas(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Schemas) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        schema = {"type": "object", "properties": {"x": {"$ref": f"http://127.0.0.1:{server.server_port}/schema"}}}

        @tool(parameters=schema)
        def fetching(**_: Any) -> str:
            """Have a schema that leads out."""
            return "never"

        result = AgentRunner(Agent("A", tools=[fetching]), RunConfig(model=ScriptedModel([call("fetching", x=1), "sorry"]))).run("go")
        server.shutdown()

    assert asked == []
    assert "the schema cannot be used" in result.messages[2].text


def test_a_guard_that_gives_an_awaitable_permits_nothing() -> None:
    async def later(context: Context) -> bool:
        return True

    waiting: list[Any] = []

    def guard(context: Context) -> Any:
        waiting.append(later(context))
        return waiting[-1]

    model = ScriptedModel([handoff("B"), "still here"])
    result = AgentRunner.with_agents(Agent("A", handoffs=[Handoff("B", when=guard)]), Agent("B"), config=RunConfig(model=model)).run("go")
    for each in waiting:
        each.close()

    assert result.path == ("A",)
    assert "awaitable" in result.messages[2].text


def test_a_compiled_machine_cannot_change() -> None:
    machine = AgentGraph.of(Agent("A", handoffs=["B"]), Agent("B")).compile()

    with pytest.raises(AttributeError, match="compile it again"):
        machine.entry = "B"


def test_a_home_declared_later_is_seen() -> None:
    graph = AgentGraph.of(Agent("A"))
    assert graph.digraph.graph["home"] is None

    graph.home = "A"

    assert graph.digraph.graph["home"] == "A"


def test_a_home_that_is_not_there_is_found() -> None:
    with pytest.raises(DefinitionError, match="home='Nope'"):
        AgentGraph.of(Agent("A"), home="Nope").compile()


def test_a_stored_context_keeps_what_tools_gave_in_the_order_they_gave_it() -> None:
    """A run resumed from JSON tells the model the same text as one that went on."""
    given = Context(data={"z": 1, "a": {"y": 1, "b": 2}}, facts=["of age", "verified", "a", "z"])

    text = given.to_json()

    assert Context.from_json(text).to_json() == text
    assert list(Context.from_json(text).data) == ["z", "a"]
    assert list(Context.from_json(text).data["a"]) == ["y", "b"]
    assert '"facts":["a","of age","verified","z"]' in text
