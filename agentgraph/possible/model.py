"""The model that proofs walk: an agent, the facts that are true, and inside which tools it sits. The LLM is free choice.

From a state anything enabled may happen, in any order, any number of times: a tool is called whose `requires` are true, a handoff
is taken, the turn ends where the agent may finish. That is every prompt, model and injection, so what never happens here never happens.

Why this covers what runs, though it takes one thing at a time:

- *Parallel calls.* Guards are evaluated at dispatch and facts are committed in call order; a call that `requires` something waits for
  those before it. So what a reply does is what its calls do one after the other. A call that starts early sees no more facts than that.
- *Failures.* A call and what it comes to are one move. Facts only ever enable. A call that fails sets none and so allows less than one
  that succeeds: success stands for both where nothing can tell. Two things can: a `final` tool that succeeds ends the turn, and a
  demand may heed what calls come to. There both are walked.
- *Outputs that nobody heard of.* A tool may have given its output and the runner not know: it was cancelled, killed, or too late.
  That is a success that sets nothing, and ends nothing: less than one that was heard of, so it is walked of `final` tools alone.
- *Resumed conversations.* A context of ours is a state that was reached before, and going on from it is going on from that state; one
  that was left in the middle of a call allows less, as a failure does.
- *Agents as tools* are call and return: `call t`, `enter root`, what happens inside, and back to the caller, with the facts that were
  set. Inside no turn ends. The way back is open until the run inside has ended, since it may be cut off; only one that has answered sets
  what `t` sets.
  Agents are values, so the tools inside tools are a finite tree; it is unfolded as far as it is walked.
- `when=`, payloads and approvals may say yes or no, and are left out. Limits and budgets only cut off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from agentgraph.conversation.happening import Happening
from agentgraph.definition.tool import Tool
from agentgraph.errors import DefinitionError
from agentgraph.graph.edge import listed
from agentgraph.possible.cone import Cone
from agentgraph.possible.rooms import Room, may_end, offered, outcome, outermost, room_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agentgraph.definition.agent import Agent
    from agentgraph.graph.edge import Edge
    from agentgraph.graph.topology import Topology
    from agentgraph.possible.cone import Heeds

MOST_FACTS = 12

End = Literal["answer", "handler", "final tool", "cut off", "unread"]
"""How a turn, or a run inside a tool, came to its end. unread: it ended well, and the `output_extractor` of the tool failed."""


State = int
"""Where a conversation is: the facts that matter, a bit each, and above them the number of a spot."""
_FACTS = (1 << MOST_FACTS) - 1


def facts_in(state: State) -> int:
    """The facts that are true in `state`, a bit each."""
    return state & _FACTS


class Return(NamedTuple):
    """A way out of a tool that is an agent, back to its caller. It is no move: what the call came to is seen with the move behind it."""

    spot: int
    gains: int
    by: End
    outcome: Happening
    lost: bool = False
    """Whether the answer was given and nobody heard of it."""


class Step(Struct, frozen=True, gc=False):
    """One move, and all that a script needs to bring it about."""

    happening: Happening
    """What is done: an agent is entered, a tool is called, a turn ends. Of a way that ends by coming back: what that call came to."""
    to: State
    happenings: tuple[Happening, ...] = ()
    """All that a spec sees of it: what the calls that were left came to, what is done, and what it comes to at once."""
    by: str = ""
    """What the model calls for it, a tool or a handoff; or the `End` that it is. Nothing where it follows by itself."""
    fails: bool = False
    """Whether it is a call that fails."""
    lost: bool = False
    """Whether it is a call that gives its output, and nobody hears of it."""
    returns: tuple[Return, ...] = ()
    """The tools that were left before it."""

    @property
    def is_move(self) -> bool:
        """Whether it counts as one; coming back does not."""
        return self.happening.kind not in ("success", "failure")


class _Move(NamedTuple):
    needs: int
    happenings: tuple[Happening, ...]
    spot: int
    gains: int
    by: str
    fails: bool = False
    lost: bool = False


class Lead(NamedTuple):
    """A move that may be made from a spot where the facts it needs are true, those counted that are set by coming back before it."""

    needs: int
    gains: int
    spot: int
    step: Step
    """But for where it leads to."""


class Spot:
    """An agent in a room, and how it got there."""

    __slots__ = ("agent", "caller", "leads", "moves", "of", "room", "stage", "tool")

    def __init__(self, room: Room, agent: str, stage: str, caller: int | None, tool: Tool | None) -> None:
        self.room, self.agent, self.caller, self.tool = room, agent, caller, tool
        self.stage = stage
        """asked: the agent may do anything. ending: a `final` tool of its has succeeded. entering: the tool it sits inside was just called."""
        self.of: Agent = room.agents[agent]
        self.moves: list[_Move] | None = None
        """What may be done here."""
        self.leads: tuple[Lead, ...] | None = None
        """What may be done next, here or after coming back to a caller."""

    @property
    def end(self) -> End:
        """How a turn, or a run inside a tool, ends here at best."""
        if self.stage == "ending":
            return "final tool"
        if self.of.may_finish:
            return "answer"
        return "handler" if may_end(self.of) else "cut off"


class Model:
    """The states of a topology. They are made as they are reached; one model may be asked many things."""

    def __init__(self, topology: Topology, *, guarded: bool = True, also: Iterable[str] = (), heeds: Heeds | None = None) -> None:
        """Without `guarded` every fact that somebody sets counts as true: more can happen than does, and no number of facts is too much.

        `also` are agents that are thought to hold conversations, whether or not one comes to them. `heeds` says which happenings can
        make a difference: what cannot is left out, and what a call came to is told apart where that can. Without it everything is
        walked, and success stands for failure.
        """
        self.name = topology.name
        self._room = outermost(topology, also)
        self._heeds: Heeds = heeds or _nothing
        self._insides: dict[int, Room] = {}
        self.settable, matter = _facts(self._room)
        """The facts that can become true."""
        self._cone = Cone(self._room, self._inside, self.settable, heeds) if heeds is not None else None
        if self._cone is not None:
            matter = tuple(fact for fact in matter if fact in self._cone.facts)
        self.facts = matter if guarded else ()
        if len(self.facts) > MOST_FACTS:
            raise DefinitionError(
                f"{topology.name!r} has {len(self.facts)} facts that tools set and others require, {listed(self.facts, 16)}; a proof takes {MOST_FACTS}, since each doubles its states: prove a part of the graph, or use fewer facts"
            )
        self._bits = {fact: 1 << at if guarded else 0 for at, fact in enumerate(matter)}
        self._entries = topology.entries
        self._spots: list[Spot] = []
        self._known: dict[tuple[int | None, str, str, str], int] = {}

    def starts(self) -> Iterator[Step]:
        """How a conversation begins: an entry is entered, and no fact is true."""
        for entry in self._entries:
            yield self.begun(entry)

    def begun(self, agent: str) -> Step:
        """A conversation that `agent` holds, and no fact is true."""
        entering = self._room.entering(agent)
        return Step(entering, self._at(agent) << MOST_FACTS, (entering,))

    def holder(self, state: State) -> str | None:
        """The agent that holds the conversation; None in the inside of a tool."""
        spot = self._spots[state >> MOST_FACTS]
        return None if spot.caller is not None else spot.agent

    def is_inside(self, at: int) -> bool:
        """Whether a spot is in the inside of a tool."""
        return self._spots[at].caller is not None

    def entering(self, state: State) -> Happening:
        """That the agent that acts in `state` was entered."""
        spot = self._spots[state >> MOST_FACTS]
        return spot.room.entering(spot.agent)

    def steps(self, state: State) -> Iterator[Step]:
        """What may happen next, in the order written. O(what is offered, here and around)."""
        facts = facts_in(state)
        for needs, gains, spot, step in self.leads(state >> MOST_FACTS):
            if not needs & ~facts:
                yield replace(step, to=spot << MOST_FACTS | facts | gains)

    def leads(self, at: int) -> tuple[Lead, ...]:
        """What may be done next at a spot, in the order written, whatever facts are true."""
        spot = self._spots[at]
        if spot.leads is None:
            spot.leads = tuple(
                Lead(
                    move.needs & ~gained,
                    move.gains | gained,
                    move.spot,
                    Step(
                        move.happenings[0],
                        0,
                        (*(back.outcome for back in returns), *move.happenings),
                        move.by,
                        move.fails,
                        move.lost,
                        returns,
                    ),
                )
                for there, gained, returns in self.ways_back(at)
                for move in self._moves(there)
            )
        return spot.leads

    def ways_back(self, at: int) -> Iterator[tuple[int, int, tuple[Return, ...]]]:
        """Where a conversation may be with no move made: the spot itself, and those that it may come back to, each with the facts this sets."""
        todo: list[tuple[int, int, tuple[Return, ...]]] = [(at, 0, ())]
        for here, gained, returns in todo:  # grows as it is walked
            yield here, gained, returns
            todo.extend((back.spot, gained | back.gains, (*returns, back)) for back in self._returns(self._spots[here]))

    # -- unfolding -------------------------------------------------------------------------------------------------

    def _at(self, agent: str, stage: str = "asked", like: Spot | None = None) -> int:
        """The spot of `agent` in the room of `like`."""
        room, caller, tool = (like.room, like.caller, like.tool) if like is not None else (self._room, None, None)
        return self._made(room, agent, stage, caller, tool)

    def _made(self, room: Room, agent: str, stage: str, caller: int | None, tool: Tool | None) -> int:
        key = (caller, tool.name if tool is not None else "", agent, stage)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self._spots)
            self._spots.append(Spot(room, agent, stage, caller, tool))
        return found

    def _moves(self, at: int) -> list[_Move]:
        spot = self._spots[at]
        if spot.moves is None:
            match spot.stage:
                case "entering":
                    spot.moves = [_Move(0, (spot.room.entering(spot.agent),), self._at(spot.agent, like=spot), 0, "")]
                case "ending":
                    spot.moves = self._endings(spot)
                case _:
                    spot.moves = [
                        *(move for tool in spot.of.tools for move in self._calls(spot, at, tool)),
                        *self._handoffs(spot),
                        *self._endings(spot),
                    ]
        return spot.moves

    def _calls(self, spot: Spot, at: int, tool: Tool) -> Iterator[_Move]:
        needs = self._needed(tool.requires)
        if needs is None or (self._cone is not None and not self._cone.has(tool)):
            return
        called = Happening("call", tool.name, spot.agent)
        if tool.agent is not None:
            room = self._inside(tool)
            yield _Move(needs, (called,), self._made(room, room.entries[0], "entering", at, tool), 0, tool.name)
            return
        given, failed = outcome(tool, spot.agent, given=True), outcome(tool, spot.agent, given=False)
        then = self._at(spot.agent, "ending", spot) if tool.final else at
        yield _Move(needs, (called, given), then, self._mask(tool.sets), tool.name)
        if tool.final or self._tells(tool, spot.agent):
            yield _Move(needs, (called, failed), at, 0, tool.name, fails=True)
        if tool.final and self._tells(tool, spot.agent):
            yield _Move(needs, (called, given), at, 0, tool.name, lost=True)

    def _tells(self, tool: Tool, agent: str) -> bool:
        """Whether it makes a difference what a call of `tool` came to."""
        return self._heeds(outcome(tool, agent, given=True)) or self._heeds(outcome(tool, agent, given=False))

    def _inside(self, tool: Tool) -> Room:
        found = self._insides.get(id(tool))
        if found is None:
            found = self._insides[id(tool)] = room_in(tool)
        return found

    def _handoffs(self, spot: Spot) -> Iterator[_Move]:
        for edge in spot.room.leaving[spot.agent]:
            needs = self._needed(edge.handoff.requires)
            if needs is not None and (self._cone is None or self._cone.leads(spot.tool, edge.target)):
                yield _Move(needs, (spot.room.entering(edge.target),), self._at(edge.target, like=spot), 0, edge.tool)

    def _endings(self, spot: Spot) -> list[_Move]:
        if spot.caller is not None or spot.end == "cut off":
            return []
        if self._cone is not None and not self._cone.ends and spot.stage == "asked":
            return []  # which would come back to where it began
        return [_Move(0, (Happening("final", agent=spot.agent),), self._at(spot.agent, like=spot), 0, spot.end)]

    def _returns(self, spot: Spot) -> Iterator[Return]:
        if spot.caller is None or spot.stage == "entering":
            return
        assert spot.tool is not None
        caller, tool, end = self._spots[spot.caller], spot.tool, spot.end
        given, failed = outcome(tool, caller.agent, given=True), outcome(tool, caller.agent, given=False)
        told = self._tells(tool, caller.agent)
        if end == "cut off":
            yield Return(spot.caller, 0, "cut off", failed)
            return
        yield Return(self._at(caller.agent, "ending" if tool.final else "asked", caller), self._mask(tool.sets), end, given)
        if tool.final or told:  # else an answer allows more than a failure
            if spot.stage == "asked":
                yield Return(spot.caller, 0, "cut off", failed)
            elif tool.output_extractor is not None:
                yield Return(spot.caller, 0, "unread", failed)
        if tool.final and told:
            yield Return(spot.caller, 0, end, given, lost=True)

    def _mask(self, facts: frozenset[str]) -> int:
        return sum(self._bits[fact] for fact in facts if fact in self._bits)

    def _needed(self, requires: frozenset[str]) -> int | None:
        """The facts as bits; None where one of them can never become true."""
        return self._mask(requires) if requires <= self._bits.keys() else None


def _nothing(happening: Happening) -> bool:  # noqa: ARG001 - asked of anything
    return False


def _facts(outside: Room) -> tuple[frozenset[str], tuple[str, ...]]:
    """The facts that can become true, and those of them that matter: no guard that can hold asks for the others. O(facts * graph)."""
    true, before = frozenset[str](), None
    while true != before:
        before = true
        true |= {fact for tool in offered(outside, true) if isinstance(tool, Tool) for fact in tool.sets}
    required = {fact for each in offered(outside, true) for fact in _requires(each) if _requires(each) <= true}
    return true, tuple(sorted(true & required))


def _requires(offer: Tool | Edge) -> frozenset[str]:
    return offer.requires if isinstance(offer, Tool) else offer.handoff.requires
