"""Bugs, planted in a copy of the package: `testing.machine` finds each within a minute, in as many examples as it makes by default.

Replacing our own engine is what a mutation is. It is done to a copy, in a process of its own, so that nothing else sees it; a text to be
replaced that is not there any more fails the test. Nothing is shrunk: here a bug is found, or it is not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import agentgraph

pytestmark = pytest.mark.long
_PACKAGE = Path(agentgraph.__file__).parent
_MINUTE = 60.0
_WALK = """
import sys
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from agentgraph.testing import Deviation, machine
walked = machine()
examples = int(sys.argv[1]) or walked.TestCase.settings.max_examples
try:
    run_state_machine_as_test(
        walked,
        settings=settings(walked.TestCase.settings, max_examples=examples, database=None, derandomize=True, phases=[Phase.generate]),
    )
except* Deviation as found:
    print("DEVIATES", *found.exceptions)
else:
    print("SURVIVES", walked.coverage)
"""


class Bug(NamedTuple):
    """One change of the source of `file`, or several."""

    file: str
    changes: tuple[tuple[str, str], ...]
    examples: int = 0
    """How many are walked; by default as many as users have."""


_SHAPE = "    shape, payload = edge.handoff.payload_shape, None\n"
_LATER_WINS = """\
    if any(p.call.name in acted.offer.handoffs for p in acted.calls[acted.at + 1 :]):
        acted.answer('not executed: the conversation was handed off', 'skipped')
        return False
"""

BUGS = {
    "a tool runs without the facts it requires": Bug(
        "engine/calls.py", (("if not tool.requires <= acted.context.facts:", "if False:"),)
    ),
    "a handoff is carried out without the facts it requires": Bug("machine/fsm.py", (("if handoff.requires:", "if False:"),)),
    "a condition is not asked": Bug("machine/fsm.py", (("if handoff.when is not None:", "if False:"),)),
    "a handoff of another agent is accepted": Bug(
        "engine/calls.py",
        (
            (
                "edge = acted.offer.handoffs.get(pending.call.name)",
                "edge = next((e for e in acted.machine.edges if e.tool == pending.call.name), None)",
            ),
        ),
    ),
    "the last handoff wins": Bug("engine/calls.py", ((_SHAPE, _SHAPE + _LATER_WINS),)),
    "a tool that failed sets its facts": Bug("engine/acted.py", ((' if tool is None or back.outcome != "given" or back.unset else ', " if tool is None else "),)),
    "facts are carried into the next conversation": Bug(
        "runtime/agent_runner.py",
        (
            ("context = FRESH\n", "context = FRESH.replace(facts=getattr(self, 'kept', frozenset()))\n"),
            ("        return run.result()\n", "        self.kept = run.result().context.facts\n        return run.result()\n"),
        ),
    ),
    "one model call too many": Bug("engine/limits.py", (("progress.model_calls >= ", "progress.model_calls > "),)),
    "one model call too few": Bug("engine/limits.py", (("progress.model_calls >= ", "progress.model_calls + 1 >= "),)),
    "one tool call more than the budget": Bug("engine/limits.py", (("started >= budget.tool_calls", "started > budget.tool_calls"),)),
    "one tool call less than the budget": Bug("engine/limits.py", (("started >= budget.tool_calls", "started + 1 >= budget.tool_calls"),)),
    "a budget of tool calls is of the conversation": Bug(
        "engine/turn.py",
        (("progress=Progress(event.settings)", "progress=Progress(event.settings, tool_calls=getattr(context.progress, 'tool_calls', len(context.messages)))"),),
    ),
    "a budget of tokens and cost is of the conversation": Bug(
        "engine/turn.py", (("progress=Progress(event.settings)", "progress=Progress(event.settings, usage=context.usage)"),)
    ),
    "one handoff more than the budget": Bug("engine/limits.py", (("progress.handoffs >= ", "progress.handoffs > "),)),
    "one visit more than the budget": Bug("engine/limits.py", (("visits.get(target, 0) >= ", "visits.get(target, 0) > "),), examples=1_000),
    "a token more than the budget": Bug("engine/limits.py", (("total_tokens >= ", "total_tokens > "),)),
    "what a budget refused does not end the run": Bug("engine/limits.py", (("if progress.exceeded is not None:", "if False:"),)),
    "nobody is asked": Bug("engine/calls.py", ((".needs_approval and not pending.approved", ".needs_approval and False"),)),
    "what nobody allowed is run": Bug("engine/calls.py", (("    if event.approved:\n", "    if True:\n"),)),
    "why it was not allowed is kept from the model": Bug("engine/calls.py", (('f": {event.reason}" if event.reason else ""', '""'),)),
    "an approval goes beyond the budget": Bug(
        "engine/calls.py", (("if progress is not None and no_tool_left(", "if progress is not None and not any(p.approved for p in acted.calls) and no_tool_left("),),
        examples=1_000,  # it shows only where two in one reply are allowed, and there is room for one
    ),
    "what is left when the time is up stays open": Bug("engine/acted.py", (('self.answer(ran, "unknown")', 'self.answer(ran, "skipped")'),)),
    "a call with requires does not wait for the calls before it": Bug(
        "engine/calls.py", (("not (tool.requires or tool.final or must_wait(acted.machine, tool))", "not (tool.final or must_wait(acted.machine, tool))"),)
    ),
    "a resumed call sees facts that were not there when it started": Bug(
        "engine/calls.py", (("messages=context.messages.first(seen.messages)) if early else context", "messages=context.messages.first(seen.messages)) if False else context"),),
        examples=1_000,  # it shows only where a run is taken up between two calls of which one sets what the other tells
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BUGS)
def test_the_bug_is_found(name: str, tmp_path: Path) -> None:
    bug, copy = BUGS[name], tmp_path / "agentgraph"
    shutil.copytree(_PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / bug.file).read_text(encoding="utf-8")
    for old, new in bug.changes:
        assert old in source, f"{bug.file} says no longer {old!r}"
        source = source.replace(old, new)
    (copy / bug.file).write_text(source, encoding="utf-8")

    assert _walked(tmp_path, bug.examples).startswith("DEVIATES")


def test_the_runner_as_it_is_survives() -> None:
    said = _walked(_PACKAGE.parent, examples=1_500 if os.environ.get("CI") else 600)

    assert said.startswith("SURVIVES")
    assert "never" not in said, "a transition of the example is not walked"


def _walked(folder: Path, examples: int = 0) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", _WALK, str(examples)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_MINUTE * (1 if examples == 0 else 5),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
