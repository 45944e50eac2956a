"""Walking a graph on purpose: what may be called where one stands, what may not, and the next step towards any transition.

Left alone, Hypothesis comes to rare states rarely. So a conversation is given an aim: one of the transitions that there are, each as
likely as the others, and the shortest way to it. What was drawn decides everything, so that examples are repeated and shrunk.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from agentgraph.conversation.message import ToolCall
from agentgraph.conversation.reply import Reply
from agentgraph.conversation.usage import Usage
from agentgraph.testing.fitting import fitting
from agentgraph.testing.stubs import DENIED, FAILS, OBJECTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.testing.reference import Reference, State, Turned

Draw = Callable[[Sequence[Any]], Any]
"""Draws one of several."""
Flaw = Literal["malformed", "unasked", "fails", "denied", "objected"]
"""Arguments that are no JSON, or that do not fit; a tool that fails; a person who does not approve, and one who says why."""
_CHANCES = (
    "fits",
    "fits",
    "fits",
    "malformed",
    "fits",
    "unasked",
    "fails",
    "fits",
    "denied",
    "objected",
    "same id",
    "no id",
    "fits",
    "fits",
)
_SIDE_BY_SIDE = 8
"""Handoffs of one agent that are tried in one reply: pairs are many."""
_FARTHEST = 20_000
"""States that are looked at on the way to an aim."""
COSTS = Usage(1, 3, 2, 0.25)
"""What each reply uses: sums of it are exact."""
_MALFORMED = '{"key": '


class Transition(NamedTuple):
    """A call that may be made by an agent, and whether it is to be carried out or, its facts not being there, refused."""

    agent: str
    name: str
    kind: Literal["call", "handoff", "refusal"]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} at {self.agent}"


class Fired:
    """How often each transition fired. `never` lists those that did not."""

    def __init__(self, transitions: Sequence[Transition]) -> None:
        self.transitions = tuple(transitions)
        self.counts: Counter[Transition] = Counter()

    @property
    def never(self) -> tuple[Transition, ...]:
        """The transitions that have not fired."""
        return tuple(transition for transition in self.transitions if not self.counts[transition])

    def see(self, turned: Turned) -> Iterator[Transition]:
        """Count what one reply made fire; yields it."""
        for answered in turned.answers:
            kind = _FATES.get(answered.fate)
            if kind is not None:
                transition = Transition(turned.before.agent, answered.call.name, kind)
                self.counts[transition] += 1
                yield transition

    def __str__(self) -> str:
        fired = len(self.transitions) - len(self.never)
        missing = f"; never: {', '.join(map(str, self.never))}" if self.never else ""
        return f"{fired} of {len(self.transitions)} transitions fired{missing}"


_FATES: Mapping[str, Literal["call", "handoff", "refusal"]] = {
    "ran": "call",
    "failed": "call",
    "handed": "handoff",
    "unmet": "refusal",
    "refused": "refusal",
}


class Walk:
    """What a model may ask for at each state of one graph, right and wrong."""

    def __init__(self, reference: Reference, arguments: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.reference = reference
        self._arguments = {(agent, name): given for agent in reference.tools for name, given in self._fitted(agent, arguments or {})}
        self.names = (*sorted({name for _, name in self._arguments}), "no_such_tool")
        self._next: dict[tuple[str, frozenset[str], Transition], str | None] = {}
        self.transitions = tuple(self._possible())
        """Those that some conversation can make fire."""

    def _fitted(self, agent: str, given: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
        shapes = {name: tool.arguments for name, tool in self.reference.tools[agent].items()}
        payloads = {name: edge.handoff.payload_shape for name, edge in self.reference.edges[agent].items()}
        for name, shape in {**shapes, **payloads}.items():
            try:
                value = given[name] if name in given else fitting(shape) if shape is not None else {}
            except LookupError:
                continue
            yield name, json.dumps(value)

    def _possible(self) -> Iterator[Transition]:
        """One walk from the entry, and what is at hand in each state of it."""
        start = self.reference.start()
        reached: dict[str, list[frozenset[str]]] = {}
        for (agent, facts), _ in self._walked(start.agent, start.facts):
            reached.setdefault(agent, []).append(facts)
        for transition in self._thinkable():
            needed = self.requires(transition.agent, transition.name)
            if any((needed <= facts) == (transition.kind != "refusal") for facts in reached.get(transition.agent, ())):
                yield transition

    def _thinkable(self) -> Iterator[Transition]:
        for agent, name in self._arguments:
            yield Transition(agent, name, "handoff" if name in self.reference.edges[agent] else "call")
            if self.requires(agent, name):
                yield Transition(agent, name, "refusal")

    # -- where one stands ------------------------------------------------------------------------------------------

    def requires(self, agent: str, name: str) -> frozenset[str]:
        """The facts that a call needs."""
        tool = self.reference.tools[agent].get(name)
        return tool.requires if tool is not None else self.reference.edges[agent][name].handoff.requires

    def own(self, agent: str) -> tuple[str, ...]:
        """What `agent` can be made to call."""
        return tuple(name for name in (*self.reference.tools[agent], *self.reference.edges[agent]) if (agent, name) in self._arguments)

    def enabled(self, state: State) -> tuple[str, ...]:
        """What may be called here and now, as far as facts decide."""
        return tuple(name for name in self.own(state.agent) if self.requires(state.agent, name) <= state.facts)

    def disabled(self, state: State) -> tuple[str, ...]:
        """What may be called here, but not now."""
        return tuple(name for name in self.own(state.agent) if not self.requires(state.agent, name) <= state.facts)

    def foreign(self, state: State) -> tuple[str, ...]:
        """What others offer, or nobody."""
        agent = state.agent
        return tuple(name for name in self.names if name not in self.reference.tools[agent] and name not in self.reference.edges[agent])

    def handoffs(self, state: State) -> tuple[str, ...]:
        """The handoffs that may be asked for here and now."""
        return tuple(name for name in self.enabled(state) if name in self.reference.edges[state.agent])

    def orders(self, state: State) -> list[list[tuple[str, ...]]]:
        """Replies that mean what they mean by the order of their calls, sort by sort; sorts of which there is none are left out.

        A call whose facts come of those before it, or after it; one that must not see the facts of the one before it; what stands behind a final tool; behind a handoff; two handoffs.
        """
        tools, enabled = self.reference.tools[state.agent], self.enabled(state)
        able = [name for name in enabled if name in tools]
        edges = self.handoffs(state)[:_SIDE_BY_SIDE]
        setting = {
            name: tuple(other for other in able if tools[other].sets & (self.requires(state.agent, name) - state.facts))
            for name in self.disabled(state)
        }
        sorts: list[list[tuple[str, ...]]] = [
            [(*first, name) for name, first in setting.items() if first],
            [(name, *first) for name, first in setting.items() if first],
            [(name, other) for name in able if tools[name].sets - state.facts for other in able if not tools[other].requires],
            [(name, other) for name in able if tools[name].final for other in (*able, *edges)],
            [(name, other) for name in edges for other in able],
            [(name, other) for name in edges for other in edges if name != other],
        ]
        return [sort for sort in sorts if sort]

    def flaws(self, state: State) -> list[tuple[str, Flaw]]:
        """What can be wrong with a call that may be made: (name, flaw)."""
        tools = self.reference.tools[state.agent]
        found: list[tuple[str, Flaw]] = []
        for name in self.enabled(state):
            found.append((name, "malformed"))
            if name in tools:
                found.append((name, "fails"))
            if name in tools and tools[name].needs_approval:
                found += [(name, "denied"), (name, "objected")]
            if name in tools or self.reference.edges[state.agent][name].handoff.payload_shape is not None:
                found.append((name, "unasked"))
        return found

    # -- the way to an aim -----------------------------------------------------------------------------------------

    def towards(self, state: State, aim: Transition) -> str | None:
        """What to call next on a shortest way to `aim`; None when none leads there. O(agents x sets of facts), once for each question."""
        key = (state.agent, state.facts, aim)
        if key not in self._next:
            self._next[key] = self._searched(*key)
        return self._next[key]

    def _searched(self, agent: str, facts: frozenset[str], aim: Transition) -> str | None:
        for (where, there), first in self._walked(agent, facts):
            if where == aim.agent and (self.requires(where, aim.name) <= there) == (aim.kind != "refusal"):
                return first or aim.name
        return None

    def _walked(self, agent: str, facts: frozenset[str]) -> Iterator[tuple[tuple[str, frozenset[str]], str | None]]:
        """The states that can be reached, nearest first, each with the first call on the way there."""
        known = {(agent, facts)}
        waiting: deque[tuple[tuple[str, frozenset[str]], str | None]] = deque([((agent, facts), None)])
        while waiting:
            at, first = waiting.popleft()
            yield at, first
            for name, after in self._steps(*at):
                if after not in known and len(known) < _FARTHEST:
                    known.add(after)
                    waiting.append((after, first or name))

    def _steps(self, agent: str, facts: frozenset[str]) -> Iterator[tuple[str, tuple[str, frozenset[str]]]]:
        for name in self.own(agent):
            if self.requires(agent, name) <= facts:
                tool = self.reference.tools[agent].get(name)
                if tool is None:
                    yield name, (self.reference.edges[agent][name].target, facts)
                elif not tool.final:
                    yield name, (agent, facts | tool.sets)

    # -- what a model says -----------------------------------------------------------------------------------------

    def call(self, agent: str, name: str, call_id: str) -> ToolCall:
        """A call that fits, of `agent`'s or, made up, of anybody's."""
        return ToolCall(call_id, name, self._arguments.get((agent, name)) or "{}")

    def reply(self, state: State, names: Sequence[str], number: int, draw: Draw | None = None) -> Reply:
        """A reply that calls `names`; where there is chance, one of the calls may have a flaw, or no id, or that of another."""
        calls: list[ToolCall] = []
        for position, name in enumerate(names):
            call = self.call(state.agent, name, f"c{number}_{position}")
            match draw(_CHANCES) if draw is not None else "fits":
                case "same id":
                    call = ToolCall(f"c{number}_0", name, call.json)
                case "no id":
                    call = ToolCall("", name, call.json)
                case "fits":
                    pass
                case flaw:
                    call = flawed(call, flaw)
            calls.append(call)
        return Reply(None, tuple(calls))


def flawed(call: ToolCall, flaw: Flaw) -> ToolCall:
    """`call`, gone wrong."""
    match flaw:
        case "malformed":
            return ToolCall(call.id, call.name, _MALFORMED)
        case "unasked":
            return ToolCall(call.id, call.name, {"nobody asked for this": 1})
        case "fails":
            return ToolCall(call.id + FAILS, call.name, call.json)
        case "denied":
            return ToolCall(call.id + DENIED, call.name, call.json)
        case "objected":
            return ToolCall(call.id + OBJECTED, call.name, call.json)
