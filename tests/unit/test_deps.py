"""Live objects for tools: handed over by reference, never copied, never stored."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from agentgraph import Agent, AgentRunner, Context, ContextError, RunConfig, ScriptedModel, Secret, ToolContext, call, tool
from tests.e2e.ways import WAYS


@dataclass
class Shop:
    """What no copy can be made of, and no JSON."""

    lock: Any = field(default_factory=threading.Lock)
    sold: list[str] = field(default_factory=list)


@tool
def sell(item: str, ctx: ToolContext[Shop]) -> str:
    """Sell something."""
    with ctx.deps.lock:
        ctx.deps.sold.append(item)
    return f"sold {item}"


@tool
async def asell(item: str, shop: ToolContext[Shop] | None = None) -> str:
    """Sell something, asynchronously."""
    assert shop is not None
    shop.deps.sold.append(item)
    return f"sold {item}"


@tool
def bare(ctx: ToolContext) -> str:
    """Say what there is."""
    return type(ctx.deps).__name__


def script() -> ScriptedModel:
    return ScriptedModel([[call("sell", item="a"), call("asell", item="b")], [call("sell", item="c")], [call("asell", item="d")], "done"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["the run", "its config", "the runner"])
def test_every_tool_is_handed_the_very_object(way: str, where: str) -> None:
    shop, agent = Shop(), Agent("Desk", tools=[sell, asell])
    config = RunConfig(model=script(), deps=shop if where == "its config" else None)
    runner = AgentRunner(agent, RunConfig(deps=shop if where == "the runner" else None))
    runner = runner if where != "the run" else AgentRunner(agent, RunConfig(model=script()))
    if where == "the run":
        methods: dict[str, Any] = {
            "run": lambda: runner.run("go", deps=shop),
            "arun": lambda: asyncio.run(runner.arun("go", deps=shop)),
            "stream": lambda: list(runner.stream("go", deps=shop))[-1].result,  # type: ignore[union-attr]
            "astream": lambda: asyncio.run(_streamed(runner, shop)),
        }
        result = methods[way]()
    else:
        result = WAYS[way](runner, "go", None, config).result

    assert result.output == "done"
    assert sorted(shop.sold[:2]) == ["a", "b"]
    assert shop.sold[2:] == ["c", "d"]
    assert "Shop" not in result.context.to_json()
    assert "Shop" not in repr(result)


async def _streamed(runner: AgentRunner, shop: Shop) -> Any:
    return [seen async for seen in runner.astream("go", deps=shop)][-1].result  # type: ignore[union-attr]


def test_agents_as_tools_are_handed_it_too_and_so_is_a_resumed_run() -> None:
    shop = Shop()
    inner = Agent("Inner", tools=[sell], model=ScriptedModel([call("sell", item="x"), "sold it"]))
    model = ScriptedModel([call("inner", input="sell x"), call("careful", item="y"), "done"])
    outer = Agent("Outer", tools=[inner.as_tool(), sell.replace(name="careful", needs_approval=True)], model=model)
    runner = AgentRunner(outer)
    waiting = runner.run("go", deps=shop).context

    assert shop.sold == ["x"]
    assert runner.resume(waiting, {waiting.pending[0].id: True}, deps=shop).output == "done"
    assert shop.sold == ["x", "y"]


def test_without_any_it_is_none() -> None:
    result = AgentRunner(Agent("Desk", tools=[bare], model=ScriptedModel([call("bare"), "ok"]))).run("go")

    assert result.messages[2].content == "NoneType"


def test_a_run_context_and_deps_go_together() -> None:
    shop = Shop()
    runner = AgentRunner(Agent("Desk", tools=[sell], model=ScriptedModel([call("sell", item="a"), "ok"])))
    done = runner.run_with_run_context("go", factory=int, handler=lambda n, _: (n + 1, _forward()), deps=shop)

    assert (done.run_context, shop.sold) == (1, ["a"])


def _forward() -> Any:
    from agentgraph import Forward

    return Forward()


def test_a_secret_in_the_data_is_refused_and_told_where_it_belongs() -> None:
    with pytest.raises(ContextError, match=r"data\.key is a Secret, which is never stored; hand it to tools in deps"):
        Context(data={"key": Secret("sk-canary")})
