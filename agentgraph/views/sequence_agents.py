"""Moments -> messages among agents and the user. What models and tools do is what an agent does: a message to itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agentgraph.views.lifelines import RUNNER, USER, short_name
from agentgraph.views.moments import (
    ApprovalAsked,
    Called,
    Decided,
    Ended,
    ModelFell,
    Refused,
    Requested,
    Resumed,
    Selected,
    SideBySide,
    Spoke,
    TookOver,
    Unusable,
    UserSpoke,
)
from agentgraph.views.picture import Message, Span

if TYPE_CHECKING:
    from agentgraph.views.lifelines import Lifelines
    from agentgraph.views.moments import Moment, Words
    from agentgraph.views.picture import Happening, Mark
    from agentgraph.views.telling import Telling


class Agents:
    """The messages of one run. `asker` is the lifeline of who began it: the user, or an agent that has another as a tool."""

    def __init__(self, lifelines: Lifelines, telling: Telling, asker: str = USER.id) -> None:
        self._lifelines, self._telling, self._asker = lifelines, telling, asker
        self._question = "Resume"

    def happenings(self, moments: Iterable[Moment]) -> Iterator[Happening]:
        """What passes between them."""
        for moment in moments:
            yield from self._of(moment)

    def _of(self, moment: Moment) -> Iterator[Happening]:
        telling = self._telling
        match moment:
            case UserSpoke(words):
                self._question = telling.words(words)
            case Resumed():
                self._question = "Resume"
            case Selected(agent):
                yield Message(self._asker, self._id(agent), self._question)
            case Spoke(agent, text, called) if telling.models:
                if text.strip():
                    yield self._self(agent, telling.quoted(text))
                if not telling.tools:
                    yield self._self(agent, telling.because("Calls", ", ".join(called)))
            case Unusable(agent, why) if telling.models:
                yield self._self(agent, telling.because("Unusable Response", why), "refused")
            case ModelFell(agent, error) if telling.models:
                yield self._self(agent, telling.reason(error), "failed")
            case SideBySide(calls) if telling.tools:
                yield Span("par", "Calls side by side", tuple(tuple(self._called(call)) for call in calls))
            case Called() if telling.tools:
                yield from self._called(moment)
            case Refused(agent, name, why, rewritten) if telling.tools:
                yield self._self(agent, telling.because(name, why), "refused")
                yield from self._rewritten(agent, name, rewritten)
            case Requested(agent, _, target, _, refused) if refused is not None:
                yield self._self(agent, telling.because(f"Request Handoff to {short_name(target)}", refused), "refused")
            case TookOver(source, agent, reason):
                yield Message(self._id(source), self._id(agent), telling.because(f"Handoff to {short_name(agent)}", reason))
            case ApprovalAsked(agent, name):
                yield Message(self._id(agent), self._asker, f"Approve {name}?")
            case Decided(agent, approved=True):
                yield Message(self._asker, self._id(agent), "Approved", reply=True)
            case Decided(agent, reason=reason):
                yield Message(self._asker, self._id(agent), telling.because("Not approved", reason), reply=True, marks=("refused",))
            case Ended(agent, output, error):
                source = self._id(agent) if agent else RUNNER.id
                if output is not None:
                    yield Message(source, self._asker, telling.words(output), reply=True)
                else:
                    yield Message(source, self._asker, telling.reason(error), reply=True, marks=("failed",))

    def _called(self, call: Called) -> Iterator[Happening]:
        telling, given = self._telling, ""
        for error in call.earlier:
            yield self._self(call.agent, telling.because(call.name, error), "failed")
        if call.inside:
            inner = tuple(Agents(self._lifelines, telling, self._id(call.agent)).happenings(call.inside))
            yield Span("group", call.name, (inner,))
            given = inner[-1].text if inner and isinstance(inner[-1], Message) else ""
        if call.failed is not None:
            yield self._self(call.agent, telling.because(call.name, call.failed), "failed")
        elif call.gave is None:
            yield self._self(call.agent, call.name)
        elif (gave := telling.words(call.gave)) != given:  # else the agent inside has said it
            yield self._self(call.agent, f"{call.name}: {gave}")
        yield from self._rewritten(call.agent, call.name, call.rewritten)

    def _rewritten(self, agent: str, name: str, words: Words | None) -> Iterator[Message]:
        if words is not None:
            yield self._self(agent, f"{name}, rewritten: {self._telling.words(words)}")

    def _id(self, agent: str) -> str:
        return self._lifelines.of(agent).id

    def _self(self, agent: str, text: str, *marks: Mark) -> Message:
        line = self._id(agent)
        return Message(line, line, text, marks=marks)
