"""What is stored: JSON text that says which version it has. Strict: no NaN, no types but JSON's, a reason for every refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isfinite
from typing import Any, NamedTuple, NoReturn

from agentgraph.conversation.frozen import freeze
from agentgraph.errors import ContextError

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
_AROUND = 20  # how deep at most the values that users gave lie within what is stored


class Form(NamedTuple):
    """One kind of stored thing. The n-th upgrade makes version n + 1 of version n, and the last one the present version."""

    key: str
    """The field that tells it from other JSON, and holds the version."""
    name: str
    upgrades: tuple[Upgrade, ...] = ()

    @property
    def version(self) -> int:
        """The present one, in which all is written."""
        return 1 + len(self.upgrades)

    def since(self, version: object) -> tuple[Upgrade, ...]:
        """The upgrades that `version` still needs.

        Raises:
            ContextError: for a version that is newer than this library, or none.
        """
        if type(version) is not int or not 1 <= version <= self.version:
            message = f"this {self.name} has version {version!r:.40}; this library reads {self.version}: upgrade it, or store {self.name}s of one version"
            raise ContextError(message)
        return self.upgrades[version - 1 :]


def written(plain: Any) -> str:
    """`plain` as one line of ASCII."""
    return json.dumps(plain, allow_nan=False, separators=(",", ":"))


def parsed(text: str | bytes, kind: type = dict) -> Any:
    """The object, or what `kind` says, in `text`.

    Raises:
        ValueError, RecursionError: saying why it is none.
    """
    plain = text.decode() if isinstance(text, bytes) else text  # given bytes, json would guess at encodings
    given = _read(plain)
    if not isinstance(given, kind):
        raise ValueError(f"{'an object' if kind is dict else 'a list'} is expected, not {type(given).__name__}")  # noqa: TRY004 - of the text, not of an argument
    return given


def frozen(given: Any) -> Any:
    """`given`, of which a part is a value of the user's, frozen; no deeper than such values may be.

    Raises:
        ContextError: for what was not written by this library.
    """
    return freeze(given, "it", -_AROUND)


def upgraded(given: dict[str, Any], upgrades: tuple[Upgrade, ...]) -> dict[str, Any]:
    """`given`, brought to the present version.

    Raises:
        ContextError: when it is not what its version promised.
    """
    for upgrade in upgrades:
        try:
            given = upgrade(given)
        except (LookupError, TypeError, ValueError, AttributeError) as wrong:
            raise ContextError(f"it does not have the form of its version: {type(wrong).__name__}: {wrong}") from wrong
    return given


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{number:.20} is larger than a number can be")
    return value


_read = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite
).decode  # `json.loads` with an option makes a decoder each time
