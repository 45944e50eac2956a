"""The main job on the real wire: triage hands over to billing, billing uses a tool and answers, over HTTP and litellm.

Every test's requests are checked by `provider_rules` when it ends; see `conftest.py`.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from agentgraph import AgentRunner, Context, ModelError, ProviderError, RunCompleted, RunResult, TextDelta, Usage
from tests.e2e.conftest import Wire
from tests.e2e.support_desk import ANSWER, QUESTION, Invoice, clerk, graph, reader
from tests.e2e.ways import STREAMED, WAYS
from tests.waiting import WATCHDOG

pytestmark = pytest.mark.wire

way = pytest.mark.parametrize("way", WAYS)
streamed = pytest.mark.parametrize("way", STREAMED)


# -- the main job ------------------------------------------------------------------------------------------------------


@way
def test_triage_billing_tool_answer(wire: Wire, way: str) -> None:
    result = WAYS[way](AgentRunner(graph, wire.config), QUESTION, None, None).result

    assert result.error is None
    assert result.output == ANSWER
    assert result.path == ("Triage", "Billing")
    assert result.context.agent == "Billing"
    assert result.context.data == {"last_invoice": "INV-7"}
    assert [message.role for message in result.messages] == ["user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert [call.id for message in result.messages for call in message.tool_calls] == ["call_handoff_1", "call_invoice_1"]
    assert len(wire.sent) == 3


def test_every_way_comes_to_the_same(wire: Wire) -> None:
    """Sync, async, streamed and not: equal outputs, contexts, paths, usage and recorded events."""
    runner = AgentRunner(graph, wire.config)
    first, *others = [hold(runner, QUESTION, None, None).result for hold in WAYS.values()]

    for other in others:
        assert (other.output, other.context, other.path, other.usage) == (first.output, first.context, first.path, first.usage)
        assert other.trace.events == first.trace.events


@way
def test_usage_is_what_the_provider_said(wire: Wire, way: str) -> None:
    used = WAYS[way](AgentRunner(graph, wire.config), QUESTION, None, None).result.usage

    assert (used.requests, used.input_tokens, used.output_tokens) == (3, 80 + 100 + 120, 15 + 20 + 12)
    assert used.cost is not None
    assert used.cost > 0


@streamed
def test_text_comes_in_pieces_that_make_the_answer(wire: Wire, way: str) -> None:
    held = STREAMED[way](AgentRunner(graph, wire.config), QUESTION, None, None)
    written = [delta.text for delta in held.deltas]
    text = "".join(written)

    assert text == "Let me look that up." + ANSWER
    assert text.endswith(str(held.result.output))
    assert {delta.agent for delta in held.deltas} == {"Billing"}
    assert len(written) > 5


@way
def test_the_next_turn_goes_to_billing(wire: Wire, way: str) -> None:
    """What was continued may have been on disk in between."""
    runner = AgentRunner(graph, wire.config)
    before = runner.run(QUESTION).context
    result = WAYS[way](runner, "Thank you!", Context.from_json(before.to_json()), None).result

    assert result.output == "You are welcome."
    assert result.path == ("Billing",)
    assert result.usage.requests == 1
    assert result.context.messages[: len(before.messages)] == before.messages
    assert len(wire.sent) == 4


# -- what arrives ------------------------------------------------------------------------------------------------------


@way
def test_params_and_headers_arrive(wire: Wire, way: str) -> None:
    """Of the agent, and of the run, which wins; also values that are dicts and lists."""
    params = {"seed": 7, "stop": ["END"], "logit_bias": {"50256": -100}}
    config = wire.config.replace(params=params, headers={**wire.config.headers, "X-Tenant": "acme"})
    WAYS[way](AgentRunner(graph), QUESTION, None, config)
    asked_triage, *asked_billing = wire.sent

    assert [request.body["temperature"] for request in (asked_triage,)] == [0.1]
    assert all("temperature" not in request.body for request in asked_billing)
    for request in wire.sent:
        assert {key: request.body[key] for key in params} == params
        assert request.headers["x-tenant"] == "acme"
    assert [request.headers.get("x-desk") for request in wire.sent] == [None, "billing", "billing"]


@way
def test_the_params_of_the_run_win(wire: Wire, way: str) -> None:
    WAYS[way](AgentRunner(graph), QUESTION, None, wire.config.replace(params={"temperature": 0.9}))

    assert {request.body["temperature"] for request in wire.sent} == {0.9}


def test_each_agent_is_asked_as_itself(wire: Wire) -> None:
    AgentRunner(graph, wire.config).run(QUESTION)
    systems = [request.body["messages"][0]["content"] for request in wire.sent]
    tools = [[tool["function"]["name"] for tool in request.body["tools"]] for request in wire.sent]

    assert systems == [agent.instructions for agent in (graph.agents["Triage"], graph.agents["Billing"], graph.agents["Billing"])]
    assert [sorted(names) for names in tools] == [["handoff_to_billing"], *[["handoff_to_triage", "lookup_invoice"]] * 2]
    assert all(set(message) <= {"role", "content", "tool_calls", "tool_call_id"} for r in wire.sent for message in r.body["messages"])


@way
def test_an_answer_of_a_type(wire: Wire, way: str) -> None:
    result = WAYS[way](AgentRunner(reader, wire.config), "Invoice INV-7, 42 dollars", None, None).result
    asked = wire.sent[0].body["response_format"]

    assert result.output == Invoice(number="INV-7", cents=4200)
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["name"] == "Invoice"
    assert set(asked["json_schema"]["schema"]["properties"]) == {"number", "cents"}


# -- when the provider fails -------------------------------------------------------------------------------------------


@way
@pytest.mark.parametrize(
    ("said", "status", "reason"), [("Can I pay twice?", 429, "rate_limited"), ("Please break down", 500, "unavailable")]
)
def test_a_provider_error_ends_the_run_and_loses_nothing(wire: Wire, way: str, said: str, status: int, reason: str) -> None:
    runner = AgentRunner(graph, wire.config)
    failed = WAYS[way](runner, said, None, None).result

    assert isinstance(failed.error, ModelError)
    assert failed.output is None
    assert failed.stop_reason == "error"
    assert [request.status for request in wire.sent] == [status], "one call of ours is one request: nothing below retries"
    cause = failed.error.__cause__
    assert isinstance(cause, ProviderError)
    assert (cause.reason, cause.status) == (reason, status)

    again = WAYS[way](runner, QUESTION, failed.context, None).result

    assert again.output == ANSWER
    assert [message.text for message in again.messages if message.role == "user"] == [said, QUESTION]


# -- where it is used --------------------------------------------------------------------------------------------------


def test_a_synchronous_run_inside_a_running_loop(wire: Wire) -> None:
    """As in a notebook."""
    runner = AgentRunner(graph, wire.config)

    async def cell() -> tuple[RunResult, list[str]]:
        pieces = [seen.text for seen in runner.stream(QUESTION) if isinstance(seen, TextDelta)]
        return runner.run(QUESTION), pieces

    result, pieces = asyncio.run(cell())

    assert result.output == ANSWER
    assert "".join(pieces).endswith(ANSWER)


def test_many_loops_one_after_another(wire: Wire) -> None:
    """Connections belong to no loop of the user's: the runner outlives them all."""
    runner = AgentRunner(graph, wire.config)

    assert {asyncio.run(runner.arun(QUESTION)).output for _ in range(3)} == {ANSWER}


