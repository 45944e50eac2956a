"""openai-agents: `Runner.run` over agents with `handoff`s, tracing off."""
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, ToolCallOutputItem, Usage, function_tool, handoff, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from benchmarks.peers.peer import Told
from benchmarks.scene import Scene, acheck_balance, anext_line

IMPORT = "from agents import Agent, Runner, function_tool, handoff"
_CONFIG = RunConfig(tracing_disabled=True)

set_tracing_disabled(True)


class _Scripted(Model):
    async def get_response(self, *_: object, **__: object) -> ModelResponse:
        line = await anext_line()
        if isinstance(line, str):
            text = ResponseOutputText(type="output_text", text=line, annotations=[])
            output: Any = ResponseOutputMessage(id="msg", type="message", role="assistant", status="completed", content=[text])
        else:
            output = ResponseFunctionToolCall(type="function_call", call_id=line.id, name=line.tool, arguments=line.arguments)
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_: object, **__: object) -> Any:
        raise NotImplementedError


class Adapter:
    def __init__(self, scene: Scene) -> None:
        model, check = _Scripted(), function_tool(acheck_balance, name_override="check_balance")
        agents = {
            role.name: Agent(role.name, instructions=role.instructions, model=model, tools=[check] if role.has_tool else [])
            for role in scene.roles
        }
        for role in scene.roles:
            agents[role.name].handoffs = [handoff(agents[name], tool_name_override=f"handoff_to_{name}") for name in role.handoffs]
        self._agents, self._entry = agents, agents[scene.roles[0].name]
        self._said = {"role": "user", "content": scene.said}

    def open(self, carried: Sequence[Any] = ()) -> list[Any]:
        return list(carried)

    async def turn(self, conversation: list[Any]) -> Any:
        return await Runner.run(self._entry, [*conversation, self._said], max_turns=50, run_config=_CONFIG)

    def told(self, given: Any) -> Told:
        results = [item.output for item in given.new_items if isinstance(item, ToolCallOutputItem)]
        return Told(given.final_output, given.last_agent.name, list(map(str, results)), given.to_input_list())
