"""The bare loop: what a competent person writes by hand when there is no framework. The yardstick."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import cycle
from typing import Any, NamedTuple

from benchmarks.scene import Asked, Scene, acheck_balance, check_balance

Message = dict[str, Any]


class BareAgent(NamedTuple):
    """An agent of the bare loop."""

    instructions: str
    tools: dict[str, Callable[..., Any]]
    handoffs: dict[str, str]


Team = dict[str, BareAgent]


class BareModel:
    """Gives prepared answers, in the provider's shape, over and over."""

    def __init__(self, lines: Iterable[str | Asked]) -> None:
        self._replies = cycle(list(map(provided, lines)))

    def reply(self, _: BareAgent, __: list[Message]) -> dict[str, Any]:
        return next(self._replies)

    async def areply(self, _: BareAgent, __: list[Message]) -> dict[str, Any]:
        return next(self._replies)


class Outcome(NamedTuple):
    """What a turn came to."""

    output: str
    agent: str
    messages: list[Message]


def run(team: Team, at: str, model: BareModel, said: str, messages: list[Message]) -> Outcome:
    """One turn; `messages` grows."""
    messages.append({"role": "user", "content": said})
    for _ in range(50):
        agent = team[at]
        reply = model.reply(agent, messages)["choices"][0]["message"]
        messages.append({"role": "assistant", "name": at, **reply})
        calls = reply.get("tool_calls")
        if not calls:
            return Outcome(reply["content"], at, messages)
        for call in calls:
            name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
            if name in agent.handoffs:
                at = agent.handoffs[name]
                result = f"handed off to {at}"
            elif name in agent.tools:
                result = json.dumps(agent.tools[name](**arguments))
            else:
                result = f"there is no tool {name!r}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    raise RuntimeError("the model does not come to an end")


async def arun(team: Team, at: str, model: BareModel, said: str, messages: list[Message]) -> Outcome:
    """`run`, awaiting the model and the tools."""
    messages.append({"role": "user", "content": said})
    for _ in range(50):
        agent = team[at]
        reply = (await model.areply(agent, messages))["choices"][0]["message"]
        messages.append({"role": "assistant", "name": at, **reply})
        calls = reply.get("tool_calls")
        if not calls:
            return Outcome(reply["content"], at, messages)
        for call in calls:
            name, arguments = call["function"]["name"], json.loads(call["function"]["arguments"])
            if name in agent.handoffs:
                at = agent.handoffs[name]
                result = f"handed off to {at}"
            elif name in agent.tools:
                result = json.dumps(await agent.tools[name](**arguments))
            else:
                result = f"there is no tool {name!r}"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})
    raise RuntimeError("the model does not come to an end")


# -- built from a scene ------------------------------------------------------------------------------------------------


def team_of(scene: Scene, *, awaited: bool) -> Team:
    """The agents of `scene`."""
    tool = acheck_balance if awaited else check_balance
    return {
        role.name: BareAgent(
            role.instructions,
            {"check_balance": tool} if role.has_tool else {},
            {f"handoff_to_{target}": target for target in role.handoffs},
        )
        for role in scene.roles
    }


def provided(line: str | Asked) -> dict[str, Any]:
    """A line of a script as a provider sends it."""
    message: Message = {"content": line}
    if not isinstance(line, str):
        call = {"id": line.id, "type": "function", "function": {"name": line.tool, "arguments": line.arguments}}
        message = {"content": None, "tool_calls": [call]}
    return {"choices": [{"message": message}]}
