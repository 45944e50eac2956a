"""A canary is put wherever secrets are kept, everything fails that can, and the canary is looked for in all that comes out."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import BaseModel, field_validator

from agentgraph import (
    Agent,
    AgentGraph,
    AgentRunner,
    DefinitionError,
    Forward,
    Handoff,
    ModelRequest,
    Reply,
    Rewrite,
    RunConfig,
    RunResult,
    ScriptedModel,
    Secret,
    ToolContext,
    ToolOutput,
    call,
    handoff,
    tool,
)
from agentgraph.conversation.secret import redacted
from agentgraph.conversation.shown import behind

CANARY = "sk-canary-9f3b"


@dataclass
class Vault:
    """Deps with a secret in them."""

    key: Secret
    plain: str = CANARY


@tool
def tells_it_all(ctx: ToolContext[Vault]) -> dict[str, Any]:
    """Give the secret away, in a value and in the data."""
    ctx.update(token=ctx.deps.key.reveal())
    return {"key": ctx.deps.key, "header": f"Bearer {ctx.deps.key.reveal()}", ctx.deps.key.reveal(): [ctx.deps.key.reveal()]}


@tool
def fails_with_it(ctx: ToolContext[Vault]) -> str:
    """Put the secret into an error."""
    raise ConnectionError(f"401 for https://api/?key={ctx.deps.key.reveal()}")


@tool(needs_approval=True)
def needs_a_person() -> str:
    """Ask first."""
    return "done"


class Provider:
    """A model that repeats the key it was sent, and fails with it."""

    def __init__(self) -> None:
        self.asked = 0

    def reply(self, request: ModelRequest) -> Reply:
        self.asked += 1
        header = request.headers["Authorization"]
        assert isinstance(header, Secret)
        assert header.reveal() == CANARY
        if self.asked == 1:
            return Reply("Let me see.", [call("tells_it_all"), call("fails_with_it"), call("needs_a_person")])
        try:
            raise PermissionError(f"bad key {header.reveal()}")
        except PermissionError as error:
            raise ConnectionError(f"rejected: {header.reveal()}") from error


def leaky(_: Any) -> None:
    raise ValueError(f"a callback knew {CANARY}")


def leaky_handler(seen: int, output: ToolOutput) -> Any:
    if output.name == "tells_it_all":
        raise ValueError(f"a handler knew {CANARY}")
    return seen + 1, Rewrite({"rewritten": CANARY}) if output.name == "fails_with_it" else Forward()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that is logged, tracebacks included."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield out
    root.removeHandler(handler)
    root.setLevel(level)


def everything_told(result: RunResult) -> Iterator[str]:
    """Every text that somebody might print, store or send on."""
    yield repr(result)
    for event, context in result.trace:
        yield from (repr(event), repr(context), context.to_json())
    for message in result.messages:
        yield json.dumps(message.to_openai())
    if result.error is not None:
        for error in behind(result.error):
            yield from (str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error)))


@pytest.mark.parametrize("way", ["run", "arun", "stream", "astream"])
def test_the_canary_is_found_nowhere(way: str, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = Secret(CANARY)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    vault, provider = Vault(secret), Provider()

    def approve(_: Any) -> bool:
        raise ValueError(f"the approver knew {CANARY}")

    config = RunConfig(model=provider, headers={"Authorization": secret}, params={"api_key": secret}, deps=vault, approve=approve)
    agent = Agent("Desk", tools=[tells_it_all, fails_with_it, needs_a_person], headers={"X-Key": CANARY}, params={"api_key": CANARY})
    runner = AgentRunner(agent, config.with_run_context(int, leaky_handler)).on_tool_start(leaky).on_run_complete(leaky)
    told: list[str] = []

    async def watched() -> RunResult:
        seen = [event async for event in runner.astream("go")]
        told.extend(map(repr, seen))
        return seen[-1].result  # type: ignore[union-attr]

    if way == "stream":
        seen = list(runner.stream("go"))
        told.extend(map(repr, seen))
        result: RunResult = seen[-1].result  # type: ignore[union-attr]
    else:
        result = runner.run("go") if way == "run" else asyncio.run(runner.arun("go") if way == "arun" else watched())

    assert result.stop_reason == "error"
    assert provider.asked == 2
    told += [*everything_told(result), log.getvalue(), repr(runner), repr(runner.config), repr(agent), repr(provider.__dict__)]
    assert [text for text in told if CANARY in text] == []
    answers = [m.text for m in result.messages if m.role == "tool"]
    assert answers == [
        '{"key": "***", "header": "Bearer ***", "***": ["***"]}',
        '{"rewritten": "***"}',
        "error: not approved: the approver failed: ValueError: the approver knew ***",
    ]
    assert "a callback knew ***" in log.getvalue()
    assert "a handler knew ***" in log.getvalue()
    assert "rejected: ***" in str(result.error)


def test_what_holds_no_secret_is_told_as_it_is() -> None:
    """Also while there are secrets: causes are kept, and texts are whole."""
    alive = Secret(CANARY)
    model = ScriptedModel([ConnectionError("down")])
    error = AgentRunner(Agent("Desk", model=model)).run("go").error

    assert alive.reveal() == CANARY
    assert error is not None
    assert isinstance(error.__cause__, ConnectionError)
    assert "down" in str(error)


def test_nothing_shows_a_secret() -> None:
    secret = Secret(CANARY)

    assert [str(secret), repr(secret), f"{secret:>5}", "%s" % secret] == ["***", "Secret('***')", "  ***", "***"]  # noqa: UP031
    assert copy.deepcopy([secret])[0] is copy.copy(secret) is secret
    assert secret == Secret(CANARY)
    assert secret != CANARY
    assert len({secret, Secret(CANARY)}) == 1
    with pytest.raises(TypeError, match="never stored"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize("given", ["", "  ", None, 7, b"sk"])
def test_what_is_no_secret_is_refused(given: Any) -> None:
    with pytest.raises(DefinitionError, match="give the text"):
        Secret(given)


def test_a_secret_that_is_gone_hides_nothing() -> None:
    """Nothing is kept of it: a service makes one for each request."""
    secret = Secret("a passing word")
    assert redacted("a passing word") == "***"
    del secret
    gc.collect()
    assert redacted("a passing word") == "a passing word"


@given(st.lists(st.text(min_size=4).filter(str.strip), min_size=1, max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_no_text_keeps_a_secret(values: list[str], between: list[str]) -> None:
    """Whatever stands around them, one inside another too; and what holds none is untouched."""
    alive = [Secret(value) for value in values]
    text = "".join(part for pair in zip(between + [""] * 4, values, strict=False) for part in pair)

    assert not any(secret.reveal() in redacted(text).replace("***", "\0") for secret in alive if "*" not in secret.reveal())
    assert redacted("abc") == "abc" or any(value in "abc" for value in values)


# -- wherever code of the user's can fail ---------------------------------------------------------------------------------


def fails(*_: Any) -> Any:
    """The user's code, wherever it is called."""
    error = ValueError(f"401 for {CANARY}")
    error.add_note(f"sent {CANARY}")
    raise error


