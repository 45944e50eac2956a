"""A canary in keys, headers, params and the environment, and a provider that repeats all it is sent: no text of ours repeats it."""

from __future__ import annotations

import io
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agentgraph import Agent, AgentRunner, LiteLLMModel, ProviderError, RunConfig, Secret
from agentgraph.conversation.shown import behind
from tests.e2e.ways import WAYS

pytestmark = pytest.mark.wire

CANARY = "sk-canary-4c1d"
HEARD: list[str] = []


@contextmanager
def echo(status: int) -> Iterator[int]:
    """A server that refuses with `status`, and repeats every header and the query."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            HEARD.append(f"{self.path} {self.headers}")
            said = {"error": {"message": f"refused: {self.path} {dict(self.headers)}", "type": "auth", "code": status, "status": "NO"}}
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [401, 500])
@pytest.mark.parametrize(
    ("name", "base"), [("openai/gpt-4o", "/v1"), ("anthropic/claude-sonnet-4-5", ""), ("gemini/gemini-2.5-flash", "/v1beta")]
)
@pytest.mark.parametrize("kept", ["as a secret", "as text", "in the environment"])
def test_no_error_and_no_log_repeats_a_key(way: str, status: int, name: str, base: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger("agentgraph").addHandler(handler)
    key = Secret(CANARY) if kept == "as a secret" else CANARY if kept == "as text" else None
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, CANARY)
    with echo(status) as port:
        options = {"api_base": f"http://127.0.0.1:{port}{base}", "retries": 0, **({"api_key": key} if key is not None else {})}
        model = LiteLLMModel(name, fallbacks=[LiteLLMModel(name, **options)], **options)  # type: ignore[arg-type]
        headers = {"X-Session-Token": key, "Authorization": f"Bearer {CANARY}"} if isinstance(key, str) else {}
        runner = AgentRunner(Agent("Desk", model=model, headers=headers))
        result = WAYS[way](runner, "hello", None, RunConfig(headers={"X-Key": Secret(CANARY)} if kept == "as a secret" else {})).result
    logging.getLogger("agentgraph").removeHandler(handler)

    assert any(CANARY in heard for heard in HEARD), "the key was sent, so the rest means something"
    assert result.error is not None
    assert isinstance(result.error.__cause__, ProviderError)
    assert result.error.__cause__.status == status
    told = [repr(result), result.context.to_json(), out.getvalue(), repr(model), repr(runner)]
    for error in behind(result.error):
        told += [str(error), repr(error), "".join(traceback.format_exception(error))]
    assert [text for text in told if CANARY in text] == []
    assert "asking" in out.getvalue()
