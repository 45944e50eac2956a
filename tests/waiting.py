"""Waiting in tests: for what is to be seen, never for a time in which it should have come to pass."""

from __future__ import annotations

import time
from collections.abc import Callable

WATCHDOG = 120.0
"""Seconds after which something hangs. Nothing that is right takes half of it, however busy the machine is."""


def until(happened: Callable[[], object], seconds: float = WATCHDOG) -> bool:
    """Wait for `happened()` to be true; whether it was."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
