"""The faults of a provider, each told once and for every protocol: what the server does, and what the model had said.

Where the fault is one of a stream, and no stream was asked for, it is that of a body: cut off, reset, dripping.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.e2e.raw_provider import Answer, Called, Protocol, Reply, Saying

TOLD = "The refund of 1000 dollars is approved, but not before Monday."
"""What the provider would have said."""
HALF = TOLD[: len(TOLD) // 2]
"""What has come of it when it ends in the middle."""
ANSWER = "It was paid."
"""What the provider says when it is asked again, or in the next turn."""
TIMEOUT = 0.6
"""Seconds that a model is given to whom a slow answer is to come too late."""

Happens = Callable[[Protocol], Reply]


class Fault(NamedTuple):
    """What happens to the first request; every further one is answered with `ANSWER`, after those in `then`."""

    happens: Happens
    then: tuple[Happens, ...] = ()
    options: Mapping[str, Any] = {"retries": 0}
    tools: bool = False
    paid: tuple[int, ...] = ()
    """The tool's runs."""

    def script(self, protocol: Protocol) -> list[Reply]:
        """What the server is to do."""
        return [happens(protocol) for happens in (self.happens, *self.then, says(Saying(ANSWER)))]


def says(saying: Saying) -> Happens:
    """The model says this, and nothing goes wrong."""
    return lambda protocol: lambda streaming: Answer(_pieces(protocol, saying, streaming=streaming))


def _pieces(protocol: Protocol, saying: Saying, *, streaming: bool) -> list[bytes]:
    return protocol.streamed(saying).pieces if streaming else [protocol.whole(saying)]


def _calls(*calls: Called) -> Happens:
    return says(Saying("", calls))


def pay_call(arguments: str, call_id: str = "c1", name: str = "pay") -> Called:
    """A call of the tool that must never run on half of one."""
    return Called(call_id, name, arguments)


def refuses(status: int, headers: Mapping[str, str] = {}) -> Happens:
    """An error with this status."""
    return lambda protocol: lambda _: Answer([protocol.failure(status)], status, headers)


def _no_json(_: Protocol) -> Reply:
    return lambda _: Answer([b"<html>Welcome to the proxy.</html>"])


def half(saying: Saying, **how: Any) -> Happens:
    """The first half, and then the end."""

    def reply(protocol: Protocol, *, streaming: bool) -> Answer:
        body = protocol.whole(saying)
        return Answer(protocol.streamed(saying).half if streaming else [body[: len(body) // 2]], **how)

    return lambda protocol: lambda streaming: reply(protocol, streaming=streaming)


def _unfinished(saying: Saying) -> Happens:
    """All that is said, but not that it was all."""

    def reply(protocol: Protocol, *, streaming: bool) -> Answer:
        stream = protocol.streamed(saying)
        return Answer([*stream.half, *stream.rest] if streaming else [protocol.whole(saying)[:-1]])

    return lambda protocol: lambda streaming: reply(protocol, streaming=streaming)


def breaks_down(saying: Saying) -> Happens:
    """An error after the first half; where nothing is streamed, one that calls itself a success."""

    def reply(protocol: Protocol, *, streaming: bool) -> Answer:
        return Answer([*protocol.streamed(saying).half, protocol.failure_event()] if streaming else [protocol.failure(503)])

    return lambda protocol: lambda streaming: reply(protocol, streaming=streaming)


def late(protocol: Protocol) -> Reply:
    """Nothing comes until long after the timeout."""
    return lambda streaming: Answer(_pieces(protocol, Saying(TOLD), streaming=streaming), late=20 * TIMEOUT)


def _drips(protocol: Protocol) -> Reply:
    """Every drop comes in time; the last one would come after twenty times the timeout."""

    def reply(*, streaming: bool) -> Answer:
        body = b"".join(_pieces(protocol, Saying(TOLD), streaming=streaming))
        size = max(len(body) // 100, 1)
        return Answer([body[at : at + size] for at in range(0, len(body), size)], pause=TIMEOUT / 5)

    return lambda streaming: reply(streaming=streaming)


_CALL = Saying("", (pay_call('{"amount": 1000}'),))
_THEN_PAY = (says(_CALL),)

FAULTS: Mapping[str, Fault] = {
    "429 with Retry-After": Fault(refuses(429, {"retry-after": "1"})),
    "500": Fault(refuses(500)),
    "503 once, then well": Fault(refuses(503), options={}),
    "a body that is no JSON": Fault(_no_json),
    "a clean end in the text": Fault(half(Saying(TOLD))),
    "a clean end in the arguments": Fault(half(_CALL), tools=True),
    "no finish after the text": Fault(_unfinished(Saying(TOLD))),
    "no finish after a call": Fault(_unfinished(_CALL), tools=True),
    "a reset in the text": Fault(half(Saying(TOLD), end="reset")),
    "a reset in the arguments": Fault(half(_CALL, end="reset"), tools=True),
    "an error in the text": Fault(breaks_down(Saying(TOLD))),
    "arguments that are no JSON": Fault(_calls(pay_call('{"amount": 1000')), _THEN_PAY, tools=True, paid=(1000,)),
    "arguments that are a list": Fault(_calls(pay_call("[1000]")), _THEN_PAY, tools=True, paid=(1000,)),
    "an unknown tool": Fault(_calls(pay_call("{}", name="refund")), _THEN_PAY, tools=True, paid=(1000,)),
    "call ids given twice": Fault(_calls(pay_call('{"amount": 1}'), pay_call('{"amount": 2}')), tools=True, paid=(1, 2)),
    "call ids that are empty": Fault(
        says(Saying("I pay now.", (pay_call('{"amount": 1}', ""), pay_call('{"amount": 2}', "")))), tools=True, paid=(1, 2)
    ),
    "a late first byte": Fault(late, options={"retries": 0, "timeout": TIMEOUT}),
    "a slow drip": Fault(_drips, options={"retries": 0, "timeout": TIMEOUT}),
    "an empty reply": Fault(says(Saying(""))),
    "the output limit": Fault(says(Saying(TOLD[:20], finish="length"))),
    "a content filter": Fault(says(Saying("I", finish="content_filter"))),
}
