"""Holding a run of the real runner to what the reference says of it, and telling where they part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentgraph.testing.reference import Answered, Deviation, Reference, State, Turned

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context, Pending
    from agentgraph.conversation.message import CallOutcome, Message
    from agentgraph.conversation.reply import Reply
    from agentgraph.definition.model import ModelRequest
    from agentgraph.runtime.observations import ToolStarted
    from agentgraph.runtime.result import RunResult


class Speaker:
    """The model of every agent: says one line of its script each time it is asked.

    It keeps who was asked with which tools and, told by the runner, which tools were really started.
    """

    instant = True

    def __init__(self) -> None:
        self.script([])

    def script(self, lines: Sequence[Any]) -> None:
        """Say these from now on."""
        self.lines = list(lines)
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.started: list[str] = []
        self.waited: list[tuple[str, ...]] = []
        """What people were asked about, each time that the run waited for them."""

    def see(self, seen: ToolStarted) -> None:
        """Keep that a tool starts."""
        if not seen.within:
            self.started.append(seen.name)

    def reply(self, request: ModelRequest) -> Reply:
        """The next line; an exception is raised."""
        self.asked.append((request.agent, tuple(tool["function"]["name"] for tool in request.tools)))
        if len(self.asked) > len(self.lines):
            raise ConnectionError("asked once more than the run allows")
        line = self.lines[len(self.asked) - 1]
        if isinstance(line, BaseException):
            raise line
        return line  # type: ignore[no-any-return]


def compare(reference: Reference, base: State, turned: Sequence[Turned], result: RunResult, speaker: Speaker) -> None:
    """Nothing, where `result` is what `turned` says.

    Raises:
        Deviation: naming the first thing that is not, with the way there and a sequence diagram.
    """
    last = turned[-1]

    def same(what: str, must: Any, got: Any) -> None:
        if must != got:
            raise deviation(what, must, got, result, turned)

    same("agents asked", [one.before.agent for one in turned], [agent for agent, _ in speaker.asked])
    for agent, tools in speaker.asked:
        own = {*reference.tools[agent], *reference.edges[agent]}
        if own:
            same(f"tools offered to {agent!r}", own, set(tools))
    runs = [answered.call.name for one in turned for answered in one.answers if answered.fate in ("ran", "failed")]
    same("tools that were started", sorted(runs), sorted(speaker.started))
    same("stop reason", last.end or "max_turns", result.stop_reason)
    same("limit", last.limit or (None if last.end else "max_turns"), getattr(result.error, "limit", None))
    same("agent that holds the conversation", last.after.agent, result.context.agent)
    same("facts", sorted(last.after.facts), sorted(result.context.facts))
    same("what people were asked while the run waited", [names for one in turned for names in one.asked], speaker.waited)
    moves = [answered.target for one in turned for answered in one.answers if answered.fate == "handed"]
    same("path", (base.agent, *moves), result.path)
    said = list(result.messages)[base.messages :]
    same("messages", last.after.messages - base.messages, len(said))
    _compare_messages(turned, said[1:], same)
    same("calls left open", (), result.context.pending)
    same("answers to one call", [], _answered_twice(result.messages))


def compare_late(context: Context, result: RunResult, speaker: Speaker) -> None:
    """Nothing, where `result` is what must come of `context` when its time is up: all that was open is answered, and nothing done.

    Raises:
        Deviation: naming the first thing that is not.
    """
    progress, before = context.progress, len(context.messages)
    open_calls = [] if progress is None else [pending for pending in progress.calls if pending.stage != "done"]
    answers = [(one.call.id, _when_late(one)) for one in open_calls]
    for what, must, got in (
        ("stop reason", "budget", result.stop_reason),
        ("limit", "seconds", getattr(result.error, "limit", None)),
        ("what was said before", tuple(context.messages), result.messages[:before]),
        ("answers to what was open", answers, [(m.tool_call_id, m.outcome) for m in list(result.messages)[before:]]),
        ("agent that holds the conversation", context.agent, result.context.agent),
        ("what was done when the time was up", ([], []), (speaker.asked, speaker.started)),
    ):
        if must != got:
            raise deviation(what, must, got, result)


def _when_late(pending: Pending) -> CallOutcome:
    """What becomes of a call that is not answered when the time is up: what it gave is kept, and one that never began is left out."""
    if pending.stage == "started":
        return "unknown"
    return pending.returned.outcome if pending.attempt and pending.returned is not None else "skipped"


def _compare_messages(turned: Sequence[Turned], said: list[Message], same: Any) -> None:
    at = 0
    for one in turned:
        if one.unusable or (not one.answers and one.end != "completed"):
            continue
        spoken = said[at]
        same("speaker", ("assistant", one.before.agent), (spoken.role, spoken.agent))
        same("calls", [call.name for call in one.reply.tool_calls], [call.name for call in spoken.tool_calls])
        at += 1
        for call, must, answer in zip(spoken.tool_calls, one.answers, said[at:], strict=False):
            where = f"answer to {call.name!r}, which {_WORDS[must.fate]}"
            same(where, ("tool", call.id, must.target), (answer.role, answer.tool_call_id, answer.agent))
            same(f"outcome of {call.name!r}, which {_WORDS[must.fate]}", _OUTCOMES[must.fate], answer.outcome)
            _compare_text(where, must, answer.text, same)
            at += 1


def _compare_text(where: str, must: Answered, text: str, same: Any) -> None:
    if must.text is not None:
        same(where, must.text, text)
    for piece in must.pieces:
        same(where, f"... {piece} ...", f"... {piece} ..." if piece in text else text)


_OUTCOMES = {
    "ran": "given",
    "failed": "failed",
    "misfit": "refused",
    "unknown": "refused",
    "unmet": "refused",
    "denied": "refused",
    "refused": "refused",
    "used up": "refused",
    "handed": "handed_off",
    "dropped": "skipped",
}
_WORDS = {
    "ran": "runs",
    "failed": "runs and fails",
    "misfit": "does not fit",
    "unknown": "is not offered here",
    "unmet": "needs facts",
    "denied": "is not approved",
    "refused": "is refused",
    "used up": "is beyond the budget",
    "handed": "hands over",
    "dropped": "comes after the handoff or the end",
}


def _answered_twice(messages: Sequence[Message]) -> list[str]:
    answers = [message.tool_call_id or "" for message in messages if message.role == "tool"]
    return sorted({call_id for call_id in answers if answers.count(call_id) > 1})


def deviation(what: str, must: Any, got: Any, result: RunResult, turned: Sequence[Turned] = ()) -> Deviation:
    """The error that says what `must` have been, with the way there and a sequence diagram of the run."""
    way = ", ".join(str(happening) for one in turned for happening in one.happened) or " -> ".join(result.path)
    return Deviation(f"{what}: it must be {must!r}, and is {got!r}\nthe way: {way}\n{_drawn(result)}")


def _drawn(result: RunResult) -> str:
    try:
        return result.to_mermaid()
    except Exception as wrong:  # noqa: BLE001 - a run that is wrong may be one that cannot be drawn, and its error comes first
        return f"(no diagram: {wrong})"
