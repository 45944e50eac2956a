"""Moving a stored conversation into a changed topology."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from agentgraph.conversation.frozen import EMPTY, FrozenDict
from agentgraph.conversation.history import History
from agentgraph.errors import ContextError

if TYPE_CHECKING:
    from agentgraph.conversation.context import Context, Destination


def obstacle(context: Context, graph: Destination) -> str | None:
    """Why `context` cannot go on in `graph`: the agent or the pending call that went away. None when it can."""
    if context.agent is None:
        return None
    offered = graph.offered(context.agent)
    if offered is None:
        return f"the agent {context.agent!r}, which holds the conversation, is not in this graph"
    gone = [
        p.call.name
        for p in (context.progress.calls if context.progress else ())
        if p.stage in ("asked", "started") and p.call.name not in offered
    ]
    return f"{context.agent!r} no longer offers {', '.join(map(repr, gone))}, which is pending" if gone else None


def migrated(context: Context, graph: Destination, rename: Mapping[str, str]) -> Context:
    """`context` with its agents renamed, belonging to `graph`. O(messages).

    Where monitors stand is forgotten if an agent is renamed, since what they demand speaks of names; it is read back from the messages.
    A pending call that `graph` no longer offers stays pending and is answered as an unknown tool when the run goes on.
    """

    def new(agent: str | None) -> str | None:
        return rename.get(agent, agent) if agent is not None else None

    agent = new(context.agent)
    if agent is not None and graph.offered(agent) is None:
        renamed = f" (renamed from {context.agent!r})" if agent != context.agent else ""
        message = f"the agent {agent!r}{renamed} is not in this graph; give rename={{{context.agent!r}: <an agent of the graph>}}"
        raise ContextError(message, context)
    handed = context.handed and replace(
        context.handed,
        source=rename.get(context.handed.source, context.handed.source),
        target=rename.get(context.handed.target, context.handed.target),
    )
    progress = context.progress and replace(
        context.progress, visits=FrozenDict({rename.get(name, name): count for name, count in context.progress.visits.items()})
    )
    messages = History(m if m.agent not in rename else replace(m, agent=new(m.agent)) for m in context.messages)
    watched = EMPTY if rename else context.watched
    return replace(
        context, agent=agent, handed=handed, messages=messages, progress=progress, fingerprint=graph.fingerprint, watched=watched
    )
