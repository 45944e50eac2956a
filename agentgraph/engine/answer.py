"""Reading a text that is to end a turn: is it one, may it end here, does it have the shape that is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct

from agentgraph.definition.shape import Mismatch

if TYPE_CHECKING:
    from agentgraph.definition.agent import Agent

_FENCE = "```"


class Answer(Struct, frozen=True):
    """An output the turn can end with."""

    value: Any


class Unusable(Struct, frozen=True):
    """Why a reply cannot end the turn, for people, and what to tell the model so that the next one can."""

    why: str
    note: str


def may_not_end(breach: object) -> Unusable:
    """What is said of an end of the turn that a monitor refuses."""
    return Unusable(f"may not end the turn here: {breach}", f"The turn cannot end yet: {breach}. Call a tool or hand over first.")


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def unfenced(text: str) -> str:
    r"""What stands in a fence of Markdown, where all of `text` is one, of nothing or of json; else `text`. O(length): models write it.

    >>> unfenced("```json\n[1]\n```")
    '[1]\n'
    """
    opening, _, rest = text.strip().partition("\n")
    if opening.rstrip() in (_FENCE, f"{_FENCE}json") and rest.endswith(_FENCE):
        return rest.removesuffix(_FENCE)
    return text


def read_answer(agent: Agent, text: str | None) -> Answer | Unusable:
    """The output that `text` gives: the text itself, or a value of the agent's output type."""
    if not text or text.isspace():
        return Unusable("gave neither text nor a tool call", "Your last reply was empty. Answer the user, or call a tool.")
    if not agent.may_finish:
        return Unusable(
            "answered although a turn may not end there (may_finish=False)", "Do not answer the user yourself: call a tool or hand over."
        )
    if agent.output is None:
        return Answer(text)
    try:
        return Answer(agent.output.check(json.loads(unfenced(text), parse_constant=_refused)))
    except (ValueError, RecursionError, Mismatch) as wrong:
        why = f"gave an answer that is not a {agent.output.name} ({wrong})"
        return Unusable(
            why,
            f"Your last reply was: {text[:2000]}\nIt does not fit: {wrong}\nReply with JSON alone that fits: {json.dumps(agent.output.schema)}",
        )
