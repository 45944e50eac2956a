"""The library's logger. Secrets are taken out of what it says, and of the tracebacks of users' code that it reports."""

from __future__ import annotations

import logging
import traceback

from agentgraph.conversation.secret import redacted

logger = logging.getLogger("agentgraph")


def _redact(record: logging.LogRecord) -> bool:
    said = record.getMessage()
    if (shown := redacted(said)) != said:
        record.msg, record.args = shown, None
    if record.exc_info and record.exc_info[0] is not None:
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (shown := redacted(told)) != told:
            record.exc_info, record.exc_text = None, shown  # the exception itself holds the secret
    return True


logger.addFilter(_redact)
