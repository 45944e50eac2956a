"""The protocols, each as one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.e2e import anthropic_rules, gemini_rules, provider_rules
from tests.e2e.provider_rules import Violation
from tests.e2e.raw_provider import anthropic, gemini, openai
from tests.e2e.raw_provider.saying import Saying, Streamed


class Protocol(NamedTuple):
    """How one provider speaks, what litellm calls it, and what it accepts."""

    model: str
    base: str
    whole: Callable[[Saying], bytes]
    streamed: Callable[[Saying], Streamed]
    failure: Callable[[int], bytes]
    failure_event: Callable[[], bytes]
    violations: Callable[[Mapping[str, Any]], list[Violation]]


def _protocol(module: Any, violations: Callable[[Mapping[str, Any]], list[Violation]]) -> Protocol:
    return Protocol(module.MODEL, module.BASE, module.whole, module.streamed, module.failure, module.failure_event, violations)


PROTOCOLS: Mapping[str, Protocol] = {
    "openai": _protocol(openai, provider_rules.violations),
    "anthropic": _protocol(anthropic, anthropic_rules.violations),
    "gemini": _protocol(gemini, gemini_rules.violations),
}
