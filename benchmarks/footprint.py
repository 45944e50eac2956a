"""W7: memory. Each contestant lives in a process of its own, which prints how many KiB one of a thousand things takes."""

from __future__ import annotations

import gc
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from agentgraph import Agent, Context
from benchmarks import bare, ours
from benchmarks.cells import AGENT
from benchmarks.measure import Effort
from benchmarks.scene import TOOL, Asked, Role, Scene, wide
from benchmarks.table import Row

_MANY = 1_000
_AGENTS = 10_000


def memory(effort: Effort) -> Iterator[Row]:
    """What a live conversation and an agent take."""
    yield _row("a conversation of 20 messages", "conversation", 10)
    yield _row(AGENT.what, "agent", 2)
    yield _row("an agent with a tool and 5 handoffs, compiled", "compiled")


def _row(what: str, thing: str, most: float | None = None) -> Row:
    bare_kib, our_kib = _in_a_process(f"bare_{thing}"), _in_a_process(f"our_{thing}")
    goal, met = (f"at most {most:g} KiB", our_kib <= most) if most is not None else ("", None)
    return Row("W7", what, f"{bare_kib:.2f} KiB", f"{our_kib:.2f} KiB", f"{our_kib / bare_kib:.2f}x", goal, met)


def _in_a_process(thing: str) -> float:
    command = [sys.executable, "-m", "benchmarks.footprint", thing]
    return float(subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True).stdout)


# -- what is weighed -----------------------------------------------------------------------------------------------------


def _lines(conversation: int, turn: int) -> list[str | Asked]:
    """Words and ids that no other turn shares."""
    asked = Asked(f"call_{conversation}_{turn}", "check_balance", '{"account_id": "ACC-17"}')
    return [asked, f"The balance of ACC-17 is $1,250.00, as of turn {conversation}.{turn}."]


def bare_conversation() -> list[object]:
    team = bare.team_of(TOOL, awaited=False)
    live: list[object] = []
    for i in range(_MANY):
        messages: list[bare.Message] = []
        for turn in range(5):
            bare.run(team, "billing", bare.BareModel(_lines(i, turn)), f"What is the balance of ACC-17? ({i}.{turn})", messages)
        live.append(messages)
    return live


def our_conversation() -> list[object]:
    machine = ours.graph_of(TOOL, awaited=False).compile()
    live: list[object] = []
    for i in range(_MANY):
        context = Context()
        for turn in range(5):
            runner = ours.runner_of(machine, ours.InstantModel(map(ours.reply_of, _lines(i, turn))))
            context = runner.run(f"What is the balance of ACC-17? ({i}.{turn})", context).raise_for_error().context
        live.append(context)
    return live


def bare_agent() -> list[object]:
    return [bare.team_of(Scene((Role(f"agent_{i}", has_tool=True),), ()), awaited=True) for i in range(_AGENTS)]


def our_agent() -> list[object]:
    tools = (ours.TOOLS[True],)
    return [Agent(role.name, role.instructions, tools=tools) for role in (Role(f"agent_{i}") for i in range(_AGENTS))]


def bare_compiled() -> list[object]:
    return list(bare.team_of(wide(_AGENTS), awaited=True).items())


def our_compiled() -> list[object]:
    machine = ours.graph_of(wide(_AGENTS), awaited=True).compile()
    return [machine, *(None for _ in range(_AGENTS - 1))]


def _weigh(thing: str) -> float:
    make = globals()[thing]
    make()  # what is made once for all is not counted
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    live = make()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return (after - before) / 1024 / len(live)


if __name__ == "__main__":
    print(_weigh(sys.argv[1]))