class Checked(BaseModel):
    """A type whose validator repeats what it should not."""

    x: int

    @field_validator("x")
    @classmethod
    def refused(cls, value: int) -> int:
        return fails(value)  # type: ignore[no-any-return]


class Group(BaseModel):
    """One whose validator fails as no validator should."""

    x: int

    @field_validator("x")
    @classmethod
    def refused(cls, value: int) -> int:
        raise ExceptionGroup(f"several for {CANARY}", [KeyError(CANARY)])


@tool
def looks() -> str:
    """Look."""
    return "seen"


@tool
def takes(it: Checked) -> str:
    """Take it."""
    return str(it)


@tool
def breaks() -> str:
    """Break."""
    raise ExceptionGroup(f"several for {CANARY}", [ValueError(CANARY)])


class Watchful:
    """A monitor that fails."""

    start, names = 0, ()

    def after(self, state: int, happening: Any) -> int:
        return fails()  # type: ignore[no-any-return]

    def sees(self, name: str) -> bool:
        return True

    def __str__(self) -> str:
        return "watchful"


def desk(*replies: Any, **given: Any) -> AgentRunner:
    """A desk whose second agent is reached by a handoff of these options."""
    config, handed = given.pop("config", RunConfig()), given.pop("handed", {})
    agent = Agent("Desk", handoffs=[Handoff("Next", **handed)], model=ScriptedModel([*replies, "done", "done", "done"]), **given)
    return AgentRunner(AgentGraph.of(agent, Agent("Next", model=ScriptedModel([lambda request: str(len(request.messages))]))), config)


def inner() -> Any:
    return Agent("Inner", model=ScriptedModel(["x"])).as_tool("inner", "Ask.", output_extractor=fails)


FAILING: dict[str, Callable[[], AgentRunner]] = {
    "guard": lambda: desk(handoff("Next"), handed={"when": fails}),
    "monitor": lambda: AgentRunner(Agent("Desk", tools=[looks], model=ScriptedModel([call("looks"), "x"])), monitors=[Watchful()]),
    "handler": lambda: desk(call("looks"), tools=[looks], on_tool_output=(int, fails)),
    "factory of a handler": lambda: desk(call("looks"), tools=[looks], on_tool_output=(fails, fails)),
    "run-scoped handler": lambda: desk(call("looks"), tools=[looks], config=RunConfig().with_run_context(int, fails)),
    "factory of the run context": lambda: desk(config=RunConfig().with_run_context(fails, fails)),
    "callback": lambda: desk(call("looks"), tools=[looks]).on_tool_start(fails).on_run_complete(fails),
    "instructions": lambda: desk(instructions=fails),
    "history": lambda: desk(handoff("Next"), handed={"history": fails}),
    "approver": lambda: desk(call("needs_a_person"), tools=[needs_a_person], config=RunConfig(approve=fails)),
    "output extractor": lambda: desk(call("inner", input="x"), tools=[inner()]),
    "tool": lambda: desk(call("breaks"), tools=[breaks]),
    "arguments": lambda: desk(call("takes", it={"x": 1}), tools=[takes]),
    "payload": lambda: desk(handoff("Next", x=1), handed={"payload": Checked}),
    "payload that breaks": lambda: desk(handoff("Next", x=1), handed={"payload": Group}),
    "output type": lambda: desk('{"x": 1}', output_type=Checked),
    "model": lambda: desk(fails),
}


@pytest.mark.parametrize("way", ["run", "arun"])
@pytest.mark.parametrize("place", list(FAILING))
def test_what_fails_tells_no_secret(place: str, way: str, log: io.StringIO, tmp_path: Path) -> None:
    """Not to the model, nor in a context, a trace, its file, the result or the log."""
    secret = Secret(CANARY)
    runner = FAILING[place]()

    result = runner.run("go") if way == "run" else asyncio.run(runner.arun("go"))

    result.trace.save(tmp_path / "trace.jsonl")
    told = [*everything_told(result), (tmp_path / "trace.jsonl").read_text(encoding="utf-8"), log.getvalue()]
    assert any("***" in text for text in told), "it has failed, and that was said"
    assert [text for text in told if secret.reveal() in text] == []
