"""Context: one immutable snapshot of a conversation.

It holds everything that the next step depends on and nothing else, as values that JSON can hold: who holds the
conversation, what was said, the user's shared data, what is pending. It never changes, it is only followed by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from agentgraph.conversation.budget import Budget
from agentgraph.conversation.frozen import EMPTY, FrozenDict, Json, freeze
from agentgraph.conversation.happening import Happening
from agentgraph.conversation.history import NOTHING_SAID, History
from agentgraph.conversation.message import TEXT_OR_NONE, CallOutcome, Message, ToolCall
from agentgraph.conversation.usage import NO_USAGE, Usage
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

NO_FACTS: frozenset[str] = frozenset()


class Phase(StrEnum):
    """Where a turn stands. The turn machine in `engine/turn.py` moves between these."""

    WAITING = "waiting"
    THINKING = "thinking"
    ACTING = "acting"

    __hash__ = str.__hash__  # an enum's own is written in Python, and every step looks one up


class Returned(Struct, frozen=True, gc=False, omit_defaults=True):
    """What came back for one call, before it is committed."""

    value: Json = None
    error: str | None = None
    outcome: CallOutcome = "given"
    """What the tool itself did; a handler may have made a value of its error since."""
    updates: FrozenDict = EMPTY
    facts: frozenset[str] = NO_FACTS
    usage: Usage = NO_USAGE
    watched: FrozenDict = EMPTY
    """Where monitors stand after what went on inside, if that was an agent."""
    unset: bool = False
    """Whether it has not done what its facts stand for."""


class Pending(Struct, frozen=True, gc=False, omit_defaults=True):
    """A call of the reply in hand.

    held: not started, something before it must be decided first. asked: a person must approve it. started: the outside
    runs it. extracting: the agent in it has answered, and the tool's output is made of that. returned: it came back. handling: handlers
    look at what came back. handled: they have. done: in the history.
    """

    call: ToolCall
    stage: Literal["held", "asked", "started", "extracting", "returned", "handling", "handled", "done"] = "held"
    approved: bool = False
    attempt: int = 0
    """How often it was started."""
    earlier: tuple[Literal["failed", "unknown"], ...] = ()
    """What became of the attempts before the last."""
    arguments: FrozenDict | None = None
    """What runs, where that is not what the model wrote."""
    early: bool = False
    """Whether it was started before it was its turn to be committed."""
    returned: Returned | None = None
    watched: FrozenDict = EMPTY
    """Where monitors stood before its last attempt, of those that were moved by it: nobody may ever hear of that one."""
    inside: Context | None = None
    """The conversation inside, while an agent that is used as a tool is at work."""
    told: tuple[Happening, ...] = ()
    """What has happened inside."""


class Seen(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the calls that were started early see: the snapshot of that moment, whatever was committed since."""

    data: FrozenDict = EMPTY
    facts: frozenset[str] = NO_FACTS
    messages: int = 0


