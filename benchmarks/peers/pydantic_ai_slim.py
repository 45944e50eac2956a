"""pydantic-ai: agents whose handoffs are output functions, and the loop around them that its documentation leaves to the user."""
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from pydantic_ai import Agent, Tool, ToolOutput
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from benchmarks.peers.peer import Told
from benchmarks.scene import Role, Scene, acheck_balance, anext_line

IMPORT = "from pydantic_ai import Agent, Tool, ToolOutput"


class _HandedTo(NamedTuple):
    agent: str


async def _scripted(_: object, __: object) -> ModelResponse:
    line = await anext_line()
    return ModelResponse(parts=[TextPart(line) if isinstance(line, str) else ToolCallPart(line.tool, line.arguments, line.id)])


class Adapter:
    def __init__(self, scene: Scene) -> None:
        model, check = FunctionModel(_scripted), Tool(acheck_balance, name="check_balance")

        def agent(role: Role) -> Agent:
            outputs = [str, *(ToolOutput(_handoff(target), name=f"handoff_to_{target}") for target in role.handoffs)]
            return Agent(model, output_type=outputs, instructions=role.instructions, name=role.name, tools=[check] if role.has_tool else [])

        self._agents = {role.name: agent(role) for role in scene.roles}
        self._said, self._entry = scene.said, scene.roles[0].name

    def open(self, carried: Sequence[Any] = ()) -> list[Any]:
        return list(carried)

    async def turn(self, conversation: list[Any]) -> Any:
        before = len(conversation)
        result = await self._agents[at := self._entry].run(self._said, message_history=conversation)
        while isinstance(result.output, _HandedTo):
            at = result.output.agent
            result = await self._agents[at].run(message_history=result.all_messages())
        return result.output, at, result.all_messages(), before

    def told(self, given: Any) -> Told:
        output, at, messages, before = given
        parts = [part for message in messages[before:] for part in message.parts]
        return Told(output, at, [part.model_response_str() for part in parts if isinstance(part, ToolReturnPart)], messages)


def _handoff(target: str) -> Callable[[str], _HandedTo]:
    def handoff(reason: str) -> _HandedTo:
        """Hand the conversation over."""
        return _HandedTo(target)

    return handoff
