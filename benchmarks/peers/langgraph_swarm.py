"""langgraph-swarm: prebuilt agents with handoff tools."""
# mypy: disable-error-code="import-not-found, misc"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import StructuredTool
from langgraph_swarm import create_handoff_tool, create_swarm

from benchmarks.peers.langgraph import Scripted, told
from benchmarks.peers.peer import Told
from benchmarks.scene import Role, Scene, acheck_balance

IMPORT = "from langgraph_swarm import create_handoff_tool, create_swarm; from langchain.agents import create_agent"


class Adapter:
    def __init__(self, scene: Scene) -> None:
        check, model = StructuredTool.from_function(coroutine=acheck_balance, name="check_balance"), Scripted()

        def agent(role: Role) -> Any:
            handoffs = [create_handoff_tool(agent_name=target, name=f"handoff_to_{target}") for target in role.handoffs]
            tools = [*([check] if role.has_tool else []), *handoffs]
            return create_agent(model, tools=tools, system_prompt=role.instructions, name=role.name)

        self._swarm = create_swarm(list(map(agent, scene.roles)), default_active_agent=scene.roles[0].name).compile()
        self._said, self._entry = scene.said, scene.roles[0].name

    def open(self, carried: Sequence[Any] = ()) -> list[Any]:
        return list(carried)

    async def turn(self, conversation: list[Any]) -> Any:
        said = {"messages": [*conversation, HumanMessage(self._said)]}
        return await self._swarm.ainvoke(said, {"recursion_limit": 100})

    def told(self, given: Any) -> Told:
        return told(given["messages"], given.get("active_agent") or self._entry)
