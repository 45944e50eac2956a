"""Messages and tool calls, and their bijection with the chat-completions format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from agentgraph.conversation.frozen import EMPTY, FrozenDict, FrozenList, freeze, thaw
from agentgraph.conversation.happening import Happening
from agentgraph.errors import ContextError

Role = Literal["system", "user", "assistant", "tool"]
CallOutcome = Literal["given", "failed", "refused", "skipped", "unknown", "handed_off"]
"""What became of a call. given: it ran and gave an output. failed: it ran and raised, or timed out. refused: it was not run, since a guard,
its schema, a person, a monitor or a budget said no. skipped: it was not run, since the turn went on without it. unknown: it may have
run. handed_off: it was a handoff that was carried out."""
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Content = str | FrozenList | None
else:
    Content = Any  # checked by `Message` itself: msgspec has no union of text and a type of our own

TEXT_OR_NONE = frozenset({str, type(None)})
_ROLES = frozenset({"system", "user", "assistant", "tool"})
_OUTCOMES = frozenset({None, *get_args(CallOutcome)})


class ToolCall(Struct, frozen=True, gc=False, omit_defaults=True):
    """One call that a model asked for.

    `arguments` may be given as a dict or as the JSON text a provider sent. Text that is not a JSON object, or in
    which a key stands twice, leaves `arguments` empty and is kept in `text`, with the reason in `malformed`.

    >>> ToolCall("c1", "check_balance", '{"account_id": "ACC-17"}').arguments["account_id"]
    'ACC-17'
    >>> ToolCall("c1", "check_balance", '{"account_id": ').malformed
    'Expecting value: line 1 column 16 (char 15)'
    >>> ToolCall("c1", "pay", '{"amount": 1, "amount": 2}').malformed
    "the key 'amount' stands twice"
    """

    id: str
    name: str
    arguments: FrozenDict = EMPTY
    text: str | None = None

    if TYPE_CHECKING:

        def __init__(self, id: str, name: str, arguments: Mapping[str, Any] | str = ..., text: str | None = ...) -> None: ...

    def __post_init__(self) -> None:
        given: Any = self.arguments
        named: Any = (self.id, self.name)
        if not (isinstance(named[0], str) and isinstance(named[1], str)):
            raise ContextError(f"a tool call has the id {self.id!r:.40} and the name {self.name!r:.40}; give text for both", self)
        if type(given) is FrozenDict:
            return
        if isinstance(given, str):
            arguments, wrong = _parsed(given)
            written = json.dumps(arguments)
            if written != given:
                force_setattr(self, "text", given)
                arguments = arguments if wrong or _has_all_keys(written, given) else _parsed(given, _read_once)[0]
            force_setattr(self, "arguments", arguments)
        elif isinstance(given, Mapping):
            force_setattr(self, "arguments", freeze(dict(given), "arguments"))
        else:
            message = f"the arguments of {self.name!r} are a {type(given).__name__}; give a dict or JSON text"
            raise ContextError(message, given)

    @property
    def json(self) -> str:
        """The arguments as JSON text: as they came, or as we write them."""
        return self.text if self.text is not None else json.dumps(self.arguments)

    @property
    def malformed(self) -> str | None:
        """Why the text that came is not a JSON object, or says two things, or None."""
        return None if self.text is None or self.arguments else _parsed(self.text, _read_once)[1]


def _not_json(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of whose keys none stands twice: of two values either may be what was meant."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r:.60} stands twice")
        found[key] = value
    return found


_read = json.JSONDecoder(parse_constant=_not_json).decode  # `json.loads` with an option makes a decoder each time
_read_once = json.JSONDecoder(parse_constant=_not_json, object_pairs_hook=_once).decode


def _has_all_keys(written: str, given: str) -> bool:
    """Whether what was read of `given`, and is `written` again, has each of its keys: each brings a colon, and none goes otherwise.

    Asked before `_read_once` is, which takes twice as long as `_read`. Of escapes only those that begin so are colons.
    """
    return given.count(":") == written.count(":") and "\\u003" not in given


def _parsed(text: str, read: Callable[[str], Any] = _read) -> tuple[FrozenDict, str | None]:
    try:
        value = read(text)
        if isinstance(value, dict):
            return freeze(value, "arguments"), None
    except (ValueError, ContextError) as wrong:
        return EMPTY, str(wrong)
    except RecursionError:
        return EMPTY, "nested too deeply"
    return EMPTY, f"a JSON object is expected, not {type(value).__name__}"


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    """One message of a conversation.

    `agent` is who spoke (assistant), or, on the answer to a handoff, who holds the conversation from then on.
    `source` is the imported chat-completions dictionary where the other fields cannot say all of it.
    """

    role: Role
    content: Content = None
    agent: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    source: FrozenDict | None = None
    outcome: CallOutcome | None = None
    """On the answer to a call: what the tool did, whatever the model is told. None on messages of others, where it is not known."""
    unset: bool = False
    """On the answer to a call: it gave an output, and with it that it has not done what its facts stand for."""
    arguments: FrozenDict | None = None
    """On the answer to a call: what ran, where that is not what the model wrote."""
    earlier: tuple[Literal["failed", "unknown"], ...] = ()
    """On the answer to a call: what became of its attempts before the last."""
    ends: bool | None = None
    """On the answer to a call: whether the turn ended with it. None where nothing is said: then only the success of a final tool ends one."""
    inside: tuple[Happening, ...] = ()
    """On the answer to a call of an agent that is used as a tool: what happened inside."""
    reasoning: str | None = None
    """What the model thought, as text for people."""
    provider_data: FrozenDict | None = None
    """What the provider attached, to be given back to it: JSON with a "family"."""

    if TYPE_CHECKING:

        def __init__(
            self,
            role: Role,
            content: str | Sequence[Any] | None = ...,
            agent: str | None = ...,
            tool_calls: Iterable[ToolCall] = ...,
            tool_call_id: str | None = ...,
            source: FrozenDict | None = ...,
            outcome: CallOutcome | None = ...,
            unset: bool = ...,
            arguments: FrozenDict | None = ...,
            earlier: tuple[Literal["failed", "unknown"], ...] = ...,
            ends: bool | None = ...,
            inside: tuple[Happening, ...] = ...,
            reasoning: str | None = ...,
            provider_data: FrozenDict | None = ...,
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.role not in _ROLES:
            raise ContextError(f"a message has the role {self.role!r}; use system, user, assistant or tool", self.role)
        if type(self.agent) not in TEXT_OR_NONE or type(self.tool_call_id) not in TEXT_OR_NONE:
            _refuse_wrong_types(self)
        if self.outcome is not None or self.role == "tool":
            _check_outcome(self)
        if type(self.tool_calls) is not tuple:
            force_setattr(self, "tool_calls", tuple(self.tool_calls))
        content = self.content
        if content is not None and type(content) is not str and type(content) is not FrozenList:
            if not isinstance(content, str | list):
                raise ContextError(f"a message's content is text or a list of parts, not {type(content).__name__}", content)
            force_setattr(self, "content", freeze(content, "content"))

    @property
    def text(self) -> str:
        """What was said, without the parts that are not text.

        >>> Message("user", [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]).text
        'Look:'
        """
        if isinstance(self.content, list):
            return "\n".join(part["text"] for part in self.content if isinstance(part, dict) and isinstance(part.get("text"), str))
        return self.content or ""

    @classmethod
    def from_openai(cls, given: dict[str, Any]) -> Message:
        """The message that a chat-completions dictionary says. `to_openai` gives an equal dictionary back.

        Where more is known of the answer to a call than the format can say, an extra key "outcome" says it.

        Raises:
            ContextError: for an unknown role, or content that is neither text, parts nor null.
        """
        if not isinstance(given, dict):
            raise ContextError(f"a message is {given!r:.60}; give a chat-completions dictionary", given)
        role, calls = given.get("role"), given.get("tool_calls") or ()
        if not isinstance(role, str):
            raise ContextError(f"a message has the role {role!r:.40}; use system, user, assistant or tool", given)
        if not isinstance(calls, list | tuple):
            raise ContextError(f"a message has the tool_calls {calls!r:.40}; give a list", given)
        name, answers, outcome = given.get("name"), given.get("tool_call_id"), given.get("outcome")
        message = cls(
            role=role,  # type: ignore[arg-type]
            content=given.get("content"),
            agent=name if isinstance(name, str) and role != "tool" else None,
            tool_calls=tuple(map(_call_from_openai, calls)),
            tool_call_id=answers if isinstance(answers, str) else None,
            outcome=outcome if role == "tool" and isinstance(outcome, str) and outcome in _OUTCOMES else None,  # type: ignore[arg-type]
        )
        return message if message.to_openai() == given else replace(message, source=freeze(given, "message"))

    def to_openai(self) -> dict[str, Any]:
        """This message as a chat-completions dictionary: a fresh, plain one."""
        if self.source is not None:
            return dict(thaw(self.source))
        said: dict[str, Any] = {"role": self.role, "content": thaw(self.content)}
        if self.agent is not None and self.role != "tool":
            said["name"] = self.agent
        if self.tool_calls:
            said["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.json}} for call in self.tool_calls
            ]
        if self.tool_call_id is not None:
            said["tool_call_id"] = self.tool_call_id
        return said


def _refuse_wrong_types(message: Message) -> None:
    given: Any = message
    if not isinstance(given.agent, str | None) or not isinstance(given.tool_call_id, str | None):
        said = f"a message has agent={given.agent!r:.40}, tool_call_id={given.tool_call_id!r:.40}; give text or None"
        raise ContextError(said, message)


def _check_outcome(message: Message) -> None:
    """What the answer to a call says of the call."""
    given: Any = message
    if given.role != "tool":
        raise ContextError(
            f"a message of the role {given.role!r} has outcome={given.outcome!r:.40}; only the answer to a call has one", message
        )
    if type(given.outcome) not in TEXT_OR_NONE or given.outcome not in _OUTCOMES:
        raise ContextError(f"a message has outcome={given.outcome!r:.40}; give None or one of {', '.join(get_args(CallOutcome))}", message)
    if type(given.unset) is not bool or (given.ends is not None and type(given.ends) is not bool):
        raise ContextError(f"a message has unset={given.unset!r:.40}, ends={given.ends!r:.40}; give True, False, or for ends None", message)
    if type(given.earlier) is not tuple or (given.earlier and not all(word in ("failed", "unknown") for word in given.earlier)):
        raise ContextError(f"a message has earlier={given.earlier!r:.60}; give a tuple of 'failed' and 'unknown'", message)
    if given.arguments is not None and type(given.arguments) is not FrozenDict:
        if not isinstance(given.arguments, Mapping):
            raise ContextError(f"a message has arguments={given.arguments!r:.60}; give a dict of JSON values, or None", message)
        force_setattr(message, "arguments", freeze(dict(given.arguments), "arguments"))


def _call_from_openai(given: Any) -> ToolCall:
    function = given.get("function") if isinstance(given, dict) else None
    if not isinstance(function, dict):
        raise ContextError(f"a tool call is {given!r:.80}; expected a dictionary with 'id' and 'function'", given)
    name, call_id = function.get("name"), given.get("id")
    arguments = function.get("arguments")
    return ToolCall(
        call_id if isinstance(call_id, str) else "",
        name if isinstance(name, str) else "",
        "{}" if arguments is None else arguments,
    )
