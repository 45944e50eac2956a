"""What a child has of its parent is collected by nobody, not even at the end of the process."""

from __future__ import annotations

import subprocess
import sys

KEEPS = """
from agentgraph.runtime.parent import leave_to_the_parent

class Connection:
    def __del__(self, say=print):
        say("closed", flush=True)

left, closed = Connection(), Connection()
left.itself = left
leave_to_the_parent([left])
del left, closed
import gc
gc.collect()
"""


def test_what_is_left_to_the_parent_is_never_collected() -> None:
    ended = subprocess.run([sys.executable, "-c", KEEPS], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "closed\n", "")
