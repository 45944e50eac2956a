"""What every test stands on: Hypothesis profiles, and that nothing leaves this machine."""

from __future__ import annotations

import logging
import os
import signal
import threading

from hypothesis import HealthCheck, settings

_CALM = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts in the background ignores it, and so would the chat

logging.getLogger("agentgraph").addHandler(logging.NullHandler())  # handlers and callbacks fail here on purpose

# In CI the examples are the same each time: a change is judged by what it changes. New ones are found at the desk.
settings.register_profile("quick", max_examples=60, derandomize=bool(os.environ.get("CI")), **_CALM)  # type: ignore[arg-type]
settings.register_profile("mutants", max_examples=30, derandomize=True, **_CALM)  # type: ignore[arg-type]
settings.register_profile("default", max_examples=200, **_CALM)  # type: ignore[arg-type]
settings.register_profile("ci", max_examples=500, derandomize=True, print_blob=True, **_CALM)  # type: ignore[arg-type]
settings.register_profile("soak", max_examples=10_000, print_blob=True, **_CALM)  # type: ignore[arg-type]
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default"))
