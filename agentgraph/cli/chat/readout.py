"""What the commands show: a context, a graph, what a turn has used. Values in, text out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentgraph.cli.telling import arguments_of
from agentgraph.cli.visible import one_line
from agentgraph.conversation.context import Phase
from agentgraph.engine.continuity import holder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.usage import Usage
    from agentgraph.definition.tool import Tool
    from agentgraph.graph.edge import Edge
    from agentgraph.machine.machine import Machine

_WIDEST = 200
_WAITS = {Phase.WAITING: "it is your turn", Phase.THINKING: "left in the middle of an answer", Phase.ACTING: "left with calls pending"}


def number(count: int, noun: str) -> str:
    """`count` of them.

    >>> number(1, "turn"), number(2000, "turn")
    ('1 turn', '2,000 turns')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def used(usage: Usage) -> str:
    """Model calls, and tokens and dollars where they are known."""
    parts = [number(usage.requests, "model call")]
    if usage.total_tokens:
        parts.append(f"{usage.input_tokens:,} tokens in, {usage.output_tokens:,} out")
    if usage.cost:
        parts.append(f"${usage.cost:.6f}".rstrip("0").rstrip(".") if usage.cost < 0.01 else f"${usage.cost:.2f}")  # noqa: PLR2004 - a cent
    return ", ".join(parts)


def where(machine: Machine, context: Context) -> str:
    """Who holds the conversation, and how far it has come."""
    return f"{holder(machine, context)[0]}, {number(context.turn, 'turn')}, {number(len(context.messages), 'message')}"


def context_text(machine: Machine, context: Context) -> str:
    """All that is known of a conversation, but what was said."""
    data = [f"{key} = {one_line(json.dumps(value, ensure_ascii=False), _WIDEST)}" for key, value in context.data.items()]
    rows = {
        "agent": [f"{holder(machine, context)[0]}; {_WAITS[context.phase]}"],
        "turn": [f"{context.turn:,}"],
        "messages": [f"{len(context.messages):,}"],
        "data": data or ["none"],
        "facts": [", ".join(sorted(context.facts)) or "none"],
        "pending": [f"{call.name}({arguments_of(call)})" for call in context.pending] or ["none"],
        "usage": [used(context.usage)],
    }
    return "\n".join(f"{name if i == 0 else '':8}  {line}" for name, lines in rows.items() for i, line in enumerate(lines))


def graph_text(machine: Machine, agent: str) -> str:
    """The agents of `machine` as a tree of text; `agent` is marked as the one that holds the conversation."""

    def tree(name: str) -> Iterator[str]:
        groups = [group.name for group in machine.groups.values() if name in group.members]
        marks = [*(f"in {group}" for group in groups), *(["entry"] if name == machine.entry else [])]
        marks += ["holds the conversation"] if name == agent else []
        yield f"{'*' if name == agent else ' '} {name}" + (f"  ({', '.join(marks)})" if marks else "")
        offer = machine.offer(name)
        leaves = [*map(_tool, offer.tools.values()), *map(_handoff, offer.handoffs.values())]
        for i, leaf in enumerate(leaves, 1):
            yield f"  {'└─' if i == len(leaves) else '├─'} {leaf}"

    size = f"{number(len(machine.agents), 'agent')}, {number(len(machine.edges), 'handoff')}"
    return "\n".join([f"{machine.name}: {size}", *(line for name in machine.agents for line in tree(name))])


def _tool(tool: Tool) -> str:
    given = ", ".join(tool.parameters.get("properties", {}))
    marks = [
        *([f"asks {tool.agent.name}"] if tool.agent is not None else []),
        *(f"needs {fact}" for fact in sorted(tool.requires)),
        *(f"sets {fact}" for fact in sorted(tool.sets)),
        *(["asks you first"] if tool.needs_approval else []),
        *(["ends the turn"] if tool.final else []),
    ]
    return f"{tool.name}({given})" + (f"  [{', '.join(marks)}]" if marks else "")


def _handoff(edge: Edge) -> str:
    marks = [f"needs {fact}" for fact in sorted(edge.handoff.requires)] + (["on a condition"] if edge.handoff.when is not None else [])
    why = f": {one_line(edge.handoff.description, _WIDEST)}" if edge.handoff.description else ""
    return f"→ {edge.target}{why}" + (f"  [{', '.join(marks)}]" if marks else "")
