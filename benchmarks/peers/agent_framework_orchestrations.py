"""agent-framework: an `Agent` where nobody hands over, else a handoff workflow. A workflow holds its conversation, so each has its own."""
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from agent_framework import Agent, BaseChatClient, ChatResponse, Content, FunctionInvocationLayer, Message, tool
from agent_framework.orchestrations import HandoffBuilder

from benchmarks.peers.peer import Told
from benchmarks.scene import Scene, acheck_balance, anext_line

IMPORT = "from agent_framework import Agent, tool; from agent_framework.orchestrations import HandoffBuilder"


class _Scripted(FunctionInvocationLayer, BaseChatClient):
    def _inner_get_response(self, **_: object) -> Awaitable[ChatResponse]:
        async def response() -> ChatResponse:
            line = await anext_line()
            said = Content.from_text(line) if isinstance(line, str) else Content.from_function_call(*line[:2], arguments=line.arguments)
            return ChatResponse(messages=[Message("assistant", [said])])

        return response()


class Adapter:
    def __init__(self, scene: Scene) -> None:
        client, check = _Scripted(), tool(acheck_balance, name="check_balance", approval_mode="never_require")
        self._scene = scene
        self._agents = {
            role.name: Agent(
                client,
                role.instructions,
                name=role.name,
                tools=[check] if role.has_tool else [],
                require_per_service_call_history_persistence=bool(scene.handoffs),
            )
            for role in scene.roles
        }
        if scene.handoffs:
            self._workflow()  # which checks it

    def _workflow(self) -> Any:
        agents = self._agents
        builder = HandoffBuilder(participants=list(agents.values())).with_start_agent(agents[self._scene.roles[0].name])
        for role in self._scene.roles:
            if role.handoffs:
                builder.add_handoff(agents[role.name], [agents[target] for target in role.handoffs])
        return builder.build()

    def open(self, carried: Sequence[Any] = ()) -> Any:
        return self._workflow() if self._scene.handoffs else list(carried)

    async def turn(self, conversation: Any) -> Any:
        if self._scene.handoffs:
            return (await conversation.run(self._scene.said)).get_outputs()
        conversation.append(Message("user", [self._scene.said]))
        reply = await self._agents[self._scene.roles[0].name].run(conversation)
        conversation.extend(reply.messages)
        return [reply, conversation]

    def told(self, given: Any) -> Told:
        replies, carried = (given, None) if self._scene.handoffs else (given[:1], given[1])
        messages = [message for reply in replies for message in reply.messages]
        results = [str(part.result) for message in messages for part in message.contents if part.type == "function_result"]
        return Told(replies[-1].text, messages[-1].author_name, results, carried or messages)
