"""Recordings of other systems: messages alone. Their handoffs and calls are walked through the machine's table.

Such a recording does not say what guards saw or what a reply was made of, so less is asked. Is every speaker an agent? Does a
recorded handoff lead where it led? Where the speaker changes and no handoff is recorded, does some chain of handoffs lead there,
or had the user spoken, and the agent held the conversation before? Does each offer the tools that it called?
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgraph.engine.continuity import carried_out
from agentgraph.engine.divergence import Divergence, Kind, Replayed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgraph.conversation.message import Message, ToolCall
    from agentgraph.machine.machine import Machine, Offer

_SPACES = re.compile(r"[-.:/]")
"""What stands between the name of a tool and the plugin or server that it comes from."""


def walked(machine: Machine, messages: Sequence[Message]) -> Replayed:
    """The agents that `messages` reach, and the first message that `machine` does not permit.

    A conversation may begin with any agent, since a recording may begin anywhere. What a speaker without a name says is passed over.
    O(messages), and O(V + E) where the speaker changes without a handoff.
    """
    walk = _Walk(machine, messages)
    for at, message in enumerate(messages):
        divergence = walk.follow(at, message)
        if divergence is not None:
            return Replayed(tuple(walk.path), divergence)
    return Replayed(tuple(walk.path), None)


def names_in(messages: Sequence[Message]) -> set[str]:
    """The agents that spoke, and those that were handed over to."""
    told = (name for message in messages if message.role in ("assistant", "tool") for name in (message.agent, _told(message)[0]))
    return {name for name in told if name is not None}


class _Walk:
    """How far the walk has come."""

    def __init__(self, machine: Machine, messages: Sequence[Message]) -> None:
        self.machine = machine
        self.path: list[str] = []
        self._answers = {message.tool_call_id: message for message in messages if message.role == "tool"}
        self._user_spoke = False

    def follow(self, at: int, message: Message) -> Divergence | None:
        """One message further; or why not."""
        if message.role == "user":
            self._user_spoke = True
        if message.role != "assistant" or message.agent is None:
            return None
        divergence = self._speaks(at, message.agent)
        if divergence is None:
            self._user_spoke = False
            divergence = self._calls(at, message, message.agent)
        return divergence

    def _speaks(self, at: int, agent: str) -> Divergence | None:
        source = self.path[-1] if self.path else agent
        resumed = self._user_spoke and agent in (*self.path, *self.machine.entries)
        return self._enter(at, source, agent, permitted=resumed or agent in _reached(self.machine, source))

    def _calls(self, at: int, message: Message, agent: str) -> Divergence | None:
        """The first handoff that was carried out moves the conversation; what was called behind it was not executed."""
        offer = self.machine.offer(agent)
        target, via = _told(message)
        for call in message.tool_calls:
            edge = offer.handoffs.get(call.name)
            if target is not None and (edge is not None or call.name == via):
                break
            if not self._carried_out(call):
                continue
            if edge is not None:
                return self._enter(at, agent, edge.target, permitted=True)
            if target is None and not _offers(offer, call.name):
                found = f"{agent!r} offers {', '.join(offer.names) or 'no tools'}"
                return _diverges("tool gone", at, agent, call.name, f"{call.name!r} is called", found)
        if target is None:
            return None
        return self._enter(at, agent, target, permitted=target == agent or any(edge.target == target for edge in offer.handoffs.values()))

    def _enter(self, at: int, source: str, target: str, *, permitted: bool) -> Divergence | None:
        recorded = f"{source!r} hands over to {target!r}" if source != target else f"{target!r} speaks"
        if target not in self.machine.agents:
            return _diverges("agent gone", at, source, target, recorded, f"there is no agent {target!r}")
        if not permitted:
            leads = ", ".join(repr(edge.target) for edge in self.machine.offer(source).handoffs.values())
            return _diverges("handoff gone", at, source, target, recorded, f"{source!r} hands over to {leads or 'nobody'}")
        if self.path[-1:] != [target]:
            self.path.append(target)
        return None

    def _carried_out(self, call: ToolCall) -> bool:
        """Whether the call came to something. One without an answer was recorded before it had any."""
        answer = self._answers.get(call.id)
        return answer is None or carried_out(answer)


def _diverges(kind: Kind, at: int, agent: str, name: str, recorded: str, found: str) -> Divergence:
    return Divergence(kind=kind, event=None, message=at, agent=agent, name=name, recorded=recorded, found=found)


def _told(message: Message) -> tuple[str | None, str | None]:
    """Whom the message hands over to, and by which tool, where an imported dictionary says so in extra keys."""
    target, via = (message.source.get("handoff_to"), message.source.get("handoff_via")) if message.source is not None else (None, None)
    return target if isinstance(target, str) else None, via if isinstance(via, str) else None


def _offers(offer: Offer, name: str) -> bool:
    return name in offer.tools or _SPACES.split(name)[-1] in offer.tools


def _reached(machine: Machine, source: str) -> set[str]:
    """`source` and the agents that some chain of handoffs reaches from it."""
    reached, left = {source}, [source]
    while left:
        agent = left.pop()
        if agent in machine.agents:
            new = {edge.target for edge in machine.offer(agent).handoffs.values()} - reached
            reached |= new
            left += new
    return reached
