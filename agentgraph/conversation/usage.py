"""What model calls have used so far."""

from __future__ import annotations

from msgspec import Struct


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    """Model calls, tokens and, where the provider's prices are known, US dollars.

    >>> Usage(1, 10, 5) + Usage(1, 20, 7)
    Usage(requests=2, input_tokens=30, output_tokens=12, cost=None)
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None

    @property
    def total_tokens(self) -> int:
        """Tokens in and out together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        if self is NO_USAGE:
            return other
        cost = self.cost if other.cost is None else (self.cost or 0.0) + other.cost
        return Usage(self.requests + other.requests, self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, cost)

    def __sub__(self, earlier: Usage) -> Usage:
        if earlier is NO_USAGE:
            return self
        no_cost = self.cost is None or self.requests == earlier.requests
        cost = None if no_cost else round((self.cost or 0.0) - (earlier.cost or 0.0), 12)  # sums of floats leave crumbs
        return Usage(
            self.requests - earlier.requests,
            self.input_tokens - earlier.input_tokens,
            self.output_tokens - earlier.output_tokens,
            cost,
        )


NO_USAGE = Usage()
ONE_REQUEST = Usage(1)
