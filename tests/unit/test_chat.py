"""`agentgraph chat` through pipes, from outside: every command, every failure, each line as it comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agentgraph import Context
from agentgraph.cli.demo import graph as demo_graph

RULES = "Offline demonstration: rules answer here, not a language model."
BALANCE = "What is the balance of ACC-17?"
ANSWER = "Billing: The balance of ACC-17 is $1,250.00."

DESK = r'''
import time
from pathlib import Path
from agentgraph import Agent, AgentGraph, Reply, call, tool

@tool
def look(at: str) -> str:
    """Look."""
    if at == "nowhere":
        raise LookupError("\x1b[31mred\x1b[0m [bold]markup[/bold]\nsecond line")
    return "seen \x9b2J " + at

@tool
def finish() -> dict:
    """Finish."""
    return {"done": "\u202eyes"}

@tool
def leave(path: str) -> str:
    """Take long."""
    Path(path).touch()
    time.sleep(60)
    return "late"

@tool(needs_approval=True)
def delete(path: str) -> str:
    """Delete."""
    return f"deleted {path}"

class Rules:
    def reply(self, request):
        last, said = request.messages[-1], next(m.text for m in reversed(request.messages) if m.role == "user")
        if last.role == "tool":
            return Reply(f"It gave: {last.text}")
        if request.agent == "Helper":
            return Reply(None, (call("look", at=said),))
        match said.split():
            case ["fail"]:
                raise ConnectionError("the provider\nis \x1b[2Jaway")
            case ["evil"]:
                return Reply("\x1b]0;owned\x07 [red]x[/red] \u202eabc\r\nYou: I said this")
            case ["look", *places]:
                return Reply("Let me look.", tuple(call("look", at=place) for place in places))
            case ["ask", *places]:
                return Reply(None, tuple(call("helper", input=place) for place in places))
            case ["delete"]:
                return Reply(None, (call("delete", path="/etc"),))
            case ["finish"]:
                return Reply(None, (call("finish"),))
            case ["leave", path]:
                return Reply(None, (call("leave", path=path),))
            case _:
                return Reply(f"You said: {said}")

    def stream(self, request):
        reply = self.reply(request)
        if (reply.text or "").startswith("You said: wait "):
            yield "One moment "
            while not Path(reply.text.split()[-1]).exists():
                time.sleep(0.01)
        yield reply.text or ""
        yield reply

rules = Rules()
helper = Agent("Helper", model=rules, tools=[look]).as_tool(name="helper")
desk = Agent("Desk", model=rules, tools=[look, finish.replace(final=True), leave, delete, helper])
graph = AgentGraph("desk").add_agent(desk)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "desk.py").write_text(DESK, encoding="utf-8")
    return tmp_path


def arguments(*given: str) -> list[str]:
    return [sys.executable, "-P", "-W", "error", "-m", "agentgraph.cli.app", *given]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONIOENCODING": "utf-8", "XDG_STATE_HOME": str(folder / "state"), **more}


def command(folder: Path, *given: str, lines: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """`agentgraph` with these arguments and these lines in its pipe."""
    return subprocess.run(
        arguments(*given),
        cwd=folder,
        env=environment(folder, **more),
        input=lines,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def chat(folder: Path, *lines: str, target: tuple[str, ...] = ("desk.py:graph",), **more: str) -> subprocess.CompletedProcess[str]:
    return command(folder, "chat", *target, lines="".join(f"{line}\n" for line in lines), **more)


def told(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of the output, but for what takes a different time each time."""
    timeless = re.sub(r" \(\d+\.\d\d s\)$", "", done.stdout, flags=re.MULTILINE)
    return [line for line in timeless.splitlines() if not re.match(r"\d+\.\d s, ", line)]


def is_one_line(said: str) -> bool:
    return said.startswith("agentgraph: ") and said.count("\n") == 1 and said.endswith("\n") and len(said) < 500


# -- a conversation ------------------------------------------------------------------------------------------------------


def test_without_a_target_the_demonstration_answers_and_says_that_it_is_one(tmp_path: Path) -> None:
    done = chat(tmp_path, "hello", BALANCE, "What is the balance of ACC-99?", target=())

    assert (done.returncode, done.stderr) == (0, "")
    first, *lines = told(done)
    assert first.startswith(RULES)
    assert lines == [
        "You: hello",
        "Triage: Hello! Ask me about a bill, an invoice or a balance.",
        f"You: {BALANCE}",
        "[Triage] hands over to Billing: a question about money",
        '[Billing] calls check_balance(account_id="ACC-17")',
        '[Billing] check_balance -> {"account_id": "ACC-17", "balance": "1,250.00", "currency": "USD"}',
        ANSWER,
        "You: What is the balance of ACC-99?",
        '[Billing] calls check_balance(account_id="ACC-99")',
        "[Billing] check_balance -> error: LookupError: there is no account ACC-99; there are ACC-17, ACC-18",
        "Billing: I could not find that account. Is the number right?",
    ]


