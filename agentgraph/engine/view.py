"""What a model reads: the history as every provider accepts it.

Our own histories pass through unchanged. Foreign ones may hold what some provider refuses: calls without answers,
answers without calls, ids used twice, arguments that are no JSON object, empty contents, a beginning that is not the
user's. They are mended in the view; the history itself is never touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from agentgraph.conversation.frozen import EMPTY, FrozenDict, freeze
from agentgraph.conversation.message import Message, ToolCall
from agentgraph.conversation.shown import failure
from agentgraph.conversation.text import NO_OUTPUT
from agentgraph.definition.model import ModelRequest
from agentgraph.definition.naming import acceptable
from agentgraph.engine.wording import INTERRUPTED
from agentgraph.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgraph.conversation.context import Context
    from agentgraph.conversation.frozen import Json
    from agentgraph.conversation.secret import Secret
    from agentgraph.machine.machine import Machine

_LONGEST_ID = 64

# Anthropic refuses a history with tool calls when no tool is declared, so an agent without any declares this one.
_PLACEHOLDER: FrozenDict = freeze(
    {
        "type": "function",
        "function": {
            "name": "no_tool",
            "description": "You have no tools. Do not call this.",
            "parameters": {"type": "object", "properties": {}},
        },
    }
)


def request_for(
    machine: Machine,
    context: Context,
    params: Mapping[str, Json] = EMPTY,
    headers: Mapping[str, str | Secret] = EMPTY,
    within: tuple[str, ...] = (),
) -> ModelRequest:
    """What the model of the agent that holds `context` is asked; keys of `params` and `headers` win over the agent's."""
    offer = machine.offer(context.agent or machine.entry)
    agent = offer.agent
    instructions: Any = agent.instructions if isinstance(agent.instructions, str) else agent.instructions(context)
    if not isinstance(instructions, str):
        raise TypeError(f"they gave a {type(instructions).__name__}, not text")
    tools = offer.specs
    if not tools and context.messages.has_calls:
        tools = (_PLACEHOLDER,)
    return ModelRequest(
        agent.name,
        lambda: [*_system(instructions), *provider_view(_projected(machine, context)), *_note(context)],
        tools,
        {**offer.params, **params} if params else offer.params,
        {**agent.headers, **headers} if headers else agent.headers,
        agent.output,
        within,
    )


def _system(instructions: str) -> Iterator[Message]:
    if instructions.strip():
        yield Message("system", instructions)


def _note(context: Context) -> Iterator[Message]:
    if context.progress is not None and context.progress.note is not None:
        yield Message("user", context.progress.note)


def _projected(machine: Machine, context: Context) -> Sequence[Message]:
    handed = context.handed
    if handed is None or handed.target != context.agent:
        return context.messages
    leaving = machine.offer(handed.source).handoffs if handed.source in machine.agents else {}
    edge = leaving.get(handed.tool) or next((e for e in leaving.values() if e.target == handed.target), None)
    project: Callable[[Sequence[Message]], Sequence[Message]] | None = edge.handoff.history if edge else None
    if project is None:
        return context.messages
    try:
        projection = list(project(context.messages[: handed.at]))
    except Exception as wrong:
        message = f"the history= of the handoff {handed.tool!r} from {handed.source!r} failed: {failure(wrong)}"
        raise ModelError(message, context) from wrong
    shown = [*projection, *context.messages[handed.at :]]
    if not any(m.role == "user" for m in shown) or shown[-1].role == "assistant":
        shown += [m for m in reversed(context.messages) if m.role == "user"][:1]
    return shown


def provider_view(messages: Iterable[Message]) -> list[Message]:
    """`messages`, mended where a provider would refuse them. O(messages)."""
    view: list[Message] = []
    seen: set[str] = set()
    pending = [m for m in messages if m.role != "system"]
    at = 0
    while at < len(pending) and pending[at].role != "user":
        at += 1
    while at < len(pending):
        message = pending[at]
        at += 1
        if message.role == "user":
            view.append(replace(message, content="(no text)", source=None) if _is_blank(message) else message)
        elif message.role == "assistant" and message.tool_calls:
            end = at
            while end < len(pending) and pending[end].role == "tool":
                end += 1
            view.extend(_exchange(message, pending[at:end], seen))
            at = end
        elif message.role == "assistant" and not _is_blank(message):
            view.append(message)
    return view


def _is_blank(message: Message) -> bool:
    """Whether it says nothing. Blanks are no words to Anthropic, which refuses them."""
    content = message.content
    return not content or (isinstance(content, str) and content.isspace())


def _exchange(asking: Message, answering: Sequence[Message], seen: set[str]) -> Iterator[Message]:
    """An assistant's calls, each followed by exactly one answer."""
    answers = {m.tool_call_id: m for m in reversed(answering)}
    calls: list[ToolCall] = []
    results: list[Message] = []
    for call in asking.tool_calls:
        answer = answers.pop(call.id, None)
        new_id = unused_id(call.id, len(seen), seen.__contains__)
        seen.add(new_id)
        name = acceptable(call.name)
        mended = call if new_id == call.id and name == call.name and not call.malformed else ToolCall(new_id, name, call.arguments)
        calls.append(mended)
        if answer is None or _is_blank(answer) or new_id != call.id:
            content = INTERRUPTED if answer is None else NO_OUTPUT if _is_blank(answer) else answer.content
            answer = Message("tool", content, tool_call_id=new_id)
        results.append(answer)
    same = asking.source is None and all(a is b for a, b in zip(calls, asking.tool_calls, strict=True))
    yield asking if same else replace(asking, tool_calls=tuple(calls), source=None)
    yield from results


def unused_id(given: str, position: int, is_used: Callable[[str], bool]) -> str:
    """`given`, or an id made of the position, that nothing in the conversation uses."""
    if given and len(given) <= _LONGEST_ID and not is_used(given):
        return given
    number, candidate = 0, f"call_{position}"
    while is_used(candidate):
        number += 1
        candidate = f"call_{position}_{number}"
    return candidate