class Settings(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one run may use and how it goes about it. Kept in the context, so that resuming cannot reset it."""

    max_turns: int = 10
    """Model calls."""
    parallel: bool = True
    """Whether the calls of one reply may run at the same time."""
    handled: bool = False
    """Whether a run-scoped handler sees every output."""
    tool_output: int = 100_000
    """Characters of one tool's output that are kept for the model; the trace has all of it."""
    arguments: int = 1_000_000
    """Characters that the arguments of one call may have."""
    budget: Budget | None = None


class Progress(Struct, frozen=True, gc=False, omit_defaults=True):
    """The run that is under way: its settings, what it has used, and the calls of the reply in hand."""

    settings: Settings = Settings()
    model_calls: int = 0
    tool_calls: int = 0
    handoffs: int = 0
    seconds: float = 0.0
    """Of the time that the budget limits; counted where it does."""
    usage: Usage = NO_USAGE
    largest_tokens: int = 0
    """Of one model call; counted where the budget limits them."""
    largest_cost: float = 0.0
    waits: bool = False
    """Whether the model is not asked yet, since that might go beyond the budget beside the calls that are in flight elsewhere in the run."""
    visits: FrozenDict = EMPTY
    """How often each agent took over; counted where the budget limits it."""
    exceeded: str | None = None
    """The budget that something was refused for: the run ends when the calls in hand are answered."""
    calls: tuple[Pending, ...] = ()
    at: int = 0
    """The call whose turn it is to be committed."""
    seen: Seen | None = None
    note: str | None = None
    """Said to the model once, after an answer that could not be used. Never part of the history."""


class Handed(Struct, frozen=True, gc=False, omit_defaults=True):
    """The handoff by which the present agent came to hold the conversation."""

    source: str
    target: str
    tool: str
    at: int
    """How many messages there were when it took over."""
    reason: str | None = None
    payload: FrozenDict | None = None


class Destination(Protocol):
    """What a context must know of a graph to move into it."""

    @property
    def fingerprint(self) -> str:
        """What tells this topology from another."""
        ...

    def offered(self, agent: str) -> Mapping[str, Collection[str]] | None:
        """The tools and handoffs of `agent`, and whom each leads to: an agent, and the group that is meant. None when there is no such agent."""
        ...

    def within(self, agent: str, tool: str) -> Destination | None:
        """The graph inside `tool` of `agent`, where that is an agent or a group; None where it is not."""
        ...

    def handoff_name(self, target: str) -> str:
        """How a handoff to `target` is called, unless it says otherwise."""
        ...


class Context(Struct, frozen=True, gc=False, omit_defaults=True):
    """One snapshot of a conversation. `Context(data={"name": "Ada"})` starts one.

    >>> Context(data={"name": "Ada"}).with_data(plan="pro").data
    {'name': 'Ada', 'plan': 'pro'}
    """

    agent: str | None = None
    """Who holds the conversation; None before anybody has."""
    messages: History = NOTHING_SAID
    data: FrozenDict = EMPTY
    facts: frozenset[str] = NO_FACTS
    turn: int = 0
    """How many times the user has spoken."""
    usage: Usage = NO_USAGE
    fingerprint: str | None = None
    """Of the topology this context was last stepped in; None for a new or foreign one."""
    handed: Handed | None = None
    progress: Progress | None = None
    """None while the conversation waits for the user."""
    watched: FrozenDict = EMPTY
    """Where each monitor stands, by what it demands: its state, or the list of those that it may be in since nobody knows whether a call
    has run. Judged where it is used, since every step of every run makes contexts."""

    if TYPE_CHECKING:

        def __init__(
            self,
            agent: str | None = ...,
            messages: Iterable[Message | dict[str, Any]] = ...,
            data: Mapping[str, Any] = ...,
            facts: Iterable[str] = ...,
            turn: int = ...,
            usage: Usage = ...,
            fingerprint: str | None = ...,
            handed: Handed | None = ...,
            progress: Progress | None = ...,
            watched: Mapping[str, int | Sequence[int]] = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        if type(self.agent) not in TEXT_OR_NONE or type(self.turn) is not int or type(self.usage) is not Usage:
            _refuse_wrong_types(self)
        if type(self.messages) is not History:
            force_setattr(self, "messages", _history(self.messages))
        if type(self.data) is not FrozenDict:
            force_setattr(self, "data", _data(self.data))
        if type(self.facts) is not frozenset:
            force_setattr(self, "facts", frozenset(map(_fact, _several(self.facts, "facts"))))

    @property
    def phase(self) -> Phase:
        """Whether the conversation waits for the user, a model or tools."""
        if self.progress is None:
            return Phase.WAITING
        return Phase.ACTING if self.progress.calls else Phase.THINKING

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls that are not answered yet: those in the history, each followed by those inside it. No two have the same id."""
        if self.progress is None:
            return ()
        calls: list[ToolCall] = []
        for pending in self.progress.calls:
            if pending.stage != "done":
                calls.append(pending.call)
                if pending.inside is not None:
                    calls.extend(pending.inside.pending)
        return tuple(calls)

    @property
    def payload(self) -> FrozenDict | None:
        """What the agent that handed over filled in, if that handoff asks for a payload."""
        return self.handed.payload if self.handed else None

    @property
    def broken(self) -> tuple[str, ...]:
        """What monitors demanded and was broken, which only an end that nobody could foresee does."""
        return tuple(demand for demand, state in self.watched.items() if state == -1)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, each checked as if it were new."""
        unknown = changes.keys() - set(self.__struct_fields__)
        if unknown:
            raise ContextError(f"a context has no {', '.join(sorted(unknown))}; it has {', '.join(self.__struct_fields__)}", changes)
        return replace(self, **changes)

    def with_data(self, **changes: Any) -> Self:
        """A copy with some of the shared data changed.

        Raises:
            ContextError: for a value that JSON cannot hold.
        """
        return replace(self, data=_data({**self.data, **changes}))

    def to_json(self) -> str:
        """This context as JSON text: ASCII only, no NaN, nothing of it is ever executed on the way back."""
        from agentgraph.conversation.context_json import dump  # here, since it reads this type

        return dump(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Context:
        """The context that `to_json` wrote.

        Raises:
            ContextError: truncated or foreign text, an unknown version; `given` keeps the text.
        """
        from agentgraph.conversation.context_json import load

        return load(text)

    def migrate(self, graph: Destination, rename: Mapping[str, str] | None = None, tools: Mapping[str, str] | None = None) -> Context:
        """This context, made to fit `graph`: with agents and tools renamed, old name to new, in what was said and in what is pending.

        A handoff whose name comes from its target is renamed with it. A pending call that is still not offered stays pending, and is
        answered as an unknown tool when the run goes on. Facts and data keep their names.

        Raises:
            ContextError: when the agent that holds the conversation is neither in `graph` nor renamed to one that is; this context is
                as it was.
        """
        from agentgraph.conversation.migrate import migrated

        return migrated(self, graph, rename or {}, tools or {})


def _refuse_wrong_types(context: Context) -> None:
    given: Any = context
    if not isinstance(given.agent, str | None) or not isinstance(given.turn, int) or not isinstance(given.usage, Usage):
        message = f"a context has agent={given.agent!r:.40}, turn={given.turn!r:.40}, usage={given.usage!r:.60}; give a name or None, an int, a Usage"
        raise ContextError(message, context)


def _history(given: Any) -> History:
    return given if isinstance(given, History) else History(map(_message, _several(given, "messages")))


def _message(given: Any) -> Message:
    if isinstance(given, Message):
        return given
    if isinstance(given, dict):
        return Message.from_openai(given)
    raise ContextError(f"messages holds a {type(given).__name__}; give Message values or chat-completions dictionaries", given)


def _fact(given: Any) -> str:
    if type(given) is not str:
        raise ContextError(f"facts holds {given!r:.60}; facts are names", given)
    return given


def states_of_monitors(given: Any) -> FrozenDict:
    """`given` as it is, if it can say where monitors stand, by what they demand: a whole number, -1 for one whose demand was broken, or
    a list of those that it may be in.
    """
    if not isinstance(given, Mapping) or not all(_is_state(state) for state in given.values()):
        raise ContextError(f"watched is {given!r:.80}; give where each monitor stands, as a whole number or a list of them", given)
    return given if type(given) is FrozenDict else freeze(dict(given))


def _is_state(given: Any) -> bool:
    if isinstance(given, list):
        return len(given) > 1 and all(type(state) is int and state >= 0 for state in given)
    return type(given) is int and given >= -1


def _several(given: Any, name: str) -> list[Any]:
    """`given` as a list: one fact given as text is one fact, not its letters."""
    if isinstance(given, str):
        given = [given]
    try:
        return list(given)
    except TypeError:
        raise ContextError(f"{name} is the {type(given).__name__} {given!r:.60}; give a list", given) from None


def _data(given: Any) -> FrozenDict:
    if not isinstance(given, Mapping):
        raise ContextError(f"data is a {type(given).__name__}; give a dict of JSON values", given)
    return freeze(dict(given))  # type: ignore[no-any-return]
