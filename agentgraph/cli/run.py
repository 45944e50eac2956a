"""`agentgraph run`: one turn, from a shell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from agentgraph.cli import kept
from agentgraph.cli.narration import narrate
from agentgraph.cli.stored import conversation_of
from agentgraph.cli.target import configured, runner_at
from agentgraph.cli.visible import visible
from agentgraph.conversation.text import as_json as to_json
from agentgraph.errors import ContextError, DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agentgraph.runtime.agent_runner import AgentRunner
    from agentgraph.runtime.result import RunResult


def run_once(
    target: str, text: str, model: str | None, file: Path | None, store: str | None, conversation: str | None, *, as_json: bool
) -> int:
    """Hold one turn; the answer goes to stdout, what happened on the way to stderr. The exit code."""
    if not text.strip():
        raise DefinitionError("there is nothing to say: TEXT is empty")
    runner = runner_at(target)
    config = configured(runner, target, model)
    with conversation_of(runner, store, conversation, file) as stored:
        if stored is not None:
            return hold_and_report(runner, lambda: stored.run(text, config), None, as_json=as_json)
    context = kept.read(file) if file is not None and file.exists() else None
    kept.refuse_missing_folder(file)
    return hold_and_report(runner, lambda: runner.run(text, context=context, config=config), file, as_json=as_json)


def hold_and_report(runner: AgentRunner, turn: Callable[[], RunResult], file: Path | None, *, as_json: bool) -> int:
    """Hold `turn` and tell of it; its conversation is kept in `file`, if there is one. The exit code."""
    if not as_json:
        narrate(runner, sys.stderr)
    result = turn()
    if isinstance(result.error, ContextError):
        raise result.error
    if file is not None:
        _keep(file, result)
    if as_json:
        print(visible(json.dumps(_as_data(result), ensure_ascii=False)))
    elif result.error is None:
        output = result.output if isinstance(result.output, str) else json.dumps(to_json(result.output), ensure_ascii=False)
        print(visible(output) if sys.stdout.isatty() else output)  # a pipe is given what was said, byte by byte
    if result.error is not None:
        print("agentgraph: " + visible(" ".join(str(result.error).split())), file=sys.stderr)
    return 1 if result.error is not None else 0


def _keep(file: Path, result: RunResult) -> None:
    try:
        kept.write(file, result.context)
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
