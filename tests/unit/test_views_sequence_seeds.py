"""The three sequence diagrams that were drawn by hand, from runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agentgraph import RunResult
from diagrams import seed_runs

DRAWN_BY_HAND = Path(__file__).parent.parent / "seeds"


@pytest.mark.parametrize(
    ("name", "run"),
    [("3-plain-answer", seed_runs.plain_answer), ("4-tool-call", seed_runs.tool_call), ("5-handoff", seed_runs.handed_over)],
)
def test_a_run_gives_the_bytes_that_were_drawn_by_hand(name: str, run: Callable[[], RunResult]) -> None:
    by_hand = (DRAWN_BY_HAND / f"{name}.mmd").read_bytes()

    assert run().to_mermaid().encode() == by_hand
    assert run().sequence(participants="roles", detail="tools", max_text=80).to_mermaid().encode() == by_hand
