"""langgraph: a StateGraph built by hand, one node an agent and one for each agent's tools; a handoff is a Command."""
# mypy: disable-error-code="import-not-found, misc, untyped-decorator"

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from benchmarks.peers.peer import Told
from benchmarks.scene import Role, Scene, acheck_balance, anext_line

IMPORT = "from langgraph.graph import MessagesState, StateGraph; from langchain_core.tools import StructuredTool"


class Scripted(BaseChatModel):
    """Says the next line."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, *_: object, **__: object) -> Scripted:
        return self

    def _generate(self, *_: object, **__: object) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *_: object, **__: object) -> ChatResult:
        line = await anext_line()
        if isinstance(line, str):
            message = AIMessage(line)
        else:
            message = AIMessage("", tool_calls=[{"id": line.id, "name": line.tool, "args": json.loads(line.arguments)}])
        return ChatResult(generations=[ChatGeneration(message=message)])


class _State(MessagesState):
    active: str


class Adapter:
    def __init__(self, scene: Scene) -> None:
        check = StructuredTool.from_function(coroutine=acheck_balance, name="check_balance")
        graph, model = StateGraph(_State), Scripted()
        for role in scene.roles:
            graph.add_node(role.name, _agent(role, model), destinations=(f"{role.name}_tools", END))
            graph.add_node(f"{role.name}_tools", _tools(role, check), destinations=(role.name, *role.handoffs))
        graph.add_conditional_edges(START, lambda state: state.get("active") or scene.roles[0].name)
        self._graph, self._said = graph.compile(), scene.said

    def open(self, carried: Sequence[Any] = ()) -> list[Any]:
        return list(carried)

    async def turn(self, conversation: list[Any]) -> Any:
        said = {"messages": [*conversation, HumanMessage(self._said)]}
        return await self._graph.ainvoke(said, {"recursion_limit": 100})

    def told(self, given: Any) -> Told:
        return told(given["messages"], given["active"])


def told(messages: list[Any], agent: str) -> Told:
    """What a turn came to whose messages are langchain's."""
    since = next(i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage))
    results = [message.content for message in messages[since:] if isinstance(message, ToolMessage)]
    return Told(messages[-1].content, agent, results, messages)


def _agent(role: Role, model: Scripted) -> Callable[[Any], Any]:
    system = SystemMessage(role.instructions)

    async def agent(state: _State) -> Command[str]:
        reply = await model.ainvoke([system, *state["messages"]])
        goto = f"{role.name}_tools" if reply.tool_calls else END
        return Command(goto=goto, update={"messages": [reply], "active": role.name})

    return agent


def _tools(role: Role, check: Any) -> Callable[[Any], Any]:
    handoffs = {f"handoff_to_{target}": target for target in role.handoffs}

    async def tools(state: _State) -> Command[str]:
        at, answers = role.name, []
        for call in state["messages"][-1].tool_calls:
            at = handoffs.get(call["name"], at)
            content = f"handed off to {at}" if call["name"] in handoffs else json.dumps(await check.ainvoke(call["args"]))
            answers.append(ToolMessage(content, tool_call_id=call["id"]))
        return Command(goto=at, update={"messages": answers, "active": at})

    return tools
