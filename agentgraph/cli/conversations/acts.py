"""What `agentgraph conversations` does. Reading needs no agents, so only `resume` is told whose conversation it is."""

from __future__ import annotations

import json
import re
import shlex
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from agentgraph.cli.chat.readout import number
from agentgraph.cli.conversations.shown import as_data, json_text, lines, listed
from agentgraph.cli.run import hold_and_report
from agentgraph.cli.stored import kept_in, opened, shown_id
from agentgraph.cli.target import configured, runner_at
from agentgraph.cli.visible import visible
from agentgraph.definition.agent import Agent
from agentgraph.engine.journal import NOWHERE, places
from agentgraph.errors import ContextError, DefinitionError
from agentgraph.runtime.agent_runner import AgentRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgraph.conversation.store import Store
    from agentgraph.runtime.conversation import Conversation


_AGE = re.compile(r"([0-9]{1,9})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def list_in(url: str | None, prefix: str, after: str, limit: int, *, as_json: bool) -> None:
    """Print what the store holds; where more may follow, say how to go on."""
    with opened(url) as store:
        found = store.list(prefix, after, limit)
    for it in found:
        print(json_text(listed(it)) if as_json else "  ".join(f"{value}" for value in _row(listed(it))))
    if len(found) == limit:
        print(f"agentgraph: there may be more; go on with --after {shlex.quote(shown_id(found[-1].id))}", file=sys.stderr)


def _row(it: Mapping[str, object]) -> tuple[object, ...]:
    return it["updated"], f"step {it['seq']:>5}", f"{it['state']:<10}", shown_id(str(it["id"]))


def show_in(url: str | None, id: str, at: int | None, *, as_json: bool) -> None:
    """Print a conversation."""
    with opened(url) as store:
        steps = list(places(id, NOWHERE, store.entries(id, 0, at)))
        if not steps or (at is not None and steps[-1][1].seq != at):
            raise _missing(store, id, at)
    contexts = [place.context for _, place in steps]
    if as_json:
        print(json_text(as_data(id, contexts)))
    else:
        for line in lines(contexts):
            print(visible(line))


def fork_in(url: str | None, id: str, seq: int, new: str | None) -> None:
    """Branch off, and print the id of the branch."""
    with opened(url) as store:
        print(shown_id(_existing(store, id).fork(seq, new).id))


def resume_in(url: str | None, target: str, id: str, approvals: Mapping[str, bool], model: str | None, *, as_json: bool) -> int:
    """Take up a turn; told as `agentgraph run` tells one. The exit code."""
    runner = runner_at(target)
    config = configured(runner, target, model)
    with opened(url) as store:
        _existing(store, id)
        kept = runner.conversation(id, store)
        _refuse_strange_calls(kept, approvals)
        return hold_and_report(runner, lambda: kept.resume(approvals, config), lambda _: None, as_json=as_json)


def cancel_in(url: str | None, target: str, id: str) -> None:
    """End the turn in hand, and say whether there was one."""
    runner = runner_at(target)
    with opened(url) as store:
        _existing(store, id)
        print("cancelled" if runner.conversation(id, store).cancel() else "no turn is in hand")


def delete_in(url: str | None, id: str, *, sure: bool) -> None:
    """Forget one. What is gone already is asked for again: text of it may still be in a file."""
    with opened(url) as store:
        if not sure:
            _existing(store, id)
            count = len(store.entries(id)) - 1
            raise DefinitionError(f"{shown_id(id):.60} and its {count:,} steps would be gone for ever; say --yes")
        if not store.delete(id):
            raise _missing(store, id, None)


def moment(when: str, now: datetime) -> datetime:
    """The time that a person means by `when`: an age, or a time with its zone.

    >>> str(moment("30d", datetime(2026, 1, 31, tzinfo=UTC)))
    '2026-01-01 00:00:00+00:00'

    Raises:
        DefinitionError: for what is neither.
    """
    try:
        if age := _AGE.fullmatch(when):
            return now - timedelta(**{_UNITS[age[2]]: int(age[1])})
        time = datetime.fromisoformat(when)
        if time.utcoffset() is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise DefinitionError(f"{when!r:.60} is no age and no time with its zone; give one, such as 30d, 12h, 45m, or 2026-01-31T00:00Z")


def delete_before_in(url: str | None, when: str, *, sure: bool) -> None:
    """Forget those that were last written before `when`, and say how many."""
    time = moment(when, datetime.now(UTC))
    with opened(url) as store:
        if not sure:
            many = sum(it.updated < time.timestamp() and (it.leased or 0) <= 0 for it in kept_in(store))
            raise DefinitionError(
                f"{number(many, 'conversation')}, last written before {time:%Y-%m-%d %H:%M} UTC, would be gone for ever; say --yes"
            )
        print(f"{number(store.delete_before(time), 'conversation')} deleted")


def size_of(url: str | None, *, as_json: bool) -> None:
    """Print how much the store holds."""
    with opened(url) as store:
        size = store.size()
    counts = {"conversations": size.conversations, "steps": size.steps, "bytes": size.bytes}
    print(json_text(counts) if as_json else ", ".join(number(count, name.removesuffix("s")) for name, count in counts.items()))


def _existing(store: Store, id: str) -> Conversation:
    if not store.entries(id, 0, 0):
        raise _missing(store, id, None)
    return AgentRunner(Agent("nobody")).conversation(id, store)  # whoever answers in it is not asked


def _missing(store: Store, id: str, at: int | None) -> ContextError:
    last = len(store.entries(id)) - 1
    if last >= 0 and at is not None:
        return ContextError(f"{shown_id(id):.60} has no step {at}; it has steps 0 to {last}")
    return ContextError(f"there is no conversation {json.dumps(id):.60} in {store!r}; agentgraph conversations list shows what there is")


def _refuse_strange_calls(kept: Conversation, approvals: Mapping[str, bool]) -> None:
    pending = [call.id for call in kept.context.pending]
    for call in approvals:
        if call not in pending:
            raise ContextError(f"no call {call!r:.60} is pending in this conversation; {', '.join(pending) or 'none'} can be answered")
