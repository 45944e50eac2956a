"""What happened and what goes on, as styled text. The styles are ours alone: whatever is told is shown as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from agentgraph.cli.chat.spelling import spelled, writes
from agentgraph.cli.visible import one_line, visible

if TYPE_CHECKING:
    from agentgraph.cli.chat.colours import Colours
    from agentgraph.cli.chat.terminal import Row, Rows, Tone
    from agentgraph.cli.telling import Told

_SIGNS = {"returned": ("✓", "green"), "failed": ("✗", "red"), "refused": ("✗", "yellow"), "handed over": ("→", "cyan")}
_TONES: dict[Tone, tuple[str, str]] = {"plain": ("", ""), "dim": ("", "dim"), "error": ("✗ ", "red")}
_FRAMES, _ASCII_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "-\\|/"


class Look:
    """For one terminal: its colours, and what its encoding can write."""

    def __init__(self, colours: Colours, encoding: str) -> None:
        self._colours, self._encoding = colours, encoding
        self._frames = _FRAMES if writes(_FRAMES, encoding) else _ASCII_FRAMES

    def fit(self, text: str) -> str:
        """`text` without anything that the terminal would obey, or could not write of ours."""
        return spelled(visible(text), self._encoding)

    def speaker(self, agent: str) -> Text:
        """What stands before the words of `agent`."""
        return self._agent(agent).append(": ")

    def shown(self, text: str, tone: Tone) -> Text:
        """Lines of the chat's own."""
        sign, style = _TONES[tone]
        return Text(self.fit(sign + text), style)

    def happened(self, it: Told, width: int) -> Text:
        """One thing that happened, on a terminal of this width."""
        sign, style = _SIGNS[it.kind]
        line = Text().append(self.fit(sign), style).append(" ").append_text(self._agent(it.agent))
        if it.kind == "handed over":
            line.append(" hands over to ", "dim").append_text(self._agent(it.name))
            return line.append(self.fit(f": {it.text}") if it.text else "", "dim")
        line.append(" " + self._call(f"{it.name}({it.arguments})", width))
        if it.kind == "refused":
            return line.append(" refused: ", style).append(self.fit(it.text))
        line.append(f" {it.seconds:.2f} s ", "dim")
        return line.append(self.fit(it.text), style) if it.kind == "failed" else line.append(self.fit(f"→ {it.text}"), "dim")

    def going_on(self, rows: Rows, now: float, width: int) -> Text:
        """A spinner for each of `rows`."""
        frame = self._frames[int(now * 10) % len(self._frames)]
        return Text("\n", overflow="ellipsis", no_wrap=True).join(self._spinner(row, frame, now, width) for row in rows)

    def _spinner(self, row: Row, frame: str, now: float, width: int) -> Text:
        line = Text("  " * (row.depth + 1)).append(frame, "cyan").append(" ").append_text(self._agent(row.agent))
        return line.append(" " + self._call(row.what, width)).append(f" {max(now - row.since, 0.0):.1f} s", "dim")

    def _agent(self, name: str) -> Text:
        return Text().append(self.fit(name), self._colours.of(name))

    def _call(self, call: str, width: int) -> str:
        return self.fit(one_line(call, max(width // 2, 20)))
