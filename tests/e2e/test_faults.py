"""Every fault in every protocol and in every way: survived, or a typed error with nothing lost; never silently wrong.

What is expected of each is the table below. "survived" is the right answer in the end; else it is the reason of the
`ProviderError` behind the run's error, and its status. In every case no tool has run on half a call, all that was sent was
acceptable to the provider, and the next message gets its answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import pytest
from _pytest.mark import ParameterSet

from agentgraph import Agent, AgentRunner, ModelError, ProviderError, RunConfig, RunResult, tool
from tests.e2e.faults import ANSWER, FAULTS, HALF, TOLD
from tests.e2e.raw_provider import PROTOCOLS, raw_provider
from tests.e2e.ways import STREAMED, WAYS

pytestmark = pytest.mark.wire

EXPECTED = """
fault                          openai             streamed           anthropic          streamed           gemini             streamed
429 with Retry-After         | rate_limited 429 | rate_limited 429 | rate_limited 429 | rate_limited 429 | rate_limited 429 | rate_limited 429
500                          | unavailable 500  | unavailable 500  | unavailable 500  | unavailable 500  | unavailable 500  | unavailable 500
503 once, then well          | survived         | survived         | survived         | survived         | survived         | survived
a body that is no JSON       | unreadable       | cut_short        | unreadable       | cut_short        | unreadable       | cut_short
a clean end in the text      | unreadable       | cut_short        | unreadable       | cut_short        | unreadable       | half
a clean end in the arguments | unreadable       | cut_short        | unreadable       | cut_short        | unreadable       | unreadable
no finish after the text     | unreadable       | cut_short        | unreadable       | cut_short        | unreadable       | whole
no finish after a call       | unreadable       | cut_short        | unreadable       | cut_short        | unreadable       | unreadable
a reset in the text          | unavailable      | cut_short        | unavailable      | cut_short        | unavailable      | cut_short
a reset in the arguments     | unavailable      | cut_short        | unavailable      | cut_short        | unavailable      | unavailable
an error in the text         | unavailable      | cut_short        | unavailable      | cut_short        | unreadable       | cut_short
arguments that are no JSON   | survived         | survived         | survived         | survived         | survived         | survived
arguments that are a list    | survived         | survived         | survived         | survived         | survived         | survived
an unknown tool              | survived         | survived         | survived         | survived         | survived         | survived
call ids given twice         | survived         | survived         | survived         | survived         | survived         | survived
call ids that are empty      | survived         | survived         | survived         | survived         | survived         | survived
a late first byte            | timeout          | timeout          | timeout          | timeout          | timeout          | timeout
a slow drip                  | timeout          | timeout          | timeout          | timeout          | timeout          | timeout
an empty reply               | survived         | survived         | survived         | survived         | survived         | survived
the output limit             | truncated        | truncated        | truncated        | truncated        | truncated        | truncated
a content filter             | withheld         | withheld         | withheld         | withheld         | withheld         | withheld
"""

GAP = {"half": HALF, "whole": TOLD}
"""The known gap: a stream of Gemini's, asked for without tools, gives litellm no sign of its end, so a clean end passes for it.
It is "half" or the "whole" of what was said. With tools nothing is streamed there, so no tool is ever run on half a call."""


class Cell(NamedTuple):
    fault: str
    protocol: str
    way: str
    expected: str


def _cells() -> Iterator[ParameterSet]:
    rows = [[cell.strip() for cell in row.split("|")] for row in EXPECTED.strip().splitlines()[1:]]
    assert [fault for fault, *_ in rows] == list(FAULTS), "every fault has its row"
    for fault, *expected in rows:
        for (column, protocol), way in product(enumerate(PROTOCOLS), WAYS):
            streaming = way in STREAMED
            cell = Cell(fault, protocol, way, expected[2 * column + streaming])
            yield pytest.param(cell, id=", ".join(cell[:3]))


@pytest.mark.parametrize("cell", [*_cells()])
def test_a_fault_is_survived_or_told(cell: Cell) -> None:
    fault, hold = FAULTS[cell.fault], WAYS[cell.way]
    paid: list[int] = []

    @tool
    def pay(amount: int = 100) -> str:
        """Pay. Half a call would pay, too."""
        paid.append(amount)
        return f"paid {amount}"

    desk = AgentRunner(Agent("Desk", instructions="You are Desk.", tools=(pay,) if fault.tools else ()))
    with raw_provider(*fault.script(PROTOCOLS[cell.protocol]), protocol=cell.protocol) as provider:
        first = hold(desk, "Was it approved?", None, RunConfig(model=provider.model(**fault.options))).result
        asked = len(provider.asked)
        again = hold(desk, "And now?", first.context, RunConfig(model=provider.model(retries=0))).result

    if cell.expected == "survived":
        assert (first.error, first.output) == (None, ANSWER)
    elif cell.expected in GAP:
        assert (first.error, first.output) == (None, GAP[cell.expected])
    else:
        assert _told(first).startswith(cell.expected)
        assert asked == 1
        assert first.output is None
        assert [message.role for message in first.messages] == ["user"]
    assert tuple(paid) == fault.paid
    assert (again.error, again.output) == (None, ANSWER)
    assert again.messages[: len(first.messages)] == first.messages
    assert provider.violations == []


def _told(result: RunResult) -> str:
    """What the run's error says as data."""
    assert type(result.error) is ModelError, result.output
    assert result.stop_reason == "error"
    cause = result.error.__cause__
    assert isinstance(cause, ProviderError)
    return f"{cause.reason} {cause.status}"
