"""`agentgraph run`: one turn, from a shell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgraph.cli import kept
from agentgraph.cli.narration import narrate
from agentgraph.cli.stored import conversation_of
from agentgraph.cli.target import configured, runner_at
from agentgraph.cli.telling import WIDEST, arguments_of
from agentgraph.cli.visible import one_line, visible
from agentgraph.conversation.context import Context
from agentgraph.conversation.text import as_json as to_json
from agentgraph.engine.effects import AskApproval
from agentgraph.engine.turn import due
from agentgraph.errors import ContextError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.result import RunResult

    Keep = Callable[[RunResult], object]


class Where(NamedTuple):
    """Where what was said is kept: the conversation in a file, or under its name in a store; and the trace of each turn in another file."""

    file: Path | None = None
    trace: Path | None = None
    store: str | None = None
    conversation: str | None = None


def run_once(target: str, text: str, model: str | None, where: Where, *, as_json: bool) -> int:
    """Hold one turn; the answer goes to stdout, what happened on the way to stderr. The exit code."""
    if not text.strip():
        raise DefinitionError("there is nothing to say: TEXT is empty")
    runner = runner_at(target)
    config = configured(runner, target, model)
    with conversation_of(runner, where.store, where.conversation, where.file) as stored:
        if stored is not None:
            keep = _recording(where, stored.context, runner.machine.name, target)
            return hold_and_report(runner, lambda: stored.run(text, config), keep, as_json=as_json)
    file = where.file
    context = kept.read(file) if file is not None and file.exists() else None
    kept.refuse_missing_folder(file)
    keep = _recording(where, context or Context(), runner.machine.name, target)
    return hold_and_report(runner, lambda: runner.run(text, context=context, config=config), keep, as_json=as_json)


def _recording(where: Where, start: Context, graph: str, target: str) -> Keep:
    """Writes a turn that begins with `start` into the files of `where`; one that could not be written later is refused now."""
    earlier = kept.recorded(where.trace, start)

    def keep(result: RunResult) -> None:
        if where.file is not None:
            _report(kept.write, where.file, result.context)
        if where.trace is not None:
            _report(kept.record, where.trace, earlier + result.trace if earlier is not None else result.trace, graph, target)

    return keep


def hold_and_report(runner: AgentRunner, turn: Callable[[], RunResult], keep: Keep, *, as_json: bool) -> int:
    """Hold `turn`, `keep` what came of it, and tell of it. The exit code."""
    if not as_json:
        narrate(runner, sys.stderr)
    result = turn()
    if isinstance(result.error, ContextError):
        raise result.error
    keep(result)
    if as_json:
        print(visible(json.dumps(_as_data(result), ensure_ascii=False)))
    elif result.stop_reason == "approval":
        for line in _asked(result.context):
            print("agentgraph: " + visible(line), file=sys.stderr)
    elif result.error is None:
        output = result.output if isinstance(result.output, str) else json.dumps(to_json(result.output), ensure_ascii=False)
        print(visible(output) if sys.stdout.isatty() else output)  # a pipe is given what was said, byte by byte
    if result.error is not None:
        print("agentgraph: " + visible(" ".join(str(result.error).split())), file=sys.stderr)
    return 1 if result.error is not None else 0


def _asked(context: Context) -> Iterator[str]:
    """What waits for a person, who is nobody here."""
    for effect in due(context):
        if isinstance(effect, AskApproval):
            call = effect.call
            yield f"a person is to allow {call.name}({arguments_of(call)}), id {one_line(call.id, WIDEST)}"


def _report(write: Callable[..., None], *given: Any) -> None:
    """Keep something; if it cannot be kept, what was said is still told."""
    try:
        write(*given)
    except ContextError as wrong:
        print(f"agentgraph: {visible(str(wrong))}", file=sys.stderr)


def _as_data(result: RunResult) -> dict[str, Any]:
    usage = result.usage
    return {
        "output": to_json(result.output),
        "stop_reason": result.stop_reason,
        "error": str(result.error) if result.error is not None else None,
        "path": list(result.path),
        "usage": {"requests": usage.requests, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "cost": usage.cost},
        "data": result.context.data,
        "facts": sorted(result.context.facts),
        "messages": [message.to_openai() for message in result.messages],
    }
