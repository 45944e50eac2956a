"""`agentgraph chat` on a real (pseudo) terminal: keys go in, a screen comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DESK = r'''
import time
from agentgraph import Agent, AgentGraph, Reply, call, tool

@tool(needs_approval=True)
def delete(path: str) -> str:
    """Delete."""
    return f"deleted {path}"

class Rules:
    def reply(self, request):
        last, said = request.messages[-1], next(m.text for m in reversed(request.messages) if m.role == "user")
        if last.role == "tool":
            return Reply(f"It gave: {last.text}")
        if said == "delete":
            return Reply(None, (call("delete", path="/etc"),))
        if said == "fail":
            raise ConnectionError("the provider is \x1b]0;owned\x07away")
        if said == "evil":
            return Reply("\x1b]0;owned\x07 [bold]markup[/bold] \u202eabc\nYou: forged")
        if said == "delete evil":
            return Reply(None, (call("delete", path="\x1b]0;owned\x07\u202e"),))
        return Reply(f"You said: {said}")

    def stream(self, request):
        reply = self.reply(request)
        if reply.text == "You said: for ever":
            for word in range(6000):
                yield f"word{word} "
                time.sleep(0.01)
        yield from [reply.text] if reply.text else []
        yield reply

graph = AgentGraph("desk").add_agent(Agent("Desk", model=Rules(), tools=[delete]))
'''

# Opening the terminal is what makes it the one that ctrl-C comes from.
OWN_TERMINAL = "import os, sys; os.close(os.open(os.ttyname(0), os.O_RDWR)); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
ORDERS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b(\[[0-?]*[ -/]*)?\Z")  # or the beginning of one


class Typist:
    """Types into a program, and reads what it shows."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self.terminal, self.process = terminal, process
        self.raw = ""
        self._seen = 0

    def types(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def sees(self, text: str, seconds: float = 20.0) -> None:
        """Wait until `text` is shown, after what was seen before."""
        end = time.monotonic() + seconds
        while (at := self._shown().find(text, self._seen)) < 0:
            assert time.monotonic() < end, f"{text!r} was not shown in {seconds:g} s, but: {self._shown()[self._seen :][-1000:]!r}"
            self._read()
        self._seen = at + len(text)

    def _shown(self) -> str:
        return ORDERS.sub("", self.raw)

    def leaves(self) -> int:
        """Wait until the program has ended; its exit code."""
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            self._read()
        return self.process.wait(1)

    def _read(self) -> None:
        import select

        if select.select([self.terminal], [], [], 0.1)[0]:
            try:
                self.raw += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:  # how Linux says that the other end is closed
                time.sleep(0.05)


def opened() -> tuple[int, int]:
    """A pseudo terminal; where there can be none the tests are skipped, but not in CI."""
    try:
        import pty
        import termios

        ours, its = pty.openpty()
        termios.tcsetwinsize(its, (30, 160))
    except (ImportError, OSError) as wrong:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"there is no pseudo terminal here: {wrong}")
    return ours, its


