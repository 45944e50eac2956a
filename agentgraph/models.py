"""Models: who answers for an agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.definition.model import Model, ModelRequest
from agentgraph.runtime.models.keyword import KeywordModel
from agentgraph.runtime.models.replaying import ReplayModel
from agentgraph.runtime.models.scripted import ScriptedModel

if TYPE_CHECKING:
    from agentgraph.runtime.models.litellm import LiteLLMModel

__all__ = ["KeywordModel", "LiteLLMModel", "Model", "ModelRequest", "ReplayModel", "ScriptedModel"]


if not TYPE_CHECKING:  # a checker reads the import above, and takes no other name for one of ours

    def __getattr__(name: str) -> Any:
        if name == "LiteLLMModel":
            from agentgraph.runtime.models.litellm import LiteLLMModel

            return LiteLLMModel
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
