"""Moments -> messages among roles: the user, the runner, its agents, their model and their tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from agentgraph.views.lifelines import MODEL, RUNNER, TOOLS, USER, short_name
from agentgraph.views.moments import (
    Answered,
    ApprovalAsked,
    Asked,
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
    from agentgraph.views.moments import Moment
    from agentgraph.views.picture import Happening
    from agentgraph.views.telling import Telling

_CANNOT_BE_ASKED = "a call inside of a tool cannot be approved"


class Roles:
    """The messages of one run. One inside of a tool has the tools as its runner, and nobody it could ask."""

    def __init__(self, lifelines: Lifelines, telling: Telling, *, within: bool = False) -> None:
        self._lifelines, self._telling = lifelines, telling
        self._runner, self._within = TOOLS.id if within else RUNNER.id, within
        self._question = ""
        self._given_back = False
        """Whether the last message is the model's to the agent."""

    def happenings(self, moments: Iterable[Moment]) -> Iterator[Happening]:
        """What passes between them."""
        for moment in moments:
            for happening in self._of(moment):
                self._given_back = isinstance(happening, Message) and happening.source == MODEL.id and happening.reply
                yield happening

    def _of(self, moment: Moment) -> Iterator[Happening]:
        match moment:
            case Asked() | Spoke() | Answered() | Unusable() | ModelFell():
                return self._of_model(moment) if self._telling.models else iter(())
            case Called() | SideBySide() | Refused():
                return self._of_tools(moment) if self._telling.tools else iter(())
            case ApprovalAsked() | Decided():
                return self._of_people(moment)
            case Requested() | TookOver():
                return self._of_handoff(moment)
            case _:
                return self._of_user(moment)

    # -- the user and the runner -----------------------------------------------------------------------------------

    def _of_user(self, moment: Moment) -> Iterator[Happening]:
        telling = self._telling
        match moment:
            case UserSpoke(words):
                self._question = telling.words(words)
                if not self._within:
                    yield Message(USER.id, self._runner, self._question)
            case Resumed():
                yield Message(USER.id, self._runner, "Resume")
            case Selected(agent):
                line = self._lifelines.of(agent)
                select = "Select Agent + Context" if self._lifelines.alone else f"Select {line.label}"
                yield Message(self._runner, line.id, self._question if self._within else select)
            case Ended(agent, output, error, by_handler):
                if output is None:
                    source, target = (self._id(agent), self._runner) if self._within else (self._runner, USER.id)
                    yield Message(source, target, telling.reason(error), reply=True, marks=("failed",))
                    return
                if not by_handler:
                    yield Message(self._id(agent), self._runner, "Final Response", reply=True)
                if not self._within:
                    yield Message(self._runner, USER.id, telling.words(output), reply=True)

    def _of_people(self, moment: ApprovalAsked | Decided) -> Iterator[Happening]:
        match moment:
            case ApprovalAsked(name=name) if self._within:
                yield Message(
                    MODEL.id if self._telling.models else self._runner, self._runner, f"{name}: {_CANNOT_BE_ASKED}", marks=("refused",)
                )
            case ApprovalAsked(name=name):
                yield Message(self._runner, USER.id, f"Approve {name}?")
            case Decided(approved=True):
                yield Message(USER.id, self._runner, "Approved", reply=True)
            case Decided(reason=reason):
                yield Message(USER.id, self._runner, self._telling.because("Not approved", reason), reply=True, marks=("refused",))

    def _id(self, agent: str) -> str:
        return self._lifelines.of(agent).id

    # -- handoffs --------------------------------------------------------------------------------------------------

    def _of_handoff(self, moment: Requested | TookOver) -> Iterator[Happening]:
        lifelines, telling = self._lifelines, self._telling
        match moment:
            case Requested(agent, tool, target, leads_to, refused):
                line = self._id(agent)
                inner = lifelines.in_one_group(agent, leads_to)
                if telling.tools and not self._given_back:
                    yield Message(MODEL.id, line, tool, reply=True)
                asked = f"Request Handoff to {short_name(leads_to if inner else target)}"
                if refused is None:
                    yield Message(line, line if inner else self._runner, asked)
                else:
                    yield Message(line, line if inner else self._runner, telling.because(asked, refused), marks=("refused",))
            case TookOver(source, agent):
                if not lifelines.in_one_group(source, agent):
                    yield Message(self._runner, self._id(agent), f"Load {lifelines.of(agent).label} + Context")

    # -- models ----------------------------------------------------------------------------------------------------

    def _of_model(self, moment: Moment) -> Iterator[Happening]:
        telling = self._telling
        match moment:
            case Asked(agent, "results"):
                if not telling.tools:
                    yield Message(self._id(agent), MODEL.id, "Process with Tool Results")
            case Asked(agent, why):
                whose = "" if self._lifelines.is_first(agent) else f"{short_name(agent)} "
                yield Message(self._id(agent), MODEL.id, f"Process {'Again ' if why == 'again' else ''}with {whose}Instructions")
            case Spoke(agent, text, called):
                if text.strip():
                    yield Message(MODEL.id, self._id(agent), telling.quoted(text), reply=True)
                elif not telling.tools:
                    yield Message(MODEL.id, self._id(agent), telling.reason(", ".join(called)), reply=True)
            case Answered(agent):
                yield Message(MODEL.id, self._id(agent), "Generate Response", reply=True)
            case Unusable(agent, why):
                yield Message(MODEL.id, self._id(agent), telling.because("Unusable Response", why), reply=True, marks=("refused",))
            case ModelFell(agent, error):
                yield Message(MODEL.id, self._id(agent), telling.reason(error), reply=True, marks=("failed",))

    # -- tools -----------------------------------------------------------------------------------------------------

    def _of_tools(self, moment: Moment) -> Iterator[Happening]:
        match moment:
            case SideBySide(calls):
                yield Span("par", "Calls side by side", tuple(tuple(self._called(call)) for call in calls))
            case Called():
                yield from self._called(moment)
            case Refused(name=name, why=why, rewritten=rewritten):
                yield Message(MODEL.id, TOOLS.id, self._telling.because(name, why), marks=("refused",))
                if rewritten is not None:
                    yield Message(self._runner, MODEL.id, self._telling.words(rewritten), reply=True)

    def _called(self, call: Called) -> Iterator[Happening]:
        telling, agent = self._telling, self._id(call.agent)
        yield Message(MODEL.id, TOOLS.id, call.name)
        for error in call.earlier:
            yield Message(TOOLS.id, self._runner, telling.reason(error), reply=True, marks=("failed",))
            yield Message(self._runner, TOOLS.id, call.name)
        if call.inside:
            inner = Roles(self._lifelines, telling, within=True)
            yield Span("group", "", (tuple(inner.happenings(call.inside)),))
        reader = agent if call.ends == "tool" else MODEL.id
        watched = call.rewritten is not None or call.ends == "handler"
        if call.failed is not None:
            yield Message(TOOLS.id, self._runner if watched else reader, telling.reason(call.failed), reply=True, marks=("failed",))
        elif call.gave is not None:
            yield Message(TOOLS.id, self._runner if watched else reader, telling.words(call.gave), reply=True)
        if call.rewritten is not None:
            yield Message(self._runner, reader, telling.words(call.rewritten), reply=True)
