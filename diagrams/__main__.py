"""Write the committed diagrams, or, with --check, say which are stale."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path

from agentgraph.engine.turn import LEADS_TO
from diagrams import seed_runs

HERE = Path(__file__).parent


def turn_machine() -> str:
    """The engine's own machine, read off its table."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (phase, event), targets in LEADS_TO.items():
        for target in targets:
            arrows.setdefault((phase.value, target.value), []).append(event.__name__)
    lines = [f"    {source} --> {target} : {', '.join(events)}" for (source, target), events in arrows.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> waiting", *lines]) + "\n"


DRAWN: dict[str, Callable[[], str]] = {
    "turn-machine.mmd": turn_machine,
    "seeds/3-plain-answer.mmd": lambda: seed_runs.plain_answer().to_mermaid(),
    "seeds/4-tool-call.mmd": lambda: seed_runs.tool_call().to_mermaid(),
    "seeds/5-handoff.mmd": lambda: seed_runs.handed_over().to_mermaid(),
}


def main() -> int:
    """Exit code 1 when a diagram on disk is not what would be drawn."""
    stale = 0
    for name, draw in DRAWN.items():
        path, text = HERE / name, draw()
        known = path.read_text(encoding="utf-8") if path.exists() else ""
        if "--check" in sys.argv:
            stale += known != text
            sys.stdout.writelines(difflib.unified_diff(known.splitlines(True), text.splitlines(True), f"diagrams/{name}", "drawn now"))
        elif known != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"wrote diagrams/{name}")
    if stale:
        print("run: make draw", file=sys.stderr)
    return 1 if stale else 0


sys.exit(main())
