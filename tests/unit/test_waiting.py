"""No test waits for a time in which something should have come to pass: it waits for what is to be seen (`tests/waiting.py`)."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
SLEEPS = re.compile(r"\bsleep\((?!0\)|\))")
"""Also in programs that a test keeps as text. `sleep(0)` is no time: it lets others go on."""

POLLS = "looks again and again for what is to be seen"
TAKES_LONG = "what takes a while is the subject; whether it was short or long changes nothing"
CHANCE = "gives what must not come between the time to do so; what is right passes without it"
ALLOWED: dict[str, tuple[int, str]] = {
    "waiting.py": (1, POLLS),
    "conformance/test_budgets.py": (1, "uses up seconds that are to be counted: at least so many"),
    "conformance/test_one_reply.py": (3, CHANCE),
    "e2e/raw_provider/server.py": (1, "nobody sees from outside whether a client has taken what the system has received for it"),
    "e2e/test_chat_terminal.py": (2, f"a stream that is slow, and one that {POLLS}"),
    "e2e/test_persistence.py": (1, "cancels in the middle of a pause; before it, the outcome would be the same"),
    "laws/test_endings.py": (2, TAKES_LONG),
    "load/desk.py": (3, TAKES_LONG),
    "load/provider.py": (1, TAKES_LONG),
    "load/test_left_streams.py": (1, TAKES_LONG),
    "stores/test_conversations.py": (2, f"one uses up seconds that are to be counted; the other {CHANCE}"),
    "stores/test_faults.py": (1, "how long a server is away is the subject"),
    "stores/test_kills.py": (1, "at random is the subject; that there was something to kill was seen before"),
    "stores/test_leases.py": (2, "a process that hangs until it is killed; and one that renews its lease again and again"),
    "unit/test_chat.py": (2, f"a tool that is interrupted, and a stream that {POLLS}"),
    "unit/test_user_code_that_fails.py": (1, "uses up the seconds of a budget: at least so many"),
    "workers/desk.py": (3, TAKES_LONG),
    "workers/test_workers.py": (1, "how long a server is away is the subject"),
}
"""How many there are in a file, and why."""


def test_no_test_sleeps_to_be_in_time() -> None:
    """A new one waits for an event, a barrier or `until(...)`; or it is here, with a reason."""
    files = [file for file in TESTS.rglob("*.py") if file != Path(__file__)]
    found = {str(file.relative_to(TESTS)): len(SLEEPS.findall(file.read_text(encoding="utf-8"))) for file in sorted(files)}

    assert {file: count for file, count in found.items() if count} == {file: count for file, (count, _) in sorted(ALLOWED.items())}
