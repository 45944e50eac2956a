"""A provider made of bytes: a loopback server that sends what it is told, for what the mock provider is too polite to do.

`saying.py` is what a model says, in no protocol; `openai.py`, `anthropic.py` and `gemini.py` turn it into bytes, whole or
in pieces; `protocol.py` is their table; `server.py` gives the bytes, or fails to, in the way it is told.
"""

from tests.e2e.raw_provider.openai import DONE, chunk, completion
from tests.e2e.raw_provider.protocol import PROTOCOLS, Protocol
from tests.e2e.raw_provider.saying import Called, Saying
from tests.e2e.raw_provider.server import Answer, End, RawProvider, Reply, raw_provider

__all__ = [
    "DONE",
    "PROTOCOLS",
    "Answer",
    "Called",
    "End",
    "Protocol",
    "RawProvider",
    "Reply",
    "Saying",
    "chunk",
    "completion",
    "raw_provider",
]
