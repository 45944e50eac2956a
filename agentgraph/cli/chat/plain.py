"""A chat through pipes, or on a terminal that can do nothing: lines in, lines out, each flushed as it comes."""

from __future__ import annotations

import io
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TextIO

from agentgraph.cli.chat.spelling import spelled
from agentgraph.cli.chat.wrap import Wrap
from agentgraph.cli.telling import line_of
from agentgraph.cli.visible import visible

if TYPE_CHECKING:
    from agentgraph.cli.chat.terminal import Rows, Tone
    from agentgraph.cli.telling import Told


class Plain:
    """Reads `stdin`; what happens goes to `stdout`, what fails to `stderr`. Attended, it shows a prompt; else it repeats what it read."""

    def __init__(self, stdin: TextIO | None, stdout: TextIO, stderr: TextIO, *, attended: bool) -> None:
        self.attended = attended
        self._in, self._out, self._err = stdin or io.StringIO(), stdout, stderr
        self._speaker: str | None = None
        self._wrap = Wrap()
        if isinstance(self._in, io.TextIOWrapper):
            self._in.reconfigure(errors="replace")

    def ask(self) -> str | None:
        """The next line. Ctrl-C gives it up, and asks again."""
        while True:
            try:
                return self._read("You: ")
            except KeyboardInterrupt:
                if not self.attended:
                    raise
                self._write("\n")

    def decide(self, question: str) -> str | None:
        """The next line is the answer."""
        self._finish()
        return self._read(f"{question} [y, n, or why not] ")

    def turn(self) -> AbstractContextManager[object]:
        """Ends what was being said."""
        return nullcontext()

    def busy(self, rows: Rows) -> None:
        """Nothing turns round here."""
        if rows:
            self._finish()

    def say(self, agent: str, text: str) -> None:
        """A piece of what `agent` says, in a line that begins with its name."""
        if agent != self._speaker:
            self._finish()
            self._speaker, self._wrap = agent, Wrap()
            self._write(f"{agent}: ")
        self._write(self._wrap.feed(visible(text), None))

    def tell(self, it: Told) -> None:
        """A line."""
        self._finish()
        self._write(line_of(it) + "\n")

    def show(self, text: str, tone: Tone = "plain") -> None:
        """Lines; what failed goes to stderr."""
        self._finish()
        if tone == "error":
            print("agentgraph: " + visible(" ".join(text.split())), file=self._err, flush=True)
        else:
            self._write(text + "\n")

    def _finish(self) -> None:
        if self._speaker is not None:
            self._write(self._wrap.end(None) + "\n")
            self._speaker = None

    def _read(self, prompt: str) -> str | None:
        if self.attended:
            self._write(prompt)
        line = self._in.readline()
        if not line:
            if self.attended:
                self._write("\n")
            return None
        line = line.rstrip("\r\n")
        if not self.attended and line.strip():
            self._write(f"{prompt}{line}\n")
        return line

    def _write(self, text: str) -> None:
        self._out.write(spelled(visible(text), self._out.encoding))
        self._out.flush()
