"""`agentgraph diff`: what changed from one topology to another."""

from __future__ import annotations

import json

from agentgraph.cli.render import print_plain
from agentgraph.cli.target import topology_at
from agentgraph.views.compare.comparing import diff

DIFFERENT = 1


def show_difference(old: str, new: str, file: str | None, *, as_json: bool) -> int:
    """Print what changed, and write a picture of both to `file`. The exit code."""
    found = diff(topology_at(old), topology_at(new))
    if file is not None:
        found.diagram().save(file)
    print_plain(f"{json.dumps(found.to_dict()) if as_json else found}\n")
    return DIFFERENT if found else 0
