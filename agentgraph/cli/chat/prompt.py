"""Reading lines on a terminal: editing, history between sessions, completion. The only file that speaks prompt_toolkit."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import DummyHistory, FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.output import ColorDepth

from agentgraph.cli.chat.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.key_binding import KeyPressEvent


class Prompt:
    """Asks for lines. Ctrl-C clears the line, ctrl-D on an empty one leaves."""

    def __init__(self, *, history: bool, colours: bool) -> None:
        depth = None if colours else ColorDepth.DEPTH_1_BIT
        self._lines: PromptSession[str] = PromptSession(
            history=kept_history() if history else InMemoryHistory(), completer=Commands(), key_bindings=_clearing(), color_depth=depth
        )
        self._answers: PromptSession[str] = PromptSession(history=DummyHistory(), color_depth=depth)

    def line(self, prompt: str) -> str | None:
        """The next line; None when there will be no more."""
        while True:
            try:
                return self._lines.prompt(FormattedText([("bold", prompt)]), reserve_space_for_menu=4)
            except KeyboardInterrupt:  # a signal, rather than the key
                continue
            except EOFError:
                return None

    def answer(self, prompt: str) -> str | None:
        """The answer to a question; None for ctrl-D.

        Raises:
            KeyboardInterrupt: for ctrl-C.
        """
        try:
            return self._answers.prompt(FormattedText([("bold", prompt)]))
        except EOFError:
            return None


class Commands(Completer):
    """Completes commands, and the names of files after those that take one."""

    def __init__(self) -> None:
        self._files = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """What may come at the cursor."""
        text = document.text_before_cursor
        name, blank, rest = text.partition(" ")
        if blank and name in COMMANDS and COMMANDS[name].takes:
            yield from self._files.get_completions(Document(rest.lstrip()), complete_event)
        elif not blank and text.startswith("/"):
            for command, it in COMMANDS.items():
                if command.startswith(text):
                    yield Completion(command, -len(text), display_meta=it.says)


def kept_history() -> History:
    """The lines of earlier sessions, in a file that nobody else may read; of this session alone where there can be none."""
    file = user_state_path("agentgraph", appauthor=False) / "chat-history"
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(file)
        return FileHistory(str(file))
    return InMemoryHistory()


def _make_private(file: Path) -> None:
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    file.chmod(0o600)


def _clearing() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("c-c")
    def clear(event: KeyPressEvent) -> None:
        event.current_buffer.reset()

    return keys
