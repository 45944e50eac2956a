"""The run inside an agent, or a group, that is used as a tool: `input` alone, no history, the shared data and facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.context import Context
from agentgraph.conversation.frozen import EMPTY
from agentgraph.conversation.shown import failure
from agentgraph.conversation.text import as_json
from agentgraph.engine.events import ToolReturned
from agentgraph.engine.watch import watching
from agentgraph.runtime.callbacks import NOBODY
from agentgraph.runtime.run import Run
from agentgraph.runtime.surroundings import Surroundings

if TYPE_CHECKING:
    from agentgraph.runtime.tool_run import ToolRun


def inside(run: Run, tool_run: ToolRun, *, apart: bool = False) -> Run:
    """The run inside `tool_run`.

    One that goes on `apart`, in a thread or task of its own, tells nobody itself: what it collects is told by `run`.
    """
    around, tool = run.around, tool_run.tool
    inner = Surroundings(
        around.machine.nested(tool),
        around.config.replace(max_turns=tool.max_turns, run_context=None, budget=_left(run, tool_run)),
        around.models,
        NOBODY if apart else around.listeners,
        around.streaming,
        run.watched if apart else around.collecting,
        within=(*around.within, tool_run.call.id),
        deps=around.deps,
    )
    watched = watching(around.machine, run.context).watched if around.machine.monitors else EMPTY
    child = Run(inner, Context(data=tool_run.snapshot.data, facts=tool_run.snapshot.facts, watched=watched))
    child.is_within(run, tool_run.call.id)
    run.holds(child, tool_run.call.id)
    return child


def came_back(run: Run, tool_run: ToolRun, child: Run) -> ToolReturned:
    """What the run inside came to. Its changes, facts and usage are the outer run's, also when it failed."""
    result, tool, call_id = child.result(), tool_run.tool, tool_run.call.id
    run.children[call_id] = result.trace
    value, error = result.output, None
    try:
        if not result.succeeded:
            error = f"{tool.name!r} gave no answer: {result.error or 'a call inside needs an approval, which cannot be asked here'}"
        elif tool.output_extractor is not None:
            value = tool.output_extractor(result)
    except Exception as wrong:  # noqa: BLE001 - the extractor is the user's code, and part of the tool
        error = failure(wrong)
    before, after = result.trace.start, result.context
    changed = {key: item for key, item in after.data.items() if key not in before.data or before.data[key] is not item}
    outcome = None if error else as_json(value)
    return ToolReturned(call_id, outcome, error, as_json(changed), after.facts - before.facts, after.usage, after.watched)


def _left(run: Run, tool_run: ToolRun) -> Budget | None:
    """What is left of the outer run's tokens, cost, tool calls and time."""
    progress = run.context.progress
    if progress is None:
        return None
    budget = progress.settings.budget or Budget()
    limits = [seconds for seconds in (run.seconds_left(), tool_run.tool.timeout) if seconds is not None]
    return Budget(
        tokens=None if budget.tokens is None else max(budget.tokens - progress.usage.total_tokens, 1),
        cost=None if budget.cost is None else max(budget.cost - (progress.usage.cost or 0.0), 1e-9),
        tool_calls=None if budget.tool_calls is None else max(budget.tool_calls - progress.tool_calls, 1),
        seconds=max(min(limits), 0.001) if limits else None,
    )
