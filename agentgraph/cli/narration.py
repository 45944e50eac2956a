"""A run told line by line, as it happens."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from agentgraph.cli.telling import line_of, told
from agentgraph.cli.visible import visible

if TYPE_CHECKING:
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.observations import Observation


def narrate(runner: AgentRunner, out: TextIO) -> None:
    """Print every handoff and tool call of `runner` to `out`."""

    def tell(observation: Observation) -> None:
        it = told(observation)
        if it is not None:
            with suppress(OSError):  # whoever read it has gone; the run goes on
                print(visible(line_of(it)), file=out, flush=True)

    runner.on_run_start(tell).on_tool_start(tell).on_tool_complete(tell).on_tool_refused(tell).on_agent_handoff(tell)
