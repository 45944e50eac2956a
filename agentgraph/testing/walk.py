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
from agentgraph.testing.fitting import fitting
from agentgraph.testing.stubs import DENIED, FAILS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgraph.testing.reference import Reference, State, Turned

Draw = Callable[[Sequence[Any]], Any]
"""Draws one of several."""
_FARTHEST = 20_000
"""States that are looked at on the way to an aim."""
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
        start = reference.start()
        self.transitions = tuple(transition for transition in self._thinkable() if self.towards(start, transition) is not None)
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

    def chains(self, state: State) -> list[tuple[str, ...]]:
        """Replies whose last call may happen only since the calls before it set what it needs; and the same with the last call first."""
        found: list[tuple[str, ...]] = []
        tools = self.reference.tools[state.agent]
        for name in self.disabled(state):
            missing = self.requires(state.agent, name) - state.facts
            setting = tuple(other for other in self.enabled(state) if other in tools and tools[other].sets & missing)
            if setting:
                found += [(*setting, name), (name, *setting)]
        return found

    # -- the way to an aim -----------------------------------------------------------------------------------------

    def towards(self, state: State, aim: Transition) -> str | None:
        """What to call next on a shortest way to `aim`; None when none leads there. O(agents x sets of facts), once for each question."""
        key = (state.agent, state.facts, aim)
        if key not in self._next:
            self._next[key] = self._searched(*key)
        return self._next[key]

    def _searched(self, agent: str, facts: frozenset[str], aim: Transition) -> str | None:
        known = {(agent, facts)}
        waiting: deque[tuple[str, frozenset[str], str | None]] = deque([(agent, facts, None)])
        while waiting and len(known) < _FARTHEST:
            agent, facts, first = waiting.popleft()
            if agent == aim.agent and (self.requires(agent, aim.name) <= facts) == (aim.kind != "refusal"):
                return first or aim.name
            for name, after in self._steps(agent, facts):
                if after not in known:
                    known.add(after)
                    waiting.append((*after, first or name))
        return None

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

    def reply(self, state: State, names: Sequence[str], draw: Draw, number: int) -> Reply:
        """A reply that calls `names`; seldom, one of the calls is to fail, is denied, cannot be read, or shares the id of another."""
        calls: list[ToolCall] = []
        for position, name in enumerate(names):
            plain = f"c{number}_{position}"
            call = self.call(state.agent, name, plain + draw(("", "", "", FAILS, "", "", DENIED, "")))
            match draw(("fits", "fits", "fits", "fits", "malformed", "unasked", "same id", "no id", "fits", "fits", "fits")):
                case "malformed":
                    call = ToolCall(call.id, name, _MALFORMED)
                case "unasked":
                    call = ToolCall(call.id, name, {"nobody asked for this": 1})
                case "same id":
                    call = ToolCall(f"c{number}_0", name, call.json)
                case "no id":
                    call = ToolCall("", name, call.json)
            calls.append(call)
        return Reply(draw((None, "Let me see.")), tuple(calls))
