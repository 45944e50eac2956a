"""A provider made of bytes: a loopback server that sends what it is told, for what the mock provider is too polite to do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from agentgraph import LiteLLMModel

End = Literal["close", "hang", "drip"]
"""How a stream ends: the connection is closed in order, nothing comes any more, or the last piece comes again and again."""


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    """One server-sent event of a streamed completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def completion(message: dict[str, Any], finish_reason: str) -> bytes:
    """A whole completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    said = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o", "choices": [choice], "usage": usage}
    return json.dumps(said).encode()


DONE = b"data: [DONE]\n\n"


@dataclass
class RawProvider:
    """The server while it runs. The n-th request is answered with the n-th answer, and after that with the last."""

    answers: Sequence[Sequence[bytes]]
    end: End = "close"
    bodies: list[dict[str, Any]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def model(self, **options: Any) -> LiteLLMModel:
        """A model that asks this server."""
        return LiteLLMModel("openai/gpt-4o", api_base=f"http://127.0.0.1:{self.port}/v1", api_key="sk-test", **options)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Note what was asked; send the bytes."""
        self.bodies.append(json.loads(handler.rfile.read(int(handler.headers["content-length"]))))
        pieces = self.answers[min(len(self.bodies), len(self.answers)) - 1]
        handler.send_response(200)
        handler.send_header("content-type", "text/event-stream" if self.bodies[-1].get("stream") else "application/json")
        handler.send_header("connection", "close")
        handler.end_headers()
        for piece in pieces:
            handler.wfile.write(piece)
        while self.end != "close" and not self.stopped.wait(0.02):
            handler.wfile.write(pieces[-1] if self.end == "drip" else b": still here\n\n")
        handler.close_connection = True


@contextmanager
def raw_provider(*answers: Sequence[bytes], end: End = "close") -> Iterator[RawProvider]:
    """A server that gives these answers."""
    provider = RawProvider(answers, end)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                provider.answer(self)
            except ConnectionError:  # who asked has gone
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        provider.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            provider.stopped.set()
            server.shutdown()
            thread.join()


def until(happened: Any, seconds: float = 60.0) -> bool:
    """Wait for `happened()` to be true; whether it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if happened():
            return True
        time.sleep(0.02)
    return False
