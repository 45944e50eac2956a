"""Secrets: values that are used and never shown, stored or logged.

A `Secret` is no JSON, so no context, trace or file can hold one. And whatever else becomes text here, such as the error of
a tool that put its key into the message, is `redacted`: the secrets that are alive are taken out of it.
"""

from __future__ import annotations

from typing import Any, NoReturn, final
from weakref import ref

from agentgraph.errors import DefinitionError

HIDDEN = "***"
_SHORTEST = 4  # characters: taking shorter ones out of texts would hide words, not secrets

_alive: dict[int, ref[Secret]] = {}


@final
class Secret:
    """A text that only `reveal` gives. For headers and params of agents and runs, and for what tools are handed in `deps`.

    >>> key = Secret("sk-live-123")
    >>> print(key, [key], f"{key}")
    *** [Secret('***')] ***
    >>> redacted("401: bad key sk-live-123")
    '401: bad key ***'

    Raises:
        DefinitionError: for what is no text, or an empty one.
    """

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        given: Any = value
        if not isinstance(given, str) or not given.strip():
            what = "an empty text" if isinstance(given, str) else f"a {type(given).__name__}"
            raise DefinitionError(f"a secret was made of {what}; give the text")
        self._value = str(given)
        key = id(self)
        _alive[key] = ref(self, lambda _: _alive.pop(key, None))

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _: Any) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never stored; keep it where secrets are kept, and make it anew")


def redacted(text: str, *others: str) -> str:
    """`text` without the secrets that are alive, nor `others`. O(secrets x length); nothing where there are none."""
    if not _alive and not others:
        return text
    values = {*others, *(secret._value for known in list(_alive.values()) if (secret := known()) is not None)}  # noqa: SLF001 - its own module
    for value in sorted(values, key=len, reverse=True):  # of two that begin alike, the longer one first
        if len(value) >= _SHORTEST and value in text:
            text = text.replace(value, HIDDEN)
    return text


def redacted_json(value: Any) -> Any:
    """A frozen JSON value without the secrets that are alive."""
    if not _alive:
        return value
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return type(value)({redacted(key): redacted_json(item) for key, item in value.items()})
    return type(value)(map(redacted_json, value)) if isinstance(value, list) else value