def test_after_each_turn_a_line_says_what_it_used(folder: Path) -> None:
    done = chat(folder, "look here", "hello")

    used = [line for line in done.stdout.splitlines() if re.match(r"\d+\.\d s, ", line)]
    assert [line.partition(", ")[2] for line in used] == ["2 model calls", "1 model call"]


def test_a_guard_refuses_a_fact_permits_and_a_person_is_asked(tmp_path: Path) -> None:
    done = chat(tmp_path, "Refund me!", "1234", "refund", "y", "refund", "not today", "refund", "", target=())

    lines = told(done)
    assert "[Billing] refund is refused: 'refund' was not run: it needs 'verified' first" in lines
    assert lines.count("[Billing] calls refund(amount=10)") == 1
    assert "Allow refund(amount=10)? [y, n, or why not] y" in lines
    assert "[Billing] refund -> refunded $10.00" in lines
    assert "[Billing] refund is refused: not approved: not today" in lines
    assert lines[-2:] == ["[Billing] refund is refused: not approved", "Billing: I am sorry, I may not do that."]


def test_where_the_input_ends_at_a_question_nothing_is_allowed(folder: Path) -> None:
    done = chat(folder, "delete")

    assert done.returncode == 0
    assert "deleted" not in done.stdout
    assert "not approved: there was nobody to ask" in done.stdout


def test_tools_side_by_side_and_agents_as_tools_are_told(folder: Path) -> None:
    lines = told(chat(folder, "look here there", "ask this"))

    assert lines[:2] == ["You: look here there", "Desk: Let me look."]
    assert lines[2:4] == ['[Desk] calls look(at="here")', '[Desk] calls look(at="there")']
    assert sorted(lines[4:6]) == ["[Desk] look -> seen \\u009b2J here", "[Desk] look -> seen \\u009b2J there"]
    assert lines[8:12] == [
        '[Desk] calls helper(input="this")',
        '  [Helper] calls look(at="this")',
        "  [Helper] look -> seen \\u009b2J this",
        "[Desk] helper -> It gave: seen \\u009b2J this",
    ]


def test_what_a_final_tool_gives_is_the_answer(folder: Path) -> None:
    assert told(chat(folder, "finish"))[-1] == 'Desk: {"done": "\\u202eyes"}'


def test_each_piece_is_flushed_as_it_comes(folder: Path) -> None:
    there = folder / "there"
    with subprocess.Popen(
        arguments("chat", "desk.py:graph"), cwd=folder, env=environment(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"wait {there}\n".encode())
            process.stdin.flush()
            seen = b""
            while not seen.endswith(b"Desk: One moment"):
                piece = os.read(process.stdout.fileno(), 1024)
                assert piece, seen
                seen += piece
            there.touch()  # what the model waits for
            process.stdin.close()
            assert process.stdout.read().splitlines()[0].endswith(b"You said: wait " + bytes(there))
        finally:
            there.touch()
    assert process.returncode == 0


# -- what is untrusted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ["evil", "look nowhere", "look \x1b[2J", "ask nowhere", "finish", "fail", "\x1b[2J\u202e", "/\x1b[2J", "/load \x1b[2J"]
)
def test_nothing_reaches_the_output_that_a_terminal_obeys(folder: Path, line: str) -> None:
    done = chat(folder, line)

    assert not set(done.stdout + done.stderr) & set("\x1b\x07\x9b\u202e\r")
    assert done.stdout


def test_an_answer_cannot_look_like_another_speaker_and_markup_is_text(folder: Path) -> None:
    assert told(chat(folder, "evil"))[1:] == ["Desk: \\u001b]0;owned\\u0007 [red]x[/red] \\u202eabc", "  You: I said this"]


def test_run_shows_a_terminals_orders_as_text_too(folder: Path) -> None:
    done = command(folder, "run", "desk.py:graph", "look nowhere", "--json")
    told_on_the_way = command(folder, "run", "desk.py:graph", "look nowhere").stderr

    assert "\\u001b[31mred" in told_on_the_way
    assert not set(told_on_the_way + done.stdout) & set("\x1b\x9b")


