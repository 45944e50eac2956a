"""What may be shown of an exception of somebody else's: its text without secrets, and itself only if it holds none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from agentgraph.conversation.secret import redacted


def shown(error: BaseException, *others: str) -> str:
    """`str(error)` without the secrets that are alive and without `others`; or what can be said of an exception that fails at that."""
    try:
        return redacted(str(error), *others)
    except Exception as wrong:  # noqa: BLE001 - the exception is the user's code too
        return f"(it cannot be shown: {type(wrong).__name__})"


def failure(error: BaseException) -> str:
    """What kind of error and what it says, without secrets: for whatever goes to a model, a store, a trace or a result.

    >>> failure(ValueError("no"))
    'ValueError: no'
    """
    return f"{type(error).__name__}: {shown(error)}"


def harmless(error: BaseException, *others: str) -> BaseException | None:
    """`error`, to be kept as a cause; None where it or one behind it tells a secret."""
    return None if any(redacted(text, *others) != text for one in behind(error) for text in _told(one)) else error


def behind(error: BaseException) -> Iterator[BaseException]:
    """`error` and those that it stands for, the nearest first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "original_exception", None), one.__cause__, one.__context__]
            waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()


def _told(error: BaseException) -> Iterator[str]:
    """All that a traceback, or who looks at it, may show of one exception."""
    for told in (str, repr):
        with suppress(Exception):  # see `shown`
            yield told(error)
    yield from (note for note in getattr(error, "__notes__", ()) if isinstance(note, str))
