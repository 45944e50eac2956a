"""Many conversations at once on one runner: each is held as if it were alone, and is told of itself alone, each thing once."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache
from typing import Any

import pytest

from agentgraph import AgentRunner, Context, Observation, RunCompleted, RunResult
from tests.load.desk import CONFIG, TURNS, desk, spoiled

CI = bool(os.environ.get("CI"))
MANY, EACH, FEW = (64, 50, 10) if CI else (16, 4, 4)
"""Threads or tasks; conversations of each thread; conversations of each task, or of each where there are both."""
MOST = 500
"""Callbacks of a kind that are registered at most: each of them is told of each run."""

GRAMMAR = re.compile(r"S(TL[sce]*(CH)?)+CE")
"""The order of `semantics`: run start, (thinking, reply, tools, (agent complete, handoff)?)+, agent complete, run complete."""

whose: ContextVar[str] = ContextVar("whose", default="nobody's")
"""The conversation that this thread or task holds."""


@pytest.fixture(autouse=True)
def hurried() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


# -- one conversation ----------------------------------------------------------------------------------------------------

Told = list[tuple[str, tuple[str, ...], str]]
"""What callbacks were told of one turn: a letter for the kind, the calls around it, and the call it is about."""


def outcome(result: RunResult) -> tuple[Any, ...]:
    """All of a result but the order in which parallel tools happened to arrive."""
    return (
        result.output,
        result.context.to_json(),
        result.path,
        result.usage,
        result.stop_reason,
        str(result.error),
        Counter(map(repr, result.trace.events)),
        {call: Counter(map(repr, trace.events)) for call, trace in result.trace.children.items()},
    )


def listening() -> tuple[AgentRunner, dict[str, Told]]:
    """A runner with a callback of each kind, and what they are told, by whose turn it is."""
    told: dict[str, Told] = defaultdict(list)

    def note(letter: str) -> Callable[[Observation], None]:
        def noted(seen: Observation) -> None:
            call = getattr(seen, "call", None)
            told[whose.get()].append((letter, seen.within, call.id if call is not None else ""))

        return noted

    runner = AgentRunner(desk(), CONFIG).on_run_start(note("S")).on_agent_thinking(note("T")).on_llm_call_complete(note("L"))
    runner.on_tool_start(note("s")).on_tool_complete(note("c")).on_tool_refused(note("e"))
    return runner.on_agent_complete(note("C")).on_agent_handoff(note("H")).on_run_complete(note("E")), told


def hold(runner: AgentRunner, name: str, number: int) -> list[Any]:
    """The turns of a conversation, in a thread; every second one streamed, and every third stored in between."""
    context, turns = Context(), []
    for turn in range(TURNS):
        whose.set(f"{name}/{turn}")
        if (number + turn) % 2:
            result = last_of(list(runner.stream(f"{number}.{turn}", context)))
        else:
            result = runner.run(f"{number}.{turn}", context)
        turns.append(outcome(result))
        context = Context.from_json(result.context.to_json()) if turn % 3 == 0 else result.context
    return turns


async def ahold(runner: AgentRunner, name: str, number: int) -> list[Any]:
    context, turns = Context(), []
    for turn in range(TURNS):
        whose.set(f"{name}/{turn}")
        if (number + turn) % 2:
            result = last_of([seen async for seen in runner.astream(f"{number}.{turn}", context)])
        else:
            result = await runner.arun(f"{number}.{turn}", context)
        turns.append(outcome(result))
        context = Context.from_json(result.context.to_json()) if turn % 3 == 0 else result.context
    return turns


def last_of(seen: list[Observation]) -> RunResult:
    last = seen[-1]
    assert isinstance(last, RunCompleted)
    return last.result


@cache
def twin(number: int) -> tuple[list[Any], list[Counter[Any]]]:
    """The conversation, held alone: how its turns come out, and what is told of each."""
    runner, told = listening()
    turns = hold(runner, "twin", number)
    return turns, [Counter(told[f"twin/{turn}"]) for turn in range(TURNS)]


# -- many ----------------------------------------------------------------------------------------------------------------

Held = dict[str, list[Any]]


def in_threads(runner: AgentRunner, many: int = MANY, each: int = EACH) -> Held:
    together = threading.Barrier(many)

    def work(thread: int) -> Held:
        together.wait()
        return {f"thread {thread}.{number}": hold(runner, f"thread {thread}.{number}", number) for number in range(each)}

    with ThreadPoolExecutor(many) as pool:
        return {name: turns for done in pool.map(work, range(many)) for name, turns in done.items()}


def in_tasks(runner: AgentRunner, many: int = MANY, each: int = FEW, name: str = "task") -> Held:
    async def work(task: int) -> Held:
        return {f"{name} {task}.{number}": await ahold(runner, f"{name} {task}.{number}", number) for number in range(each)}

    async def together() -> Held:
        return {name: turns for done in await asyncio.gather(*map(work, range(many))) for name, turns in done.items()}

    return asyncio.run(together())


def in_threads_and_loops(runner: AgentRunner) -> Held:
    """Half in threads, half in tasks of four loops, each in a thread of its own."""
    with ThreadPoolExecutor(5) as pool:
        doing = [pool.submit(in_threads, runner, MANY // 2, FEW)]
        doing += [pool.submit(in_tasks, runner, MANY // 8, FEW, f"loop {n}") for n in range(4)]
        return {name: turns for done in doing for name, turns in done.result().items()}


@pytest.mark.parametrize("how", [in_threads, in_tasks, in_threads_and_loops])
def test_every_conversation_is_as_if_it_were_alone(how: Callable[[AgentRunner], Held]) -> None:
    runner, told = listening()
    each = EACH if how is in_threads else FEW
    for number in range(each):
        twin(number)
    spoiled.clear()

    held = how(runner)
    print(f"held {len(held)} conversations of {TURNS} turns, and told of {sum(map(len, told.values()))} things")

    assert len(held) == MANY * each
    assert len(told) == MANY * each * TURNS
    for name, turns in held.items():
        alone, heard = twin(int(name.rpartition(".")[2]))
        for turn in range(TURNS):
            assert turns[turn] == alone[turn], f"{name}, turn {turn}"
            assert Counter(told[f"{name}/{turn}"]) == heard[turn], f"{name}, turn {turn}"
            assert in_order(told[f"{name}/{turn}"]), told[f"{name}/{turn}"]
    assert spoiled == []


def in_order(told: Told) -> bool:
    """What is told of a turn comes as it happened; a tool's start before its end, and each once."""
    letters = "".join(letter for letter, within, _ in told if not within)
    tools = [(letter, within, call) for letter, within, call in told if letter in "sc"]
    started = [tools.index(("s", within, call)) for letter, within, call in tools if letter == "c"]
    ended = [tools.index(("c", within, call)) for letter, within, call in tools if letter == "c"]
    return (
        GRAMMAR.fullmatch(letters) is not None and len(set(tools)) == len(tools) and all(a < b for a, b in zip(started, ended, strict=True))
    )


