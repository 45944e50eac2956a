"""A fast provider, in a process of its own: it streams one short story in the format that is asked for.

It writes the first words at once and the rest a moment later; to who says `GO_ON` it never writes the rest, so that a
stream that is not closed when it is left keeps its connection. It speaks to openai's, anthropic's and gemini's clients, keeps connections, and ends when who started it does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agentgraph import LiteLLMModel

WORDS = ("Once ", "upon ", "a ", "time.")
STORY = "".join(WORDS)
PAUSE = 0.005
"""Seconds between the first words and the rest."""
GO_ON = "Do go on."
"""What to say for a stream that does not end."""

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _openai() -> Iterator[str]:
    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}
        return f"data: {json.dumps(said)}\n\n"

    yield from (chunk({"role": "assistant", "content": word}) for word in WORDS)
    yield chunk({}, "stop") + "data: [DONE]\n\n"


def _anthropic() -> Iterator[str]:
    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    message: dict[str, Any] = {"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None}
    opened = event("message_start", message={**message, "usage": {"input_tokens": 5, "output_tokens": 1}})
    opened += event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    for word in WORDS:
        yield opened + event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        opened = ""
    yield (
        event("content_block_stop", index=0)
        + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 4})
        + event("message_stop")
    )


def _gemini() -> Iterator[str]:
    def piece(text: str, **fields: Any) -> str:
        said = {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **fields}]}
        return f"data: {json.dumps({**said, 'usageMetadata': {'promptTokenCount': 5, 'candidatesTokenCount': 4}})}\r\n\r\n"

    yield from map(piece, WORDS[:-1])
    yield piece(WORDS[-1], finishReason="STOP")


def _framed(pieces: Iterator[str]) -> tuple[bytes, bytes]:
    """The first words, and the rest, as chunks of HTTP."""
    framed = [b"%x\r\n%s\r\n" % (len(piece), piece.encode()) for piece in pieces]
    return _HEAD + b"".join(framed[:2]), b"".join(framed[2:]) + b"0\r\n\r\n"


_ANSWERS = {b"/chat/completions": _framed(_openai()), b"/v1/messages": _framed(_anthropic()), b":streamGenerateContent": _framed(_gemini())}


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            first, rest = next(answer for path, answer in _ANSWERS.items() if path.lower() in head.partition(b"\r")[0])
            writer.write(first)
            if GO_ON.encode() in body:
                await reader.read(1)  # until who asked has gone
                return
            await asyncio.sleep(PAUSE)
            writer.write(rest)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):  # who asked has gone
        pass
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whoever is still being served has gone too


@contextmanager
def provider() -> Iterator[dict[str, LiteLLMModel]]:
    """The server, and a model for each format it speaks."""
    command = [sys.executable, "-m", "tests.load.provider"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        try:
            yield {
                "openai": LiteLLMModel("openai/gpt-4o", api_base=f"{url}/v1", api_key="sk-test"),
                "anthropic": LiteLLMModel("anthropic/claude-sonnet-4-5", api_base=url, api_key="sk-test"),
                "gemini": LiteLLMModel("gemini/gemini-2.5-flash", api_base=f"{url}/v1beta", api_key="sk-test"),
            }
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_main())
