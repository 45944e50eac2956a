"""`agentgraph chat`: whom to talk to, and through what."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from agentgraph.cli import kept
from agentgraph.cli.chat.loop import Desk, converse, load
from agentgraph.cli.chat.plain import Plain
from agentgraph.cli.chat.session import Chat
from agentgraph.cli.stored import conversation_of
from agentgraph.cli.target import configured, runner_at
from agentgraph.conversation.context import Context
from agentgraph.engine.continuity import refuse_stranger

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.cli.chat.terminal import Terminal
    from agentgraph.machine.machine import Machine
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.conversation import Conversation

DEMO = "agentgraph.cli.demo:graph"
_RULES = 'Offline demonstration: rules answer here, not a language model. Try "What is the balance of ACC-17?", then "Refund me!".'


def chat(target: str | None, model: str | None, file: Path | None, store: str | None, conversation: str | None, *, history: bool) -> int:
    """Hold a conversation with `target`, or with the demonstration. The exit code."""
    runner = runner_at(target or DEMO)
    config = configured(runner, target or DEMO, model)
    with conversation_of(runner, store, conversation, file) as stored:
        kept.refuse_missing_folder(file)
        context = _so_far(runner, file, stored)
        terminal = _terminal(runner.machine, history=history)
        if target is None and model is None:
            terminal.show(_RULES, "dim")
        if terminal.attended:
            terminal.show("/help lists the commands; ctrl-D leaves.", "dim")
        last = converse(Desk(runner, config, terminal, file, stored), Chat(context))
    return 1 if last.failed and not terminal.attended else 0


def _so_far(runner: AgentRunner, file: Path | None, stored: Conversation | None) -> Context:
    if stored is not None:
        context = stored.context
        refuse_stranger(runner.machine, context)
        return context
    return load(runner, file) if file is not None and file.exists() else Context()


def _terminal(machine: Machine, *, history: bool) -> Terminal:
    attended = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if not attended or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return Plain(sys.stdin, sys.stdout, sys.stderr, attended=attended)
    from agentgraph.cli.chat.screen import Screen

    return Screen(machine, history=history)