def test_the_conversations_do_what_they_are_for() -> None:
    """Else they would prove nothing: tools fail and succeed, facts hold and do not, and the conversation moves."""
    turns, heard = twin(2)
    kinds = Counter(letter for told in heard for letter, _, _ in told.elements())
    last = Context.from_json(turns[-1][1])

    assert set(kinds) == set("STLscCHEe")
    assert {turn[4] for turn in turns} == {"completed"}
    assert {agent for turn in turns for agent in turn[2]} == {"Triage", "Billing"}
    assert last.facts == {"verified"}
    assert last.data["refunded"] > 0
    assert [note[:2] for note in last.data["notes"]] == [[2, 0], [2, 0], [2, 1], [2, 4], [2, 5]]
    assert any(turn[7] for turn in turns)


# -- callbacks that are registered meanwhile -------------------------------------------------------------------------------


def registering(runner: AgentRunner, told: dict[str, list[tuple[str, int]]], until: threading.Event) -> int:
    """Register callbacks of three kinds, one after another, until it is time; how many of each."""

    def note(number: int) -> Callable[[Observation], None]:
        return lambda seen: told[whose.get()].append((type(seen).__name__, number))

    number = 0
    while not until.is_set() and number < MOST:
        for register in (runner.on_run_start, runner.on_tool_complete, runner.on_run_complete):
            register(note(number))
        number += 1
        until.wait(0.001)
    return number


@pytest.mark.parametrize("how", [in_threads, in_tasks])
def test_each_run_is_told_by_the_callbacks_it_began_with(how: Callable[..., Held]) -> None:
    """Each once and in the order they were registered in; those that come later are for later runs."""
    runner = AgentRunner(desk(), CONFIG)
    told: dict[str, list[tuple[str, int]]] = defaultdict(list)
    over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        registered = pool.submit(registering, runner, told, over)
        try:
            how(runner, 8, FEW)
        finally:
            over.set()
    print(f"{registered.result()} callbacks of three kinds were registered during {8 * FEW * TURNS} runs")

    assert registered.result() > 20
    assert len(told) > 4 * FEW * TURNS
    seen = [heard(callbacks) for callbacks in told.values()]
    assert len({run for run in seen if run}) > 10, "the runs must differ in what they began with, or nothing was tried"


def heard(told: list[tuple[str, int]]) -> int:
    """How many callbacks a run had. All of its observations were told to the same ones: to the first so many of each kind."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for kind, number in told:
        by_kind[kind].append(number)
    sizes = []
    for kind, count in (("RunStarted", 1), ("ToolCompleted", None), ("RunCompleted", 1)):
        numbers = by_kind[kind]
        size = len(set(numbers))
        times = count or (len(numbers) // size if size else 0)
        assert numbers == list(range(size)) * times, f"{kind} was told by {numbers}"
        sizes.append(size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1
    return sizes[0]