class Desk:
    """Where chats are started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._typists: list[Typist] = []

    def chat(self, *given: str, **environment: str) -> Typist:
        ours, its = opened()
        process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, "-W", "error", "-m", "agentgraph.cli.app", "chat", *given],
            cwd=self.folder,
            env={
                **{name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")},
                "TERM": "xterm-256color",
                "PROMPT_TOOLKIT_NO_CPR": "1",
                "PYTHONIOENCODING": "utf-8",
                "XDG_STATE_HOME": str(self.folder / "state"),
                **environment,
            },
            stdin=its,
            stdout=its,
            stderr=its,
            start_new_session=True,
        )
        os.close(its)
        self._typists.append(Typist(ours, process))
        return self._typists[-1]

    def close(self) -> None:
        for typist in self._typists:
            typist.process.kill()
            typist.process.wait(10)
            os.close(typist.terminal)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "desk.py").write_text(DESK, encoding="utf-8")
    made = Desk(tmp_path)
    yield made
    made.close()


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph", "--context", "talk.json")
    typist.sees("You:")
    typist.types("for ever\r")
    typist.sees("word9")
    typist.types("\x03")
    typist.sees("Stopped. The conversation is kept")
    typist.sees("You:")
    typist.types("go on\r")
    typist.sees("You said: go on")
    typist.sees("You:")
    typist.types("/undo\r")
    typist.sees('Undone: "go on". Back to Desk, 1 turn')
    typist.sees("You:")
    typist.types("/undo\r")
    typist.sees('Undone: "for ever". Back to Desk, 0 turns')
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0
    assert "Traceback" not in typist.raw
    assert (desk.folder / "talk.json").exists()


def test_ctrl_c_at_the_prompt_clears_the_line(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph")
    typist.sees("You:")
    typist.types("never sent")
    typist.sees("never sent")
    typist.types("\x03sent\r")
    typist.sees("You said: sent")
    typist.types("/quit\r")

    assert typist.leaves() == 0


def test_arrow_up_brings_back_what_was_typed_also_in_another_session(desk: Desk) -> None:
    first = desk.chat("desk.py:graph")
    first.sees("You:")
    first.types("remember me\r")
    first.sees("You said: remember me")
    first.sees("You:")
    first.types("\x1b[A\r")
    first.sees("You said: remember me")
    first.sees("You:")
    first.types("\x04")
    assert first.leaves() == 0

    second = desk.chat("desk.py:graph")
    second.sees("You:")
    second.types("\x1b[A\r")
    second.sees("You said: remember me")
    second.sees("You:")
    second.types("\x04")
    assert second.leaves() == 0
    kept = next((desk.folder / "state").rglob("chat-history"))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_no_history_neither_reads_nor_keeps_it(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph", "--no-history")
    typist.sees("You:")
    typist.types("a secret\r")
    typist.sees("You said: a secret")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0
    assert not (desk.folder / "state").exists()


def test_a_person_is_asked(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph")
    for answer, outcome in (("y", "It gave: deleted /etc"), ("too dangerous", "not approved: too dangerous")):
        typist.sees("You:")
        typist.types("delete\r")
        typist.sees('Allow delete(path="/etc")? [y, n, or why not]')
        typist.types(f"{answer}\r")
        typist.sees(outcome)
    typist.sees("You:")
    typist.types("delete\r")
    typist.sees("or why not]")
    typist.types("\x03")
    typist.sees("Stopped.")
    typist.sees("delete did not come back")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0


def test_a_failure_is_shown_and_the_conversation_goes_on(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph")
    typist.sees("You:")
    typist.types("fail\r")
    typist.sees("ConnectionError: the provider is \\u001b]0;owned\\u0007away")
    typist.sees("You:")
    typist.types("still there\r")
    typist.sees("You said: still there")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0


def test_no_answer_no_tool_and_no_question_can_give_the_terminal_an_order(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph")
    typist.sees("You:")
    typist.types("evil\r")
    typist.sees("Desk: \\u001b]0;owned\\u0007 [bold]markup[/bold] \\u202eabc\r\n  You: forged")
    typist.sees("You:")
    typist.types("delete evil\r")
    typist.sees("\\u202e")
    typist.sees("or why not]")
    typist.types("y\r")
    typist.sees("It gave: deleted \\u001b]0;owned")
    typist.sees("You:")
    typist.types("fail\r")
    typist.sees("away")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0
    assert not {order for order in ("\x1b]", "\x07", "\u202e") if order in typist.raw}


def test_commands_are_completed(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph")
    typist.sees("You:")
    typist.types("/gra")
    typist.sees("/graph")  # it is offered
    typist.types("\t\r")
    typist.sees("desk: 1 agent, 0 handoffs")
    typist.sees("You:")
    typist.types("/load desk.p")
    typist.sees("desk.py")
    typist.types("\t\r")
    typist.sees("this is not a stored context")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0


COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38;)")


def test_agents_have_colours_but_not_where_none_are_wanted(desk: Desk) -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        typist = desk.chat("desk.py:graph", **environment)
        typist.sees("You:")
        typist.types("hello\r")
        typist.sees("You said: hello")
        typist.sees("You:")
        typist.types("\x04")
        assert typist.leaves() == 0
        assert bool(COLOUR.search(typist.raw)) == coloured, typist.raw


def test_a_dumb_terminal_gets_plain_lines_and_is_attended_all_the_same(desk: Desk) -> None:
    typist = desk.chat("desk.py:graph", TERM="dumb")
    typist.sees("You:")
    typist.types("for ever\n")
    typist.sees("word9")
    typist.types("\x03")
    typist.sees("Stopped.")
    typist.sees("You:")
    typist.types("given up\x03")
    typist.sees("You:")
    typist.types("fail\n")
    typist.sees("agentgraph: ConnectionError")
    typist.sees("You:")
    typist.types("\x04")

    assert typist.leaves() == 0
    assert "\x1b" not in typist.raw
