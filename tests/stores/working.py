"""A worker to be killed: handoffs, parallel tools and a group, and a ledger of every point that it passes.

The ledger is a file that lines are added to, so it outlives the worker. The model is a function of what it reads, so that
whoever takes a conversation up goes on with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import zlib
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from agentgraph import (
    Agent,
    AgentGraph,
    AgentGroup,
    AgentRunner,
    Conversation,
    Entry,
    ModelRequest,
    Reply,
    ToolCall,
    ToolContext,
    call,
    open_store,
    tool,
)
from tests.e2e.provider_rules import violations
from tests.stores.between import Between
from tests.waiting import WATCHDOG

LEASE = 0.5
HANGING = "hanging"
HANGS = ("before look d", "before fetch c")
ANSWER = "done"


class Worker:
    """Holds turns, writes down every point, and kills its process at `fatal`."""

    def __init__(self, url: str, ledger: Path, fatal: str = "") -> None:
        self.fatal = fatal
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.store = Between(open_store(url), self._kept)
        self.runner = AgentRunner(self._graph())

    def conversation(self, name: str, wait: float = WATCHDOG) -> Conversation:
        return self.runner.conversation(name, self.store, wait=wait, lease=LEASE)

    def close(self) -> None:
        self.store.close()
        os.close(self._ledger)

    def at(self, point: str, *more: Any) -> None:
        """Here we are."""
        os.write(self._ledger, (json.dumps([point, *more]) + "\n").encode())
        if self.fatal == HANGING and point in HANGS:
            threading.Event().wait(WATCHDOG)  # it is killed before
        if point == self.fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _kept(self, point: str, conversation: str, entries: Sequence[Entry]) -> None:
        self.at(
            point, conversation, [[entry.seq, sum_of(entry), entry.event and json.loads(entry.event).get("call_id")] for entry in entries]
        )

    # -- what is worked on -------------------------------------------------------------------------------------------------

    def _graph(self) -> AgentGraph:
        @tool
        def look(what: str, ctx: ToolContext) -> str:
            """Must not be done twice."""
            self.at(f"before look {what}", *named(ctx))
            ctx.update(**{what: ctx.data.get(what, 0) + 1})
            self.at(f"after look {what}", *named(ctx))
            return what

        @tool(idempotent=True)
        def fetch(what: str, ctx: ToolContext) -> str:
            """May be done twice."""
            self.at(f"before fetch {what}", *named(ctx))
            self.at(f"after fetch {what}", *named(ctx))
            return what

        tools = (look, fetch)
        coordinator, analyst = Agent("Coordinator", tools=tools, model=self), Agent("Analyst", tools=tools, model=self)
        research = AgentGroup(
            "Research", root=coordinator, members=[analyst], handoffs=[("Coordinator", "Analyst"), ("Analyst", "Coordinator")]
        )
        return AgentGraph.of(Agent("Triage", model=self, handoffs=["Research"]), research)

    instant = True

    def reply(self, request: ModelRequest) -> Reply:
        """What comes next, read off the conversation. No provider would refuse what it is shown."""
        messages = list(request.messages)
        body: Any = {"messages": [message.to_openai() for message in messages], "tools": request.tools}
        assert violations(body) == []
        said = [message for message in messages if message.role == "user"]
        step = sum(message.role == "assistant" for message in takewhile(lambda message: message.role != "user", reversed(messages)))
        key = f"{said[-1].text}.{step}"
        self.at(f"before model {key}")
        reply = self._next(request.agent, step)
        self.at(f"after model {key}")
        return reply

    def _next(self, agent: str, step: int) -> Reply:
        if agent == "Triage":
            return Reply(None, [call("handoff_to_research")])
        plan: dict[int, list[ToolCall]] = {
            0: [call("fetch", what="again")],
            1: [call("look", what="a"), call("fetch", what="b"), call("fetch", what="c")],
            2: [call("handoff_to_analyst" if agent == "Coordinator" else "handoff_to_coordinator")],
            3: [call("look", what="d")],
        }
        return Reply(None, plan[step]) if step in plan else Reply(ANSWER)


def named(ctx: ToolContext) -> tuple[str, str, str]:
    """The call of a tool: its conversation, its id there, and its key."""
    said = next(message.text for message in reversed(ctx.messages) if message.role == "user")
    return said.split("/")[0], ctx.call_id, ctx.idempotency_key


def sum_of(entry: Entry) -> int:
    """Of all that an entry says."""
    return zlib.crc32(repr(entry).encode())


def read(ledger: Path) -> list[list[Any]]:
    """Every point that was passed, in order."""
    return [json.loads(line) for line in ledger.read_text().splitlines(keepends=True) if line.endswith("\n")]


def work_for_ever(worker: Worker, names: list[str]) -> None:
    """Hold turn after turn on each conversation, each in a thread, until killed."""

    def hold(name: str) -> None:
        conversation = worker.conversation(name)
        taken_up = conversation.resume()
        assert taken_up.error is None or "nothing is pending" in str(taken_up.error), taken_up.error
        while True:
            said = f"{name}/{conversation.context.turn}"
            result = conversation.run(said)
            assert result.output == ANSWER, result.error

    threads = [threading.Thread(target=hold, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    print("at work", flush=True)
    for thread in threads:
        thread.join()


def main(url: str, ledger: str, fatal: str, *names: str) -> None:
    worker = Worker(url, Path(ledger), fatal)
    worker.at("begin")
    if fatal in ("at random", HANGING):
        work_for_ever(worker, list(names))
    else:
        worker.conversation(names[0]).run("one")


if __name__ == "__main__":
    main(*sys.argv[1:])
