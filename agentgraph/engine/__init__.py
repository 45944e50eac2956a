"""The pure core: `step` follows a context by an event, `due` says what the outside still owes."""

from agentgraph.engine.divergence import Divergence
from agentgraph.engine.effects import AskApproval, CallModel, Effect, Finish, HandleOutput, RunTool
from agentgraph.engine.events import (
    Approved,
    AttemptFailed,
    AttemptLost,
    Cancelled,
    Event,
    ModelFailed,
    ModelReplied,
    OutputHandled,
    TimeUp,
    ToolReturned,
    UserSaid,
)
from agentgraph.engine.replaying import replay_against
from agentgraph.engine.trace import Trace, replay
from agentgraph.engine.turn import TURN, Step, due, is_due, step
from agentgraph.engine.view import provider_view, request_for

__all__ = [
    "TURN",
    "Approved",
    "AskApproval",
    "AttemptFailed",
    "AttemptLost",
    "CallModel",
    "Cancelled",
    "Divergence",
    "Effect",
    "Event",
    "Finish",
    "HandleOutput",
    "ModelFailed",
    "ModelReplied",
    "OutputHandled",
    "RunTool",
    "Step",
    "TimeUp",
    "ToolReturned",
    "Trace",
    "UserSaid",
    "due",
    "is_due",
    "provider_view",
    "replay",
    "replay_against",
    "request_for",
    "step",
]
