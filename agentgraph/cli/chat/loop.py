"""The chat itself: lines in, what they mean, what comes of it. Each command leads from one chat to the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from agentgraph.cli import kept
from agentgraph.cli.chat.commands import Do, Say, Unclear, help_text, parse
from agentgraph.cli.chat.readout import context_text, graph_text, where
from agentgraph.cli.chat.session import Chat
from agentgraph.cli.chat.turn import hold
from agentgraph.cli.visible import one_line
from agentgraph.conversation.context import Context, Phase
from agentgraph.engine.continuity import holder, refuse_stranger
from agentgraph.errors import AgentGraphError, ContextError

if TYPE_CHECKING:
    from agentgraph.cli.chat.terminal import Terminal
    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.config import RunConfig
    from agentgraph.runtime.conversation import Conversation
    from agentgraph.runtime.stream import RunStream

_FORK = "agentgraph conversations fork begins another one behind any step, and agentgraph chat --conversation ID goes on with it."


class Desk(Struct, frozen=True):
    """What a chat is held with, and where it is kept: in a file, in a store, or nowhere."""

    runner: AgentRunner
    config: RunConfig
    terminal: Terminal
    file: Path | None = None
    stored: Conversation | None = None

    def begun(self, said: str | None, context: Context, config: RunConfig) -> RunStream:
        """A turn that says `said`, or, where it is None, takes up what was left."""
        return self.runner.stream(said, context, config) if self.stored is None else self.stored.stream(said, config)


def converse(desk: Desk, chat: Chat) -> Chat:
    """Go on until there are no more lines; the chat as it is then."""
    if chat.context.messages:
        _say_where(desk, chat.context)
    while (line := desk.terminal.ask()) is not None:
        meant = parse(line)
        if meant == Do("/quit"):
            break
        before = chat
        try:
            chat = _answered(desk, chat, meant)
            if chat.context is not before.context:
                _keep(desk, chat.context)
        except KeyboardInterrupt:  # between two things, where there is nothing to stop
            if not desk.terminal.attended:
                raise
        except AgentGraphError as wrong:
            desk.terminal.show(str(wrong), "error")
            chat = before.after_failure()
    return chat


def _answered(desk: Desk, chat: Chat, meant: Say | Do | Unclear | None) -> Chat:
    show, context, machine = desk.terminal.show, chat.context, desk.runner.machine
    match meant:
        case Do("/undo" | "/new" | "/load" as name) if desk.stored is not None:
            show(f"{name} would lead away from what the store holds, where nothing is changed: {_FORK}", "error")
            return chat.after_failure()
        case Say(text):
            return _turn(desk, chat, text)
        case Unclear(why):
            show(why, "error")
            return chat.after_failure()
        case Do("/resume"):
            return _turn(desk, chat, None)
        case Do("/help"):
            show(help_text())
        case Do("/context"):
            show(context_text(machine, context))
        case Do("/graph"):
            show(graph_text(machine, holder(machine, context)[0]))
        case Do("/undo"):
            return _undo(desk, chat)
        case Do("/new"):
            show(f"A new conversation. {holder(machine, Context())[0]} answers next.", "dim")
            return chat.moved(Context(), "/new")
        case Do("/save", file):
            kept.write_over(Path(file).expanduser(), context)
            show(f"Saved to {file}.", "dim")
        case Do("/load", file):
            loaded = load(desk.runner, Path(file).expanduser())
            _say_where(desk, loaded)
            return chat.moved(loaded, f"/load {file}")
        case _:
            pass
    return chat


def _turn(desk: Desk, chat: Chat, said: str | None) -> Chat:
    held = hold(lambda config: desk.begun(said, chat.context, config), desk.config, desk.terminal)
    after = chat.moved(held.context, "/resume" if said is None else f'"{one_line(said, 60)}"', failed=held.failed)
    if held.stopped and not desk.terminal.attended:
        _keep(desk, after.context)
        raise KeyboardInterrupt
    return after


def _undo(desk: Desk, chat: Chat) -> Chat:
    if chat.last is None:
        desk.terminal.show("There is nothing to undo.", "dim")
        return chat
    after = chat.undone()
    desk.terminal.show(f"Undone: {chat.last.done}. Back to {where(desk.runner.machine, after.context)}.", "dim")
    return after


def load(runner: AgentRunner, file: Path) -> Context:
    """The conversation in `file`, which must fit `runner`.

    Raises:
        ContextError: when it cannot be read, or belongs to another topology.
    """
    context = kept.read(file)
    refuse_stranger(runner.machine, context)
    return context


def _say_where(desk: Desk, context: Context) -> None:
    desk.terminal.show(f"Going on with {where(desk.runner.machine, context)}.", "dim")
    if context.phase is not Phase.WAITING:
        desk.terminal.show("It was left in the middle of a turn: /resume takes that up, a message goes on without it.", "dim")


def _keep(desk: Desk, context: Context) -> None:
    if desk.file is not None:
        try:
            kept.write(desk.file, context)
        except ContextError as wrong:
            desk.terminal.show(str(wrong), "error")
