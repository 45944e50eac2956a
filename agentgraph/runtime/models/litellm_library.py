"""litellm itself: imported when it is first needed, told beforehand what to leave alone, and its clients tended.

It is slow to import, reads .env files and the network when it is, speaks on the console, and keeps clients that belong to a
loop and to a process.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from agentgraph.errors import ModelError
from agentgraph.runtime.loop import LOOP
from agentgraph.runtime.parent import leave_to_the_parent

_INSTALL = 'pip install "agentgraph-fsm[litellm]"'

_module: Any = None


def litellm() -> Any:
    """litellm, imported once, after it was told to leave the network, the .env files and the console alone."""
    global _module  # noqa: PLW0603 - it takes two seconds
    if _module is None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
        try:
            import litellm as imported
        except ImportError as missing:
            raise ModelError(
                f"a model is named by a string, which needs litellm, and it cannot be imported ({missing}); install it: {_INSTALL}"
            ) from missing
        imported.suppress_debug_info = True
        _module = imported
        _tend(imported)
    return _module


def _tend(imported: Any) -> None:
    """Have its clients closed with the loop that they belong to, and left alone in the child of a fork."""
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    hasattr(imported, "")  # at its first missing attribute it registers an exit handler, which must find the clients closed
    LOOP.on_close(close_litellm_async_clients)
    LOOP.on_fork(_forget_the_parents_clients)


def _forget_the_parents_clients() -> None:
    of_the_parent = _module.in_memory_llm_clients_cache
    leave_to_the_parent(of_the_parent)
    _module.in_memory_llm_clients_cache = type(of_the_parent)()


async def prepared() -> None:
    """Have it imported, without holding up the loop: it takes two seconds."""
    if _module is None:
        await asyncio.to_thread(litellm)
