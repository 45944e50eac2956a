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
from agentgraph.conversation.context import Context, Phase
from agentgraph.conversation.text import as_json
from agentgraph.runtime.observations import RunCompleted, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgraph.conversation.message import ToolCall
    from agentgraph.runtime.config import RunConfig
    from agentgraph.runtime.observations import Observation
    from agentgraph.runtime.result import RunResult
    from agentgraph.runtime.stream import RunStream


class Held(Struct, frozen=True):
    """What a turn has come to."""

    context: Context
    failed: bool = False
    stopped: bool = False


def hold(begin: Callable[[RunConfig], RunStream], config: RunConfig, terminal: Terminal) -> Held:
    """Hold the turn that `begin` begins, and show what comes of it."""
    asked = Asked(terminal)
    if config.approve is None:
        config = config.replace(approve=asked)
    began = monotonic()
    stream = begin(config)
    try:
        with stream, terminal.turn():
            _follow(stream, terminal)
        result = stream.result
        if result.error is not None:
            terminal.show(str(result.error), "error")
        terminal.show(f"{monotonic() - began - asked.seconds:.1f} s, {used(result.usage)}", "dim")
    except KeyboardInterrupt:
        if stream.context.phase is not Phase.WAITING:
            terminal.show(_stopped(stream.context), "dim")
        return Held(stream.context, stopped=True)
    return Held(result.context, failed=result.error is not None)


class Asked:
    """Whoever sits at `terminal`, asked about calls. `seconds` is how long they took to answer: no time of the turn's."""

    def __init__(self, terminal: Terminal) -> None:
        self.seconds = 0.0
        self._terminal = terminal

    def __call__(self, call: ToolCall) -> bool | str:
        """Whether `call` is allowed, or why not."""
        if threading.current_thread() is not threading.main_thread():
            return "nobody can be asked about a call of an agent that runs beside others"
        began = monotonic()
        answer = self._terminal.decide(f"Allow {call.name}({arguments_of(call)})?")
        self.seconds += monotonic() - began
        if answer is None:
            return "there was nobody to ask"
        match answer.strip().lower():
            case "y" | "yes":
                return True
            case "n" | "no" | "":
                return False
            case _:
                return answer.strip()


def _follow(stream: RunStream, terminal: Terminal) -> None:
    rows: Rows = ()
    speaking = False
    for observation in stream:
        after = going_on(rows, observation, monotonic())
        if after != rows:
            rows = after
            terminal.busy(rows)
        agent, text = _said(observation)
        if text and not speaking:
            text = text.lstrip()  # models like to begin with empty lines
        if text:
            terminal.say(agent, text)
        it = told(observation)
        if it is not None:
            terminal.tell(it)
        speaking = bool(text) or (speaking and isinstance(observation, TextDelta))


def _said(observation: Observation) -> tuple[str, str]:
    """Who says what to the user. What agents inside tools write is theirs."""
    match observation:
        case TextDelta(agent=agent, text=text) if not observation.within:
            return agent, text
        case RunCompleted(result=result) if result.stop_reason == "final":
            return result.context.agent or "", _output(result)  # a tool's or a handler's, which nobody has said yet
        case _:
            return "", ""


def _output(result: RunResult) -> str:
    output = result.output
    return output if isinstance(output, str) else json.dumps(as_json(output), ensure_ascii=False)


def _stopped(context: Context) -> str:
    pending = ", ".join(call.name for call in context.pending)
    left = f" {pending} did not come back." if pending else ""
    return f"Stopped. The conversation is kept, without this unfinished answer.{left} Say something, /resume, or /undo."
