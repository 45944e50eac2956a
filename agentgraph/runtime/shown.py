"""What may be shown of an exception of somebody else's: its text without secrets, and itself only if it holds none."""

from __future__ import annotations

from collections.abc import Iterator

from agentgraph.conversation.secret import redacted


def shown(error: BaseException, *others: str) -> str:
    """`str(error)` without the secrets that are alive and without `others`; or what can be said of an exception that fails at that."""
    try:
        return redacted(str(error), *others)
    except Exception as wrong:  # noqa: BLE001 - the exception is the user's code too
        return f"(it cannot be shown: {type(wrong).__name__})"


def harmless(error: BaseException, *others: str) -> BaseException | None:
    """`error`, to be kept as a cause; None where it or one behind it tells a secret."""
    return None if any(_raw(one) != shown(one, *others) for one in behind(error)) else error


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


def _raw(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - see `shown`
        return shown(error)
