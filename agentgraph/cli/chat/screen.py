"""A chat on a terminal: colours, a spinner while something goes on, and a line for what has happened."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from agentgraph.cli.chat.colours import Colours
from agentgraph.cli.chat.keys import unechoed
from agentgraph.cli.chat.look import Look
from agentgraph.cli.chat.prompt import Prompt
from agentgraph.cli.chat.wrap import Wrap
from agentgraph.cli.telling import Told
from agentgraph.cli.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.cli.chat.terminal import Rows, Tone
    from agentgraph.machine.machine import Machine


class Screen:
    """Speaks to rich and prompt_toolkit."""

    attended = True

    def __init__(self, machine: Machine, *, history: bool) -> None:
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._prompt = Prompt(history=history, colours=not self._console.no_color)
        self._look = Look(Colours(machine), self._console.encoding)
        self._speaker: str | None = None
        self._wrap = Wrap()
        self._rows: Rows = ()
        self._live: Live | None = None

    def ask(self) -> str | None:
        """A line, with all that prompt_toolkit gives."""
        self._rest()
        self._console.print()
        return self._prompt.line("You: ")

    def decide(self, question: str) -> str | None:
        """A line, with the spinner out of the way."""
        self._rest()
        return self._prompt.answer(f"{self._look.fit(question)} [y, n, or why not] ")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keys do not show while an answer is written, and the cursor comes back however it ends."""
        with ExitStack() as stack:
            stack.callback(self._rest)
            stack.enter_context(unechoed(sys.stdin))
            yield

    def busy(self, rows: Rows) -> None:
        """A spinner a row; none, when there are none."""
        self._rows = rows
        if not rows:
            self._still()
            return
        self._finish()
        if self._live is None:
            self._live = Live(get_renderable=self._spinners, console=self._console, transient=True, refresh_per_second=10)
            self._live.start()

    def say(self, agent: str, text: str) -> None:
        """A piece of what `agent` says, broken between words."""
        self._still()
        if agent != self._speaker:
            self._finish()
            name = self._look.speaker(agent)
            self._speaker, self._wrap = agent, Wrap(name.cell_len)
            self._console.print(name, end="", soft_wrap=True)
        self._write(self._wrap.feed(visible(text), self._console.width))

    def tell(self, it: Told) -> None:
        """One line; two or more where something is wrong, and is told in full."""
        if it.kind == "called":
            return  # the spinner tells it
        self._finish()
        if it.kind == "note":
            self.show(it.text, "dim")
            return
        self._print(self._look.happened(it, self._console.width), it.depth + 1, whole=it.kind != "returned")

    def show(self, text: str, tone: Tone = "plain") -> None:
        """Lines."""
        self._finish()
        self._print(self._look.shown(text, tone), 0, whole=True)

    def _spinners(self) -> Text:
        return self._look.going_on(self._rows, self._console.get_time(), self._console.width)

    # -- where the cursor is -------------------------------------------------------------------------------------------

    def _print(self, line: Text, depth: int, *, whole: bool) -> None:
        """A line, or as many as it takes where it is told `whole`; without blanks at the end, so that it can be copied."""
        room = max(self._console.width - 2 * depth, 1)
        if not whole:
            line.truncate(room, overflow="ellipsis")
        for part in line.wrap(self._console, room, overflow="fold") if whole else [line]:
            part.rstrip()
            self._console.print(Text("  " * depth).append_text(part), soft_wrap=True)

    def _write(self, text: str) -> None:
        self._console.file.write(text)
        self._console.file.flush()

    def _finish(self) -> None:
        """End what is being said."""
        if self._speaker is not None:
            self._write(self._wrap.end(self._console.width) + "\n")
            self._speaker = None

    def _still(self) -> None:
        """End the spinner."""
        if self._live is not None:
            self._live.stop()  # first: who is interrupted here is to come back
            self._live = None

    def _rest(self) -> None:
        self._still()
        self._finish()
