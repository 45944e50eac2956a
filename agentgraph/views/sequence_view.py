"""A trace -> the sequence of what passed in it, and between whom. There is no template: a line stands there because something happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

from agentgraph.engine.trace import Trace
from agentgraph.errors import DefinitionError
from agentgraph.views.lifelines import MODEL, RUNNER, TOOLS, USER, Lifelines
from agentgraph.views.moments import Ended, actors
from agentgraph.views.picture import Message, Note, Sequence, Span
from agentgraph.views.retold import retold
from agentgraph.views.sequence_agents import Agents
from agentgraph.views.sequence_roles import Roles
from agentgraph.views.telling import Detail, Telling

if TYPE_CHECKING:
    from agentgraph.machine.machine import Machine
    from agentgraph.views.moments import Moment
    from agentgraph.views.picture import Happening

Participants = Literal["roles", "agents"]


def sequence_of(
    trace: Trace,
    machine: Machine,
    *,
    participants: Participants = "roles",
    detail: Detail = "tools",
    max_text: int = 80,
    collapse: Collection[str] = (),
    error: Exception | None = None,
) -> Sequence:
    """What passed in `trace`, a run of `machine` (or several, that were added). O(its events and messages).

    `participants`: "roles" draws the user, the runner, the agents, their model and tools; "agents" the user and the agents alone.
    `detail`: "turns", "llm" (what models do, too), "tools". `collapse` names groups that are one lifeline each.
    `error` is what a run ended with before its first event.

    Raises:
        DefinitionError: for an option, or a group, that there is not.
    """
    groups = _checked(participants, detail, max_text, collapse)
    telling = Telling(detail, max_text)
    moments: tuple[Moment, ...] = retold(trace, machine)
    if not moments and error is not None:
        moments = (Ended("", error=str(error)),)
    lifelines = Lifelines(actors(moments, inside=telling.tools), machine, groups, titled=participants == "roles")
    draw: Callable[[Iterable[Moment]], Iterator[Happening]] = (Roles if participants == "roles" else Agents)(lifelines, telling).happenings
    happenings = tuple(draw(moments))
    met = dict.fromkeys(ends(happenings))
    always = (USER.id, RUNNER.id) if participants == "roles" else (USER.id,)
    everybody = (USER, RUNNER, *lifelines.all(), MODEL, TOOLS)
    return Sequence(tuple(one for one in everybody if one.id in met or one.id in always), happenings)


def ends(happenings: Iterable[Happening]) -> Iterator[str]:
    """The ids of whom messages and notes touch, again and again."""
    for happening in happenings:
        match happening:
            case Message(source, target):
                yield source
                yield target
            case Note(over):
                yield from over
            case Span(sections=sections):
                for section in sections:
                    yield from ends(section)


def _checked(participants: Any, detail: Any, max_text: Any, collapse: Any) -> tuple[str, ...]:
    for option, given, kind in (("participants", participants, Participants), ("detail", detail, Detail)):
        if given not in get_args(kind):
            raise DefinitionError(f"a sequence was given {option}={given!r:.60}; give {' or '.join(map(repr, get_args(kind)))}")
    if type(max_text) is not int or max_text < 1:
        raise DefinitionError(f"a sequence was given max_text={max_text!r:.60}; give the characters of a text, 1 or more")
    if isinstance(collapse, str):
        return (collapse,)
    if not isinstance(collapse, Iterable) or not all(isinstance(name, str) for name in collapse):
        raise DefinitionError(f"a sequence was given collapse={collapse!r:.60}; give the names of groups, such as ['Research']")
    return tuple(collapse)
