"""A desk whose model is a function of the request: any number of conversations may be held on it at once, and each has a twin.

Nothing here has a position in a script. What is said next is read off the conversation: its number and turn off the last
message of the user ("17.3" is turn 3 of conversation 17), the step off how many replies have followed it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from agentgraph import Agent, AgentGraph, ModelRequest, Reply, Rewrite, RunConfig, ToolCall, ToolContext, ToolOutput, Usage, tool

TURNS = 6
NAP = 0.0005
"""Seconds that a tool sleeps, so that others come between."""

spoiled: list[str] = []
"""What a tool was able to change that it must not. Stays empty."""


def _tries_to_spoil(ctx: ToolContext) -> None:
    """Whatever is handed out of the snapshot refuses to change."""
    call = next(call for message in reversed(ctx.messages) for call in message.tool_calls if call.id == ctx.call_id)
    changes: list[Callable[[], object]] = [partial(ctx.data.update, spoiled=1), partial(call.arguments.update, spoiled=1)]
    changes += [partial(note.append, "spoiled") for note in ctx.data.get("notes", ())]
    for change in changes:
        try:
            change()
        except TypeError:
            continue
        spoiled.append(f"{ctx.tool} in {ctx.data}")


@tool
def sort_items(items: list[int], options: dict[str, Any], ctx: ToolContext) -> dict[str, Any]:
    """Change all that it is given, deep down, while it is at work."""
    time.sleep(NAP)
    items.append(len(ctx.messages))
    options["by"].clear()
    options["spoiled"] = True
    _tries_to_spoil(ctx)
    ctx.update(notes=[*ctx.data.get("notes", []), items])
    items.clear()  # also after it was handed in
    return {"sorted": len(ctx.data["notes"]), "options": options}


@tool
async def asort_items(items: list[int], ctx: ToolContext) -> list[int]:
    """The same, asynchronously."""
    await asyncio.sleep(NAP)
    _tries_to_spoil(ctx)
    items.sort()
    ctx.update(last=items)
    return items


@tool(retries=1)
def stumble(why: str, ctx: ToolContext) -> str:
    """Change the data, and fail, every time."""
    ctx.update(notes=["never kept"])
    time.sleep(NAP)
    raise ValueError(why)


@tool(timeout=30)
def in_time(text: str) -> str:
    """Run in a thread of its own."""
    return text[::-1]


@tool(sets="verified")
def verify(code: int) -> bool:
    """Set a fact, when the code is even."""
    if code % 2:
        raise PermissionError("wrong code")
    return True


@tool(requires="verified")
def refund(amount: int, ctx: ToolContext) -> str:
    """Need the fact."""
    ctx.update(refunded=ctx.data.get("refunded", 0) + amount)
    return f"refunded {amount}"


expert = Agent("Expert", instructions="You are the expert.", tools=(asort_items, in_time))
_TOOLS = (sort_items, asort_items, stumble, in_time, verify, refund, expert.as_tool(name="ask_expert"))


def desk() -> AgentGraph:
    """Two agents that hand over to each other, with all the tools, and an expert as one of them."""
    graph = AgentGraph("load")
    graph.add_agent(Agent("Triage", instructions="You are triage.", tools=_TOOLS))
    graph.add_agent(Agent("Billing", instructions="You are billing.", tools=_TOOLS))
    graph.add_handoff("Triage", "Billing")
    graph.add_handoff("Billing", "Triage")
    return graph


def _call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall("", name, json.dumps(arguments))


def _steps(number: int, turn: int, agent: str) -> list[Sequence[ToolCall]]:
    """What the model calls in one turn, reply by reply, before it answers."""
    items, seed = [number, turn, 7], number + turn
    sort, asort = _call("sort_items", items=items, options={"by": [seed]}), _call("asort_items", items=items)
    hand_over = _call("handoff_to_billing" if agent == "Triage" else "handoff_to_triage")
    return [
        [[sort], [sort, _call("stumble", why=f"no {seed}"), asort]],
        [[_call("stumble", why=f"no {seed}")], [hand_over], [sort, sort]],
        [[_call("verify", code=seed), _call("refund", amount=seed)], [_call("sort_items", items="wrong"), asort]],
        [[_call("ask_expert", input=f"{number}.{turn}"), asort], [_call("ask_expert", input=f"{number}.{turn}")]],
        [[sort, hand_over, _call("refund", amount=1)], [_call("no_such_tool"), _call("in_time", text=f"turn {seed}")]],
        [[sort, asort, _call("in_time", text="x"), _call("verify", code=seed)], [_call("refund", amount=seed)]],
    ][turn % TURNS]  # type: ignore[return-value]


class Desk:
    """The model."""

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        """What is said next in this conversation, whoever else is talking."""
        since = list(takewhile(lambda message: message.role != "user", reversed(request.messages)))
        said = request.messages[len(request.messages) - len(since) - 1].text
        number, turn = map(int, said.split("."))
        replies = [message for message in since if message.role == "assistant"]
        if request.agent == "Expert":
            steps: list[Sequence[ToolCall]] = [[_call("asort_items", items=[number, 1]), _call("in_time", text=said)]]
        else:
            began = next((m.agent for m in reversed(replies) if m.agent), request.agent)
            steps = _steps(number, turn, began)
        if len(replies) < len(steps):
            return Reply(f"step {len(replies)}", tuple(steps[len(replies)]), Usage(1, 10, number))
        return Reply(f"{request.agent} answers {said} after {len(request.messages)} messages", usage=Usage(1, 5, turn))


def _counted(seen: list[str], output: ToolOutput) -> tuple[list[str], Any]:
    """The handler: it keeps a list of its own run's, and rewrites what failed in conversations of an odd number."""
    seen = [*seen, output.name]
    return seen, Rewrite(f"{len(seen)} handled, of which this failed") if output.error and len(seen) % 2 else Rewrite(
        output.value or output.error
    )


CONFIG = RunConfig(model=Desk(), params={"seed": 1}).with_run_context(list, _counted)
