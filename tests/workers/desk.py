"""What the workers hold turns with. Whatever it does to the world is a line in the file LEDGER, which outlives any process."""

from __future__ import annotations

import os
from time import sleep

from agentgraph import Agent, AgentGraph, ModelRequest, Reply, ToolContext, call, tool


def noted(line: str) -> None:
    with open(os.environ["LEDGER"], "a", encoding="ascii") as ledger:  # noqa: PTH123 - one write of one line
        ledger.write(line + "\n")


@tool
def book(what: str, ctx: ToolContext) -> str:
    """Book it: once, since nothing can be done about a second time."""
    noted(f"begin {ctx.idempotency_key}")
    sleep(0.05)
    noted(f"end {ctx.idempotency_key}")
    return f"booked {what}"


@tool(idempotent=True)
def look(what: str, ctx: ToolContext) -> str:
    """Look it up: as often as one likes."""
    sleep(0.02)
    return f"seen {what}"


class Clerk:
    """Looks up what the user says, books it, and says what came of it."""

    def reply(self, request: ModelRequest) -> Reply:
        sleep(0.02)
        last = request.messages[-1]
        if last.role == "user":
            return Reply(None, (call("look", what=last.text),))
        if last.text.startswith("seen "):
            return Reply(None, (call("book", what=last.text.removeprefix("seen ")),))
        return Reply(f"done: {last.text}")


graph = AgentGraph("desk").add_agent(Agent("Clerk", model=Clerk(), tools=[look, book]))