def test_many_runs_in_one_loop(wire: Wire) -> None:
    runner = AgentRunner(graph, wire.config)

    async def together() -> list[RunResult]:
        return await asyncio.gather(*(runner.arun(QUESTION) for _ in range(8)))

    assert {result.output for result in asyncio.run(together())} == {ANSWER}


def test_eight_threads_at_once(wire: Wire) -> None:
    """One runner, no thread hears of another."""
    runner = AgentRunner(graph, wire.config)
    together = Barrier(8)
    ways = [*WAYS.values()] * 2

    def work(number: int) -> list[Context]:
        together.wait(WATCHDOG)
        return [ways[number](runner, QUESTION, None, None).result.context for _ in range(3)]

    with ThreadPoolExecutor(8) as pool:
        contexts = [context for done in pool.map(work, range(8), timeout=WATCHDOG) for context in done]

    assert len(contexts) == 24
    assert set(map(len, (context.messages for context in contexts))) == {6}
    assert all(context == contexts[0] for context in contexts)
    assert contexts[0].usage == Usage(3, 300, 47, contexts[0].usage.cost)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_is_a_stream(wire: Wire, asynchronous: bool) -> None:
    """Pieces are seen while the provider is still writing: a stream left after the first has read one line of the story."""
    runner = AgentRunner(clerk, wire.config)

    async def first_of_many() -> str:
        async with runner.astream("tell me a long story") as stream:
            async for seen in stream:
                assert not isinstance(seen, RunCompleted)
                if isinstance(seen, TextDelta):
                    return seen.text
        raise AssertionError("no text came")

    def first() -> str:
        with runner.stream("tell me a long story") as stream:
            return next(seen.text for seen in stream if isinstance(seen, TextDelta))

    assert (asyncio.run(first_of_many()) if asynchronous else first()) == "Once"


def test_the_command_line(wire: Wire, tmp_path: Path) -> None:
    """`agentgraph run` finds the provider where litellm looks for it, answers on stdout and tells its way on stderr."""
    target = Path(__file__).with_name("support_desk.py")
    kept = tmp_path / "conversation.json"
    environment = {**os.environ, "OPENAI_API_BASE": wire.provider.api_base, "OPENAI_API_KEY": "sk-test"}

    def agentgraph(said: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "agentgraph.cli.app", "run", f"{target}:graph", said, "--model", "openai/gpt-4o"]
        options = {"env": environment, "cwd": tmp_path, "timeout": WATCHDOG}
        return subprocess.run([*command, "--context", str(kept)], capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]

    first, second = agentgraph(QUESTION), agentgraph("Please break down")

    assert (first.returncode, first.stdout) == (0, f"{ANSWER}\n")
    assert re.sub(r"\(\d+\.\d\d s\)", "(took)", first.stderr).splitlines() == [
        "[Triage] hands over to Billing: a refund of INV-7",
        '[Billing] calls lookup_invoice(invoice_id="INV-7")',
        '[Billing] lookup_invoice -> {"invoice_id": "INV-7", "amount": "42.00", "currency": "USD"} (took)',
    ]
    assert (second.returncode, second.stdout) == (1, "")
    assert len(second.stderr.splitlines()) == 1
    assert "boom" in second.stderr
    assert Context.from_json(kept.read_text()).agent == "Billing"
