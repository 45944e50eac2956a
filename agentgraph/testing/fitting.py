"""A JSON value that a shape accepts, where one is easy to find: for arguments, payloads and answers that nobody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgraph.checks.sample import sample
from agentgraph.conversation.frozen import thaw
from agentgraph.definition.shape import Mismatch

if TYPE_CHECKING:
    from agentgraph.definition.shape import Shape


def fitting(shape: Shape) -> Any:
    """A value that `shape` accepts.

    Raises:
        LookupError: when none was found; the message is what the shape said of the one that was proposed.
    """
    proposed = sample(thaw(shape.schema))
    try:
        shape.check(proposed)
    except Mismatch as wrong:
        raise LookupError(str(wrong)) from wrong
    return proposed