@pytest.mark.parametrize("given", [("run", "hasty.py:runner", "hello"), ("chat", "hasty.py:runner")], ids=" ".join)
def test_what_the_library_logs_is_a_line_and_no_traceback(folder: Path, given: tuple[str, ...]) -> None:
    (folder / "hasty.py").write_text(r"""
from agentgraph import AgentRunner
from agentgraph.cli.demo import graph
runner = AgentRunner(graph)

@runner.on_agent_thinking
def hasty(event):
    raise KeyError("\x1b[2J\ntwo lines")
""")
    done = command(folder, *given, lines="hello\n")

    assert done.returncode == 0
    assert is_one_line(done.stderr), done.stderr
    assert "a callback for AgentThinking failed; the run goes on: KeyError" in done.stderr


# -- commands ------------------------------------------------------------------------------------------------------------


def test_help_context_and_graph(tmp_path: Path) -> None:
    done = chat(tmp_path, "/help", BALANCE, "/context", "/graph", target=())

    assert (done.returncode, done.stderr) == (0, "")
    assert "\n/undo       back to before the last turn" in done.stdout
    assert "\nagent     Billing; it is your turn\nturn      1\n" in done.stdout
    assert '\ndata      last_account = "ACC-17"\n' in done.stdout
    assert "\n* Billing  (holds the conversation)\n" in done.stdout


def test_undo_goes_back_turn_by_turn_and_says_what_was_undone(folder: Path) -> None:
    done = chat(folder, "one", "two", "/undo", "/undo", "/undo", "/context")

    assert 'Undone: "two". Back to Desk, 1 turn, 2 messages.' in done.stdout
    assert 'Undone: "one". Back to Desk, 0 turns, 0 messages.\nYou: /undo\nThere is nothing to undo.' in done.stdout
    assert "\nmessages  0\n" in done.stdout


def test_a_saved_conversation_is_loaded_and_new_can_be_undone(folder: Path) -> None:
    done = chat(folder, "one", "/save my talk.json", "/new", "/context", "/load my talk.json", "/undo", "/undo", "two", "/context")

    assert (done.returncode, done.stderr) == (0, "")
    assert Context.from_json((folder / "my talk.json").read_text()).turn == 1
    assert [line for line in told(done) if line.startswith(("turn", "Saved", "A new", "Going", "Undone"))] == [
        "Saved to my talk.json.",
        "A new conversation. Desk answers next.",
        "turn      0",
        "Going on with Desk, 1 turn, 2 messages.",
        "Undone: /load my talk.json. Back to Desk, 0 turns, 0 messages.",
        "Undone: /new. Back to Desk, 1 turn, 2 messages.",
        "turn      2",
    ]


def test_quit_leaves_and_two_slashes_are_a_message(folder: Path) -> None:
    assert told(chat(folder, "//quit", "", "/quit", "never")) == ["You: //quit", "Desk: You said: /quit", "You: /quit"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("/unod", "did you mean /undo? there are /help, "),
        ("/save", "/save needs the name of a file"),
        ("/save no/such/folder/talk.json", "could not be kept"),
        ("/save desk.py", "desk.py is there, and is no conversation of ours"),
        ("/load missing.json", "missing.json cannot be read"),
        ("/load desk.py", "this is not a stored context"),
        ("/load other.json", "'Sales'"),
        ("/load .", "cannot be read"),
        ("/resume", "nothing is pending"),
        ("fail", "ConnectionError: the provider is \\u001b[2Jaway"),
    ],
)
def test_what_fails_is_one_line_and_the_conversation_goes_on(folder: Path, line: str, why: str) -> None:
    other = Context(agent="Sales", fingerprint="0" * 16, messages=[{"role": "user", "content": "Hi"}])
    (folder / "other.json").write_text(other.to_json())

    last, not_last = chat(folder, "one", line), chat(folder, "one", line, "two")

    assert (last.returncode, not_last.returncode) == (1, 0)
    assert last.stderr == not_last.stderr
    assert is_one_line(last.stderr), last.stderr
    assert why in last.stderr
    assert "Desk: You said: two\n" in not_last.stdout
    assert (folder / "desk.py").read_text(encoding="utf-8") == DESK


# -- a conversation in a file ----------------------------------------------------------------------------------------------


