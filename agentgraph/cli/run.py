"""`agentgraph run`: one turn, from a shell."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from agentgraph.cli.narration import narrate
from agentgraph.cli.target import TOPOLOGY_FILES, runner_at
from agentgraph.conversation.context import Context
from agentgraph.conversation.text import as_json as to_json
from agentgraph.errors import ContextError, DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

    from agentgraph.runtime.result import RunResult


def run_once(target: str, text: str, model: str | None, file: Path | None, *, as_json: bool) -> int:
    """Hold one turn; the answer goes to stdout, what happened on the way to stderr. The exit code."""
    if not text.strip():
        raise DefinitionError("there is nothing to say: TEXT is empty")
    if model is not None and not model.strip():
        raise DefinitionError("--model is empty; give a litellm model name, such as openai/gpt-5-mini")
    runner = runner_at(target)
    context = Context.from_json(_read(file)) if file is not None and file.exists() else None
    if file is not None and not file.parent.is_dir():
        raise ContextError(f"there is no folder {str(file.parent)!r} to keep the conversation in")
    config = runner.config.replace(model=model) if model is not None else runner.config
    if target.endswith(TOPOLOGY_FILES) and config.model is None:
        raise DefinitionError(f"{target} is a saved topology, which holds no code; name a model with --model, or the graph in its module")
    if not as_json:
        narrate(runner, sys.stderr)
    result = runner.run(text, context=context, config=config)
    if isinstance(result.error, ContextError):
        raise result.error
    if file is not None:
        _write(file, result.context.to_json() + "\n")
    if as_json:
        print(json.dumps(_as_data(result), ensure_ascii=False))
    elif result.error is None:
        print(result.output if isinstance(result.output, str) else json.dumps(to_json(result.output), ensure_ascii=False))
    if result.error is not None:
        print("agentgraph: " + " ".join(str(result.error).split()), file=sys.stderr)
    return 1 if result.error is not None else 0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise ContextError(f"{file} cannot be read: {wrong}") from wrong


def _write(file: Path, text: str) -> None:
    """All of it or nothing: a conversation is never left half written."""
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="ascii")
        part.replace(file)
    except OSError as wrong:
        print(f"agentgraph: the conversation could not be kept in {file}: {wrong}", file=sys.stderr)


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
