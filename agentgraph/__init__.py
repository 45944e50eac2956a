"""agentgraph: the agent topology you can see, prove and run.

Everything here is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentgraph.agent_graph import AgentGraph as AgentGraph
    from agentgraph.conversation.budget import Budget as Budget
    from agentgraph.conversation.context import Context as Context, Phase as Phase
    from agentgraph.conversation.message import Message as Message, ToolCall as ToolCall
    from agentgraph.conversation.reply import Reply as Reply, call as call
    from agentgraph.conversation.secret import Secret as Secret
    from agentgraph.conversation.store import Entry as Entry, Lease as Lease, Store as Store, Stored as Stored, StoreSize as StoreSize
    from agentgraph.conversation.usage import Usage as Usage
    from agentgraph.definition.agent import Agent as Agent
    from agentgraph.definition.decision import (
        Final as Final,
        Forward as Forward,
        Rewrite as Rewrite,
        ToolOutput as ToolOutput,
        Unset as Unset,
    )
    from agentgraph.definition.group import AgentGroup as AgentGroup
    from agentgraph.definition.handoff import Handoff as Handoff, handoff as handoff
    from agentgraph.definition.model import Model as Model, ModelRequest as ModelRequest
    from agentgraph.definition.tool import Tool as Tool, tool as tool
    from agentgraph.definition.tool_context import ToolContext as ToolContext
    from agentgraph.engine.divergence import Divergence as Divergence
    from agentgraph.engine.replaying import replay_against as replay_against
    from agentgraph.engine.trace import Trace as Trace, replay as replay
    from agentgraph.errors import (
        AgentGraphError as AgentGraphError,
        Conflict as Conflict,
        ContextError as ContextError,
        DefinitionError as DefinitionError,
        Finding as Finding,
        IllegalEvent as IllegalEvent,
        IllegalHandoff as IllegalHandoff,
        LimitReached as LimitReached,
        ModelError as ModelError,
        NoThread as NoThread,
        ProviderError as ProviderError,
        RunCancelled as RunCancelled,
        StoreError as StoreError,
    )
    from agentgraph.machine.machine import Machine as Machine
    from agentgraph.runtime.agent_runner import AgentRunner as AgentRunner, Runner as Runner
    from agentgraph.runtime.config import RunConfig as RunConfig
    from agentgraph.runtime.conversation import Conversation as Conversation
    from agentgraph.runtime.models.keyword import KeywordModel as KeywordModel
    from agentgraph.runtime.models.litellm import LiteLLMModel as LiteLLMModel
    from agentgraph.runtime.models.replaying import ReplayModel as ReplayModel
    from agentgraph.runtime.models.scripted import ScriptedModel as ScriptedModel
    from agentgraph.runtime.observations import (
        AgentCompleted as AgentCompleted,
        AgentHandoff as AgentHandoff,
        AgentThinking as AgentThinking,
        ApprovalAsked as ApprovalAsked,
        LLMCallComplete as LLMCallComplete,
        Observation as Observation,
        RunCompleted as RunCompleted,
        RunStarted as RunStarted,
        TextDelta as TextDelta,
        ToolCompleted as ToolCompleted,
        ToolRefused as ToolRefused,
        ToolStarted as ToolStarted,
    )
    from agentgraph.runtime.recording import record as record
    from agentgraph.runtime.result import RunResult as RunResult, RunResultWithContext as RunResultWithContext
    from agentgraph.stores.memory import MemoryStore as MemoryStore
    from agentgraph.stores.opening import open_store as open_store
    from agentgraph.stores.postgres import PostgresStore as PostgresStore
    from agentgraph.stores.sqlite import SQLiteStore as SQLiteStore
    from agentgraph.views.compare.comparing import diff as diff

__version__ = "0.1.0"

_HOME = {
    "agent_graph": ("AgentGraph",),
    "conversation.budget": ("Budget",),
    "conversation.context": ("Context", "Phase"),
    "conversation.message": ("Message", "ToolCall"),
    "conversation.reply": ("Reply", "call"),
    "conversation.secret": ("Secret",),
    "conversation.store": ("Entry", "Lease", "Store", "Stored", "StoreSize"),
    "conversation.usage": ("Usage",),
    "definition.agent": ("Agent",),
    "definition.decision": ("Final", "Forward", "Rewrite", "ToolOutput", "Unset"),
    "definition.group": ("AgentGroup",),
    "definition.handoff": ("Handoff", "handoff"),
    "definition.model": ("Model", "ModelRequest"),
    "definition.tool": ("Tool", "tool"),
    "definition.tool_context": ("ToolContext",),
    "engine.divergence": ("Divergence",),
    "engine.replaying": ("replay_against",),
    "engine.trace": ("Trace", "replay"),
    "errors": (
        "AgentGraphError",
        "Conflict",
        "ContextError",
        "DefinitionError",
        "Finding",
        "IllegalEvent",
        "IllegalHandoff",
        "LimitReached",
        "ModelError",
        "NoThread",
        "ProviderError",
        "RunCancelled",
        "StoreError",
    ),
    "machine.machine": ("Machine",),
    "runtime.agent_runner": ("AgentRunner", "Runner"),
    "runtime.config": ("RunConfig",),
    "runtime.conversation": ("Conversation",),
    "runtime.models.keyword": ("KeywordModel",),
    "runtime.models.litellm": ("LiteLLMModel",),
    "runtime.models.replaying": ("ReplayModel",),
    "runtime.models.scripted": ("ScriptedModel",),
    "runtime.observations": (
        "AgentCompleted",
        "AgentHandoff",
        "AgentThinking",
        "ApprovalAsked",
        "LLMCallComplete",
        "Observation",
        "RunCompleted",
        "RunStarted",
        "TextDelta",
        "ToolCompleted",
        "ToolRefused",
        "ToolStarted",
    ),
    "runtime.result": ("RunResult", "RunResultWithContext"),
    "runtime.recording": ("record",),
    "stores.memory": ("MemoryStore",),
    "stores.opening": ("open_store",),
    "stores.postgres": ("PostgresStore",),
    "stores.sqlite": ("SQLiteStore",),
    "views.compare.comparing": ("diff",),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_WHERE, "__version__"])  # noqa: PLE0605 - one list of names, above


if not TYPE_CHECKING:  # a checker reads the imports above, and takes no other name for one of ours

    def __getattr__(name: str) -> Any:
        module = _WHERE.get(name)
        if module is None:
            raise AttributeError(f"module 'agentgraph' has no attribute {name!r}")
        value = getattr(import_module(f"agentgraph.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
