"""JSON values that cannot change: a dict and a list whose mutators refuse.

They stay real `dict`s and `list`s, so they compare, print and serialise as JSON does.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, NoReturn

from agentgraph.conversation.secret import Secret
from agentgraph.errors import ContextError

Json = Any
"""None, bool, int, float, str, or a list or str-keyed dict of them."""

_SCALARS = frozenset({str, int, float, bool, type(None)})
_STRIP: dict[type, Any] = {str: str.__str__, int: int.__int__, float: float.__float__}
_HUGE = 10**4000
_DEEPEST = 200  # far below where Python's own JSON encoder gives up


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    message = f"this {type(self).__mro__[1].__name__} belongs to a snapshot and cannot change; use ctx.update(...) in a tool, or context.with_data(...)"
    raise TypeError(message)


class FrozenDict(dict[str, Any]):
    """A `dict` that refuses to change."""

    __slots__ = ()
    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenDict, (dict(self),))


class FrozenList(list[Any]):
    """A `list` that refuses to change."""

    __slots__ = ()
    __setitem__ = __delitem__ = append = clear = extend = insert = pop = remove = reverse = sort = __iadd__ = __imul__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenList, (list(self),))


EMPTY = FrozenDict()
_FROZEN = frozenset({str, bool, type(None), FrozenDict, FrozenList})  # not int nor float: they may be too large, or no number


def freeze(value: Any, path: str = "data", depth: int = 0) -> Json:
    """`value`, which no later change to what was given can reach.

    O(size of value); what is frozen already is returned as it is. Only what JSON can hold *and give back equal* is
    taken: a tuple would come back as a list, a key 1 as "1".

    Raises:
        ContextError: naming the path and the type of what JSON cannot hold.

    >>> freeze({"a": [1]})
    {'a': [1]}
    >>> freeze({"a": {"b": (1, 2)}})
    Traceback (most recent call last):
    agentgraph.errors.ContextError: data.a.b is a tuple, which JSON cannot hold; use None, bool, int, float, str, list or dict
    """
    kind = type(value)
    if kind in _SCALARS:
        if kind is int and not -_HUGE < value < _HUGE:
            raise ContextError(f"{path} is an integer of more than 4,000 digits, which Python's JSON cannot read back; use a string", None)
        if kind is float and not isfinite(value):
            raise ContextError(f"{path} is {value}, which JSON cannot hold; use None or a string", value)
        return value
    if kind is FrozenDict or kind is FrozenList:
        return value
    if depth > _DEEPEST:
        raise ContextError(f"{path[:60]}... is nested more than {_DEEPEST} deep; flatten it, or store it elsewhere and keep its key", value)
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise ContextError(f"{path} has the key {key!r} of type {type(key).__name__}; JSON keys are strings", value)
        return FrozenDict({k: v if type(v) in _FROZEN else freeze(v, f"{path}.{k}", depth + 1) for k, v in value.items()})
    if isinstance(value, list):
        return FrozenList([v if type(v) in _FROZEN else freeze(v, f"{path}[{i}]", depth + 1) for i, v in enumerate(value)])
    for plain, strip in _STRIP.items():  # an enum member or another subclass becomes the plain value it equals
        if isinstance(value, plain):
            return freeze(strip(value), path, depth)
    if kind is Secret:
        raise ContextError(f"{path} is a Secret, which is never stored; hand it to tools in deps, or send it in headers", None)
    message = f"{path} is a {kind.__name__}, which JSON cannot hold; use None, bool, int, float, str, list or dict"
    raise ContextError(message, value)


def freeze_settings(given: Mapping[str, Any], option: str) -> FrozenDict:
    """Headers or params, frozen: JSON values, and here a `Secret` may stand for one.

    Raises:
        ContextError: as `freeze`.
    """
    if (
        option == "headers"
        and (wrong := next((key for key, value in given.items() if not isinstance(value, str | Secret)), None)) is not None
    ):
        raise ContextError(f"headers[{wrong!r:.40}] is a {type(given[wrong]).__name__}; give text, or a Secret", given)
    plain = freeze({key: None if isinstance(value, Secret) else value for key, value in given.items()}, option)
    return FrozenDict({key: given[key] if isinstance(given[key], Secret) else value for key, value in plain.items()})


def thaw(value: Json) -> Any:
    """A plain copy of a frozen value, for code that may change what it is given."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, dict):
        return {key: item if type(item) in _SCALARS else thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) in _SCALARS else thaw(item) for item in value]
    return value


def same(one: Json, other: Json) -> bool:
    """Whether two values are equal as JSON: 1 and 1.0 are, true and 1 are not, which Python calls equal.

    >>> same({"a": [1]}, {"a": [1.0]}), same({"a": [1]}, {"a": [True]})
    (True, False)
    """
    return bool(one == other) and _same_kinds(one, other)


def _same_kinds(one: Json, other: Json) -> bool:
    if isinstance(one, dict):
        return all(_same_kinds(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return all(map(_same_kinds, one, other))
    return (type(one) is bool) == (type(other) is bool)
