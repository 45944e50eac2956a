"""What a failed call of a provider was: litellm's many exceptions, read into one `ProviderError`.

litellm calls a lost connection a server error and an unreadable body a bad request; what really happened is found in the
exceptions behind it. Providers repeat keys in their messages, so texts are redacted, and an exception that holds a key is
not kept as the cause.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agentgraph.conversation.shown import behind, harmless, shown
from agentgraph.errors import FailureReason, ProviderError

_CREDENTIAL = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIALS")
_LEAST = 8  # characters of an environment variable that is taken for a credential
_TOO_MANY, _SERVER_ERROR = 429, 500
_UNPROCESSABLE = 422  # what litellm says too when it is itself that cannot process what Gemini sent
_ONLY_NOW = frozenset({408, 409, 425})


def failure(name: str, error: BaseException, secrets: Iterable[str] = (), *, begun: bool = False, late: bool = False) -> ProviderError:
    """What `error`, raised by a call of the model `name`, means.

    `begun` says that some of the answer had come, `late` that our own time for it was up.
    """
    if isinstance(error, ProviderError):
        return error
    hidden = [*secrets, *_credentials()]
    causes = list(behind(error))
    given = next((found for one in causes if isinstance(found := getattr(one, "status_code", None), int)), None)
    reason = _reason(causes, given, begun=begun, late=late)
    text = " ".join(shown(error, *hidden).split())
    status = given if _was_answered(causes, reason) else None
    failed = ProviderError(f"{name!r} failed ({reason.replace('_', ' ')}): {text}", reason, status, _retry_after(causes))
    failed.__cause__ = harmless(error, *hidden)
    return failed


def _reason(causes: list[BaseException], status: int | None, *, begun: bool, late: bool) -> FailureReason:
    if late and _kinds(causes) & {"Timeout", "APITimeoutError", "TimeoutError"}:
        return "timeout"  # else the provider's own: litellm calls a 408 and a 504 so too
    if status == _TOO_MANY:
        return "rate_limited"
    unread = json.JSONDecodeError if status != _UNPROCESSABLE else (ValueError, LookupError, TypeError)
    if any(isinstance(one, unread) for one in causes):
        return "unreadable"
    if begun:
        return "cut_short"
    if status is None or status >= _SERVER_ERROR or status in _ONLY_NOW:
        return "unavailable"
    return "rejected"


def _was_answered(causes: list[BaseException], reason: FailureReason) -> bool:
    """Whether there was an HTTP status that meant the failure: litellm makes one up for whatever else went wrong."""
    return reason in ("rate_limited", "rejected", "unavailable") and not _kinds(causes) & {
        "TransportError",
        "APIConnectionError",
        "OSError",
    }


def _kinds(causes: list[BaseException]) -> set[str]:
    return {kind.__name__ for one in causes for kind in type(one).__mro__}


def _retry_after(causes: list[BaseException]) -> float | None:
    """Seconds that the provider asks to wait: a number, or a date."""
    for one in causes:
        for headers in (getattr(one, "litellm_response_headers", None), getattr(getattr(one, "response", None), "headers", None)):
            given = headers.get("retry-after") if headers else None
            if given is not None:
                return _seconds(str(given))
    return None


def _seconds(given: str) -> float | None:
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _credentials() -> list[str]:
    return [value for name, value in os.environ.items() if len(value) >= _LEAST and name.upper().endswith(_CREDENTIAL)]


def texts_of(*settings: Any) -> list[str]:
    """The values of headers, and of params that are called like a credential: what must not show up in a message."""
    return [
        str(value)
        for given in settings
        if isinstance(given, Mapping)
        for key, value in given.items()
        if isinstance(value, str)
        and len(value) >= _LEAST
        and key.upper().replace("-", "_").endswith((*_CREDENTIAL, "AUTHORIZATION", "COOKIE"))
    ]
