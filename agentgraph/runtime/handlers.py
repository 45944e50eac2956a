"""Handlers at work: the run-scoped one first, then the agent's, which sees what the first made of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.conversation.shown import failure, harmless
from agentgraph.conversation.text import as_json
from agentgraph.definition.decision import Decision, Factory, Final, Forward, Handler, Rewrite, ToolOutput
from agentgraph.engine.events import OutputHandled
from agentgraph.errors import DefinitionError
from agentgraph.runtime.log import logger

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context
    from agentgraph.definition.agent import Agent
    from agentgraph.engine.effects import HandleOutput


class Handling:
    """The live values of one run's handlers. They are the user's, so they are never stored."""

    __slots__ = ("_agent_value", "_agents_turn", "_run", "run_value")

    def __init__(self, run: tuple[Factory, Handler] | None) -> None:
        self._run = run
        self._agent_value: Any = None
        self._agents_turn: int | None = None
        self.run_value: Any = None
        failed: Exception | None = None
        try:
            self.run_value = run[0]() if run is not None else None
        except Exception as error:  # noqa: BLE001 - raised below, where it is not hung on to
            failed = error
        if failed is not None:
            raise DefinitionError(f"the factory of the run context failed: {failure(failed)}") from harmless(failed)

    def decide(self, effect: HandleOutput, agent: Agent, context: Context) -> OutputHandled:
        """Ask the handlers in order; a `Final` of the first pre-empts the second."""
        back = effect.returned
        output = ToolOutput(effect.call.name, effect.call.arguments, back.value, back.error, effect.agent)
        decided: Decision = Forward()
        if self._run is not None:
            self.run_value, decided = _asked(self._run[1], self.run_value, output)
            if isinstance(decided, Rewrite):
                output = ToolOutput(output.name, output.arguments, decided.value, None, output.agent)
        if agent.on_tool_output is not None and not isinstance(decided, Final):
            second = self._second(agent.on_tool_output, output, context)
            decided = decided if isinstance(second, Forward) else second
        match decided:
            case Final(value):
                return OutputHandled(effect.call.id, "final", as_json(value))
            case Rewrite(value):
                return OutputHandled(effect.call.id, "rewrite", as_json(value))
        return OutputHandled(effect.call.id)

    def _second(self, handler: tuple[Factory, Handler], output: ToolOutput, context: Context) -> Decision:
        """What the agent's handler decides. Its value is made anew whenever an agent takes over, also when it does again."""
        handoffs = context.progress.handoffs if context.progress else 0
        if self._agents_turn != handoffs:
            try:
                self._agent_value = handler[0]()
            except Exception:
                logger.exception("the factory of %r's handler failed; the output is forwarded", output.agent)
                return Forward()
            self._agents_turn = handoffs
        self._agent_value, decided = _asked(handler[1], self._agent_value, output)
        return decided


def _asked(handler: Handler, value: Any, output: ToolOutput) -> tuple[Any, Decision]:
    """What the handler decides. One that fails, or returns something else, forwards, and its value stays as it was."""
    try:
        answer: Any = handler(value, output)
        if isinstance(answer, tuple) and len(answer) == len(("value", "decision")):
            new, decision = answer
            if isinstance(decision, Forward | Rewrite | Final):
                return new, decision
            if decision is Forward:
                return new, Forward()
        message = f"a handler returned {answer!r:.80}; expected (value, Forward() | Rewrite(value) | Final(value))"
        raise TypeError(message)
    except Exception:
        logger.exception("the handler of an output of %r failed; the output is forwarded", output.name)
        return value, Forward()
