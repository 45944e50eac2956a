"""What a checker must say of a `match` over observations. No test runs this: checkers read it.

A line that says `ignore` must have that error: where it has none, the checkers complain that nothing is ignored.
"""

from typing import assert_never

from agentgraph import (
    AgentCompleted,
    AgentHandoff,
    AgentRunner,
    AgentThinking,
    ApprovalAsked,
    LLMCallComplete,
    Observation,
    RunCompleted,
    RunStarted,
    TextDelta,
    ToolCompleted,
    ToolRefused,
    ToolStarted,
)


def complete(observation: Observation) -> str:
    """Knows all kinds, so nothing is left."""
    match observation:
        case RunStarted(agent=agent) | AgentThinking(agent=agent) | LLMCallComplete(agent=agent) | AgentCompleted(agent=agent):
            return agent
        case TextDelta(text=text, structured=structured):
            return "" if structured else text
        case ToolStarted() | ToolCompleted() | ToolRefused() | ApprovalAsked():
            return observation.name
        case AgentHandoff(source=source, target=target):
            return f"{source} -> {target}"
        case RunCompleted(result=result):
            return result.stop_reason
        case _:
            assert_never(observation)


def forgetful(runner: AgentRunner) -> None:
    """Forgets `ToolRefused`."""
    for observation in runner.stream("hello"):
        match observation:
            case RunStarted() | AgentThinking() | TextDelta() | LLMCallComplete() | AgentHandoff() | AgentCompleted() | RunCompleted():
                pass
            case ToolStarted() | ToolCompleted() | ApprovalAsked():
                pass
            case _:
                assert_never(observation)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
