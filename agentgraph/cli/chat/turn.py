"""One turn, shown while it happens. Ctrl-C stops it; whatever happens, the conversation as it came to be is given back."""

from __future__ import annotations

import json
import threading
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgraph.cli.chat.readout import used
from agentgraph.cli.chat.terminal import Rows, Terminal, going_on
from agentgraph.cli.telling import arguments_of, told
from agentgraph.conversation.text import as_json
from agentgraph.runtime.observations import RunCompleted, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.message import ToolCall
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.config import RunConfig
    from agentgraph.runtime.observations import Observation
    from agentgraph.runtime.result import RunResult
    from agentgraph.runtime.stream import RunStream


class Held(Struct, frozen=True):
    """What a turn has come to."""

    context: Context
    failed: bool = False
    stopped: bool = False


def hold(runner: AgentRunner, said: str | None, context: Context, config: RunConfig, terminal: Terminal) -> Held:
    """Say `said`, or take up what was left where it is None, and show what comes of it."""
    if config.approve is None:
        config = config.replace(approve=approver(terminal))
    began = monotonic()
    stream = runner.stream(said, context=context, config=config)
    try:
        with terminal.turn():
            _follow(stream, terminal)
    except KeyboardInterrupt:
        _let_go(stream)
        terminal.show(_stopped(stream.context), "dim")
        return Held(stream.context, stopped=True)
    result = stream.result
    if result.error is not None:
        terminal.show(f"{result.error}", "error")
    terminal.show(f"{monotonic() - began:.1f} s, {used(result.usage)}", "dim")
    return Held(result.context, failed=result.error is not None)


def approver(terminal: Terminal) -> Callable[[ToolCall], bool | str]:
    """Whoever sits at `terminal`, asked about a call."""

    def approve(call: ToolCall) -> bool | str:
        if threading.current_thread() is not threading.main_thread():
            return "nobody can be asked about a call of an agent that runs beside others"
        answer = terminal.decide(f"Allow {call.name}({arguments_of(call)})?")
        if answer is None:
            return "there was nobody to ask"
        match answer.strip().lower():
            case "y" | "yes":
                return True
            case "n" | "no" | "":
                return False
            case _:
                return answer.strip()

    return approve


def _follow(stream: RunStream, terminal: Terminal) -> None:
    rows: Rows = ()
    for observation in stream:
        after = going_on(rows, observation, monotonic())
        if after != rows:
            rows = after
            terminal.busy(rows)
        _show(observation, terminal)


def _show(observation: Observation, terminal: Terminal) -> None:
    match observation:
        case TextDelta(agent=agent, text=text) if not observation.within:
            terminal.say(agent, text)
        case RunCompleted(result=result) if result.stop_reason == "final":
            terminal.say(result.context.agent or "", _output(result))  # a tool's or a handler's, which nobody has said yet
        case _:
            it = told(observation)
            if it is not None:
                terminal.tell(it)


def _output(result: RunResult) -> str:
    output = result.output
    return output if isinstance(output, str) else json.dumps(as_json(output), ensure_ascii=False)


def _let_go(stream: RunStream) -> None:
    """Close the stream, whoever is impatient."""
    try:
        stream.close()
    except KeyboardInterrupt:
        stream.close()


def _stopped(context: Context) -> str:
    pending = ", ".join(call.name for call in context.pending)
    left = f" {pending} did not come back." if pending else ""
    return f"Stopped. The conversation is kept as it was until here.{left} Say something, /resume, or /undo."
