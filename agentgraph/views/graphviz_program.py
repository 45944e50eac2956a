"""Graphviz, where there is one: the `dot` program, or the one in the pygraphviz wheel. It reads a text, writes bytes, and sees nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec

_SECONDS = 20
_KEPT = (
    "PATH",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "FONTCONFIG_PATH",
    "FONTCONFIG_FILE",
    "LANG",
    "LC_ALL",
)
"""What a program needs of the environment to start, and to find fonts."""


def rendered(dot: str, format: str, seconds: float = _SECONDS) -> bytes | None:
    """`dot` in a format of Graphviz; None where there is no Graphviz, or it fails or takes too long."""
    program = shutil.which("dot")
    if program is not None:
        return _by_program(program, dot, format, seconds)
    return _by_wheel(dot, format) if find_spec("pygraphviz") is not None else None


def is_there() -> bool:
    """Whether some Graphviz is installed."""
    return shutil.which("dot") is not None or find_spec("pygraphviz") is not None


def _by_program(program: str, dot: str, format: str, seconds: float) -> bytes | None:
    # SERVER_NAME is how Graphviz is told that it works for strangers: it then opens no file that a graph names.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"SERVER_NAME": "localhost"}
    try:
        done = subprocess.run([program, f"-T{format}"], input=dot.encode(), capture_output=True, timeout=seconds, env=kept, check=False)  # noqa: S603 (the path of `dot`, and no text of others in it)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 and done.stdout else None


def _by_wheel(dot: str, format: str) -> bytes | None:
    import pygraphviz

    try:
        drawn = pygraphviz.AGraph(string=dot).draw(format=format, prog="dot")
    except (OSError, ValueError, RuntimeError):
        return None
    return drawn if isinstance(drawn, bytes) else None