def test_a_conversation_is_kept_after_each_turn_and_continued(folder: Path) -> None:
    target = ("desk.py:graph", "--context", "talk.json")

    first, second = chat(folder, "one", "fail", target=target), chat(folder, "two", "/undo", "three", target=target)

    assert (first.returncode, second.returncode) == (1, 0)
    assert told(second)[0] == "Going on with Desk, 2 turns, 3 messages."
    kept = Context.from_json((folder / "talk.json").read_text(encoding="ascii"))
    assert [m.text for m in kept.messages if m.role == "user"] == ["one", "fail", "three"]


def test_a_kept_conversation_is_nobody_elses_and_keeps_the_permissions_it_was_given(folder: Path) -> None:
    target, file = ("desk.py:graph", "--context", "talk.json"), folder / "talk.json"
    chat(folder, "one", target=target)
    assert file.stat().st_mode & 0o777 == 0o600

    file.chmod(0o640)
    chat(folder, "two", target=target)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name != "posix", reason="signals are a habit of POSIX")
def test_an_interrupted_turn_is_kept_and_can_be_taken_up(folder: Path) -> None:
    started = folder / "started"
    with subprocess.Popen(
        arguments("chat", "desk.py:graph", "--context", "talk.json"),
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(f"leave {started}\n".encode())
            process.stdin.flush()
            while b"calls leave" not in process.stdout.readline():
                assert process.poll() is None
            while not started.exists():
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr.read() == b"agentgraph: interrupted\n"
        finally:
            process.kill()
    assert [call.name for call in Context.from_json((folder / "talk.json").read_text()).pending] == ["leave"]

    after = chat(folder, "/context", "hello", target=("desk.py:graph", "--context", "talk.json"))

    assert "It was left in the middle of a turn: /resume takes that up" in after.stdout
    assert f'\npending   leave(path="{started}")\n' in after.stdout
    assert told(after)[-1] == "Desk: You said: hello"


# -- wrong use -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        ("nowhere:graph",),
        ("missing.py:graph",),
        ("desk.py:rules",),
        ("desk.json",),
        ("desk.py:graph", "--model", " "),
        ("desk.py:graph", "--context", "no/such/folder/talk.json"),
        ("desk.py:graph", "--context", "damaged.json"),
        ("desk.py:graph", "--context", "other.json"),
        ("desk.py:graph", "--app-dir", "no/such/folder"),
        ("desk.py:graph", "more"),
        ("--nope",),
    ],
    ids=" ".join,
)
def test_wrong_use_is_told_in_one_line_before_anything_is_said(folder: Path, given: tuple[str, ...]) -> None:
    demo_graph.save(folder / "desk.json")
    (folder / "damaged.json").write_text("{")
    (folder / "other.json").write_text(Context(agent="Sales", fingerprint="0" * 16, messages=[{"role": "user", "content": "Hi"}]).to_json())

    done = chat(folder, "hello", target=given)

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert is_one_line(done.stderr), done.stderr


@pytest.mark.parametrize("how", ["run", "chat"])
def test_modules_are_looked_for_in_the_folder_that_was_named_and_in_no_other(folder: Path, how: str) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "my_desk.py").write_text("from agentgraph.cli.demo import graph\n")
    given, inner = (how, "my_desk:graph", *(["hello"] if how == "run" else [])), folder / "inner"

    assert command(inner, *given).returncode == 2
    assert "Hello! Ask me" in command(folder, *given, "--app-dir", "inner", lines="hello\n").stdout


# -- where it runs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [("run", "agentgraph.cli.demo:graph", "hello"), ("chat",), ("demo",)], ids=" ".join)
def test_what_a_terminal_needs_is_not_loaded_without_one(tmp_path: Path, given: tuple[str, ...]) -> None:
    code = f"""
import sys
from agentgraph.cli.app import main
try:
    main({list(given)!r})
finally:
    assert not {{"prompt_toolkit", "platformdirs"}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, input="hello\n", capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr


def test_a_terminal_that_knows_ascii_alone_is_shown_what_it_can(folder: Path) -> None:
    done = chat(folder, "/graph", "hello", PYTHONIOENCODING="ascii")

    assert (done.returncode, done.stderr) == (0, "")
    assert "|- look(at)" in done.stdout


def test_bytes_that_are_no_text_are_no_crash(folder: Path) -> None:
    done = subprocess.run(
        arguments("chat", "desk.py:graph"),
        cwd=folder,
        env=environment(folder),
        input=b"\xff\xfe\x00\n",
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Desk: You said: " in done.stdout


def test_whoever_stops_reading_is_nobodys_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            arguments("chat", "desk.py:graph"),
            cwd=folder,
            env=environment(folder),
            input=b"hello\n",
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")
