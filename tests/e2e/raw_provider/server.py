"""The server: it gives scripted answers, and fails in the ways that networks do.

Bodies are chunked, as providers' are. So an end in order is one that a proxy would give, which says at the level of HTTP
that all has come; a connection that is lost does not.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal, NamedTuple

from agentgraph import LiteLLMModel
from tests.e2e.loopback import Asked, serving
from tests.e2e.raw_provider.protocol import PROTOCOLS, Protocol

End = Literal["close", "reset", "hang", "drip"]
"""How an answer ends: the connection is closed in order, or reset; nothing comes any more; or the last piece comes again and again."""


class Answer(NamedTuple):
    """What one request is answered with."""

    pieces: Sequence[bytes]
    status: int = 200
    headers: Mapping[str, str] = {}
    end: End = "close"
    late: float = 0.0
    """Seconds before the first byte."""
    pause: float = 0.0
    """Seconds between the pieces."""


Reply = Callable[[bool], Answer]
"""An answer that depends on whether a stream was asked for."""


@dataclass
class RawProvider:
    """The server while it runs. The n-th request is answered with the n-th answer, and after that with the last."""

    protocol: Protocol
    answers: Sequence[Reply]
    asked: list[Asked] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What it was sent, in order."""
        return [asked.body for asked in self.asked]

    @property
    def violations(self) -> list[str]:
        """What the provider would not have accepted of what it was sent."""
        return [str(found) for body in self.bodies for found in self.protocol.violations(body)]

    @property
    def waits(self) -> list[float]:
        """Seconds between a request and the next."""
        return [later.at - sooner.at for sooner, later in zip(self.asked, self.asked[1:], strict=False)]

    def model(self, **options: Any) -> LiteLLMModel:
        """A model that asks this server."""
        return LiteLLMModel(self.protocol.model, api_base=f"http://127.0.0.1:{self.port}{self.protocol.base}", api_key="sk-test", **options)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Note what was asked; send the bytes."""
        asked = Asked.read(handler)
        self.asked.append(asked)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1](asked.streaming)
        self.stopped.wait(answer.late)
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(answer.status)
        streaming = asked.streaming and answer.status == 200
        for key, value in {
            "content-type": "text/event-stream" if streaming else "application/json",
            "connection": "close",
            "transfer-encoding": "chunked",
            **answer.headers,
        }.items():
            handler.send_header(key, value)
        handler.end_headers()
        for piece in answer.pieces:
            _write(handler, piece)
            self.stopped.wait(answer.pause)
        while answer.end in ("hang", "drip") and not self.stopped.wait(0.02):
            _write(handler, answer.pieces[-1] if answer.end == "drip" else b": still here\n\n")
        if answer.end == "close":
            handler.wfile.write(b"0\r\n\r\n")
        if answer.end == "reset":
            time.sleep(1.0)  # what was sent must have been read: a reset takes with it what was not
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()


def _write(handler: BaseHTTPRequestHandler, piece: bytes) -> None:
    if piece:
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))


@contextmanager
def raw_provider(*answers: Sequence[bytes] | Answer | Reply, end: End = "close", protocol: str = "openai") -> Iterator[RawProvider]:
    """A server that gives these answers; bytes alone are an answer that ends with `end`."""
    provider = RawProvider(PROTOCOLS[protocol], [_reply(answer, end) for answer in answers])
    with serving(provider.answer) as port:
        provider.port = port
        try:
            yield provider
        finally:
            provider.stopped.set()


def _reply(answer: Sequence[bytes] | Answer | Reply, end: End) -> Reply:
    if callable(answer):
        return answer
    given = answer if isinstance(answer, Answer) else Answer(answer, end=end)
    return lambda _: given
