"""A run told line by line, as it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from agentgraph.conversation.text import as_text
from agentgraph.runtime.observations import AgentHandoff, RunStarted, ToolCompleted, ToolRefused, ToolStarted

if TYPE_CHECKING:
    from agentgraph.runtime.agent_runner import AgentRunner

_WIDEST = 200


def narrate(runner: AgentRunner, out: TextIO) -> None:
    """Print every handoff and tool call of `runner` to `out`."""

    def say(line: str) -> None:
        with suppress(OSError):  # whoever read it has gone; the run goes on
            print(line, file=out, flush=True)

    def tool_started(event: ToolStarted) -> None:
        arguments = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in event.arguments.items())
        say(f"[{event.agent}] calls {event.name}({arguments})")

    def tool_completed(event: ToolCompleted) -> None:
        outcome = f"error: {event.error}" if event.error is not None else as_text(event.value, _WIDEST)
        say(f"[{event.agent}] {event.name} -> {as_text(outcome, _WIDEST)}")

    def tool_refused(event: ToolRefused) -> None:
        say(f"[{event.agent}] {event.name} {as_text(event.reason, _WIDEST)}")

    def handed_off(event: AgentHandoff) -> None:
        say(f"[{event.source}] hands over to {event.target}" + (f": {event.reason}" if event.reason else ""))

    def started(event: RunStarted) -> None:
        if event.why.startswith("unknown"):
            say(f"({event.why}: {event.agent} answers)")

    runner.on_run_start(started).on_tool_start(tool_started).on_tool_complete(tool_completed).on_tool_refused(
        tool_refused
    ).on_agent_handoff(handed_off)
