"""Observations -> what is told of them, as values; and those as plain lines. Every way of showing a run reads these."""

from __future__ import annotations

import json
from typing import Literal

from msgspec import Struct

from agentgraph.cli.visible import one_line
from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.text import as_text
from agentgraph.runtime.observations import AgentHandoff, Observation, RunStarted, ToolCompleted, ToolRefused, ToolStarted

WIDEST = 200
"""Characters of a result, an error or a reason that are told."""

Kind = Literal["called", "returned", "failed", "refused", "handed over", "note"]


class Told(Struct, frozen=True, kw_only=True):
    """One thing that happened. `agent` did it to `name`, a tool or an agent, and `text` is what came of it."""

    kind: Kind
    agent: str = ""
    name: str = ""
    arguments: str = ""
    text: str = ""
    seconds: float = 0.0
    depth: int = 0
    """How many agents used as tools it lies within."""


def told(observation: Observation) -> Told | None:
    """What is to be told of `observation`; None where nothing is."""
    depth = len(observation.within)
    match observation:
        case ToolStarted(agent=agent, call=call):
            return Told(kind="called", agent=agent, name=call.name, arguments=arguments_of(call), depth=depth)
        case ToolCompleted(agent=agent, call=call, error=error, seconds=seconds):
            failed = error is not None
            text = f"error: {error}" if failed else as_text(observation.value, WIDEST)
            return Told(
                kind="failed" if failed else "returned",
                agent=agent,
                name=call.name,
                arguments=arguments_of(call),
                text=one_line(text, WIDEST),
                seconds=seconds,
                depth=depth,
            )
        case ToolRefused(agent=agent, call=call, reason=reason):
            why = one_line(reason, WIDEST)
            return Told(kind="refused", agent=agent, name=call.name, arguments=arguments_of(call), text=why, depth=depth)
        case AgentHandoff(source=source, target=target, reason=reason):
            return Told(kind="handed over", agent=source, name=target, text=one_line(reason, WIDEST), depth=depth)
        case RunStarted(agent=agent, why=why) if why.startswith("unknown"):
            return Told(kind="note", text=f"({one_line(why, WIDEST)}: {agent} answers)")
        case _:
            return None


def arguments_of(call: ToolCall) -> str:
    """What `call` was given, as Python would write it.

    >>> arguments_of(ToolCall("c1", "pay", {"amount": 3, "to": "Ada"}))
    'amount=3, to="Ada"'
    """
    return one_line(", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in call.arguments.items()), WIDEST)


def line_of(it: Told) -> str:
    """`it` as a plain line.

    >>> line_of(Told(kind="returned", agent="Billing", name="pay", text="done", seconds=1.234))
    '[Billing] pay -> done (1.23 s)'
    """
    return "  " * it.depth + _line(it)


def _line(it: Told) -> str:
    match it.kind:
        case "called":
            return f"[{it.agent}] calls {it.name}({it.arguments})"
        case "returned" | "failed":
            return f"[{it.agent}] {it.name} -> {it.text} ({it.seconds:.2f} s)"
        case "refused":
            return f"[{it.agent}] {it.name} is refused: {it.text}"
        case "handed over":
            return f"[{it.agent}] hands over to {it.name}" + (f": {it.text}" if it.text else "")
        case _:
            return it.text
