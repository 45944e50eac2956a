"""The mock provider: an aimock process on loopback that speaks chat completions, with the replies of `fixtures.json`.

Strict: a request that no fixture expects is answered with an error, so a wrong history fails the test that sent it.
Each test says who it is in the header X-Test-Id, which is how its requests are found in the journal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.waiting import WATCHDOG, until

FIXTURES = Path(__file__).with_name("fixtures.json")
SERVER = Path(__file__).parents[2] / ".tools" / "aimock" / "node_modules" / ".bin" / "llmock"
"""Seconds after which something hangs. Nothing here takes a tenth of it."""

_LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True)
class Request:
    """What the provider was sent, and the status it answered with."""

    body: dict[str, Any]
    headers: dict[str, str]
    status: int


@dataclass(frozen=True)
class MockProvider:
    """The server while it runs."""

    url: str

    @property
    def api_base(self) -> str:
        """What litellm is given."""
        return f"{self.url}/v1"

    def requests(self, test_id: str) -> list[Request]:
        """What was sent with this X-Test-Id, in order."""
        with urllib.request.urlopen(f"{self.url}/__aimock/journal?{urlencode({'testId': test_id})}", timeout=WATCHDOG) as answer:
            entries = json.load(answer)
        return [_request(entry) for entry in entries]


def _request(entry: dict[str, Any]) -> Request:
    own = {key: value for key, value in entry["body"].items() if not key.startswith("_")}  # aimock notes things down in it
    return Request(own, entry["headers"], entry["response"]["status"])


@contextmanager
def running(log: Path) -> Iterator[MockProvider]:
    """The server, on a port that the system chooses; `log` is what it prints."""
    node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if node is None:
        _unavailable("node is not installed")
        return
    if not SERVER.is_file():
        _unavailable("the mock provider is not installed; run: make setup-wire")
    command = [node, str(SERVER), "--host", "127.0.0.1", "--port", "0", "--fixtures", str(FIXTURES)]
    options = ["--strict", "--validate-on-load", "--journal-max", "0", "--log-level", "info"]
    environment = {**os.environ, "AIMOCK_STRICT_TURN_INDEX": "1"}
    with log.open("wb") as out, subprocess.Popen([*command, *options], env=environment, stdout=out, stderr=out) as process:
        try:
            yield MockProvider(_url(process, log))
        finally:
            process.kill()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, once it says so: it prints that when it answers."""
    until(lambda: process.poll() is not None or _LISTENING.search(log.read_text(errors="replace")))
    if found := _LISTENING.search(log.read_text(errors="replace")):
        return found.group(1)
    pytest.fail(f"the mock provider did not start: {log.read_text(errors='replace')}")


def _unavailable(why: str) -> None:
    """No wire tests: said where they run by hand, and a failure in CI, where nothing is skipped."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
