"""Streams in great number, half of them left in the middle. Each way in a process of its own, since it is about its end.

litellm's own synchronous streams hang for ever after a few hundred of these; see `agentgraph/runtime/loop.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.wire

CI = bool(os.environ.get("CI"))
WATCHDOG = 240.0 if CI else 120.0
"""Seconds after which something hangs. Nothing here takes half of it."""


def held(how: str, each: int, *options: str) -> None:
    """Sixteen threads or tasks, `each` streams a piece: no hang, not a word on stderr, no file left open."""
    command = [sys.executable, *options, "-m", "tests.load.streams", how, str(each), str(WATCHDOG)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * WATCHDOG)
    print(ended.stdout)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"left {8 * each} of {16 * each} streams;")


@pytest.mark.parametrize("how", ["in threads", "in asyncio"])
def test_thousands_of_streams_of_which_half_are_left(how: str) -> None:
    held(how, 400 if CI else 20)


@pytest.mark.parametrize("how", ["after a fork", "while streaming"])
def test_a_fork_disturbs_neither_the_parent_nor_the_child(how: str) -> None:
    """As under gunicorn with preload. Two children hold as many streams as the parent does afterwards, or four hold 16."""
    held(how, 50 if CI else 6)


@pytest.mark.parametrize("how", ["in threads", "in asyncio"])
def test_nothing_is_said_at_exit(how: str) -> None:
    """No unclosed connection, no task that was destroyed, with every warning an error."""
    held(how, 10 if CI else 4, "-X", "dev", "-W", "error")
