"""An HTTP server on loopback that leaves every answer to a function, and is gone when its test is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request, and when it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @classmethod
    def read(cls, handler: BaseHTTPRequestHandler) -> Asked:
        """What `handler` was sent; the names of headers in lower case."""
        headers = {key.lower(): value for key, value in handler.headers.items()}
        return cls(handler.path, headers, json.loads(handler.rfile.read(int(headers["content-length"]))), time.monotonic())

    @property
    def streaming(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream")) or ":streamGenerateContent" in self.path


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[int]:
    """A server whose POSTs go to `answer`, each in a thread of its own; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                answer(self)
            except OSError:  # who asked has gone
                pass
            finally:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:  # a connection that was reset cannot be closed in order
            return

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
