"""What happened in a conversation, in the words that specs speak.

The core says it at every step. The same happenings are walked by proofs, stepped by monitors while a conversation runs, and read
back from recordings.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

HappeningKind = Literal["enter", "call", "success", "failure", "refusal", "approval", "denial", "skip", "handoff", "final"]


class Happening(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing that happened.

    - `enter`: an agent came to hold the conversation.
    - `call`: an execution of a tool was started; each attempt is one.
    - `success`, `failure`: what the tool came to, once its output is committed, in call order.
    - `refusal`: a call or a handoff that was not permitted, for `reason`. `skip`: one that was not reached.
    - `approval`, `denial`: what a person decided about a call.
    - `handoff`: one was carried out; the `enter` of its target follows.
    - `final`: the turn ended. Being cut off by a limit is not `final`.

    >>> print(Happening("enter", "Billing"), Happening("call", "refund", "Billing"), Happening("final", agent="Billing"), sep=", ")
    enter Billing, call refund, final
    """

    kind: HappeningKind
    name: str = ""
    """The agent that was entered, or the tool, or the tool of the handoff."""
    agent: str = ""
    """Whose call it was, or who ended the turn."""
    groups: tuple[str, ...] = ()
    """Around the agent that was entered, outermost first."""
    within: tuple[str, ...] = ()
    """The calls of agents used as tools around it, outermost first."""
    call_id: str = ""
    attempt: int = 0
    """Of a `call`: 1 for the first execution of this call, 2 for the next."""
    reason: str = ""
    """Of a `refusal`: why. Of a `call` in the path of a verdict, where it is one move with what it came to: that it fails."""
    sure: bool = True
    """Whether it is known to have happened. A `call` that is not may have run, or not, and may have succeeded: nobody heard of it again."""

    def __str__(self) -> str:
        words = f"{self.kind} {self.name}" if self.name else self.kind
        return f"{words}, {self.reason}" if self.reason and self.kind == "call" else words
