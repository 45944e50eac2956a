"""A relay in front of the mock provider: it notes what litellm really sent, and puts Gemini's requests into the mock's words.

The mock's journal holds what it made of a request, not the request. And litellm writes Gemini's fields in snake case, as
the API allows, where the mock reads camel case only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.loopback import Asked, serving
from tests.e2e.server import MockProvider
from tests.waiting import WATCHDOG

_USERS_OWN = frozenset({"args", "parameters", "response", "response_schema"})
"""What is below these is the user's JSON: its keys are not the API's."""
_OF_THE_CONNECTION = frozenset({"transfer-encoding", "content-length", "connection"})


@dataclass
class Relay:
    """The relay while it runs."""

    provider: MockProvider
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Note what was asked, ask the mock provider, and give what it says as it says it."""
        asked = Asked.read(handler)
        self.asked.append(asked)
        body = camel_case(asked.body) if "enerateContent" in asked.path else asked.body
        headers = {"content-type": "application/json", "x-test-id": asked.headers.get("x-test-id", "")}
        mock = HTTPConnection(urlsplit(self.provider.url).netloc, timeout=WATCHDOG)
        try:
            mock.request("POST", asked.path, json.dumps(body), headers)
            answer = mock.getresponse()
            handler.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in _OF_THE_CONNECTION:
                    handler.send_header(key, value)
            handler.end_headers()
            while piece := answer.read1():
                handler.wfile.write(piece)
        finally:
            mock.close()


def camel_case(value: Any) -> Any:
    """`value` with the API's keys in camel case.

    >>> camel_case({"function_call": {"name": "pay", "args": {"account_id": 1}}})
    {'functionCall': {'name': 'pay', 'args': {'account_id': 1}}}
    """
    if isinstance(value, dict):
        return {_camel(key): item if key in _USERS_OWN else camel_case(item) for key, item in value.items()}
    return [camel_case(item) for item in value] if isinstance(value, list) else value


def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(map(str.capitalize, others))


@contextmanager
def relay(provider: MockProvider) -> Iterator[Relay]:
    """A relay of the test's own: all that it has noted is the test's."""
    between = Relay(provider)
    with serving(between.answer) as port:
        between.port = port
        yield between
