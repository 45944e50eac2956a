"""What model calls have used so far."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    """Model calls, tokens and, where the provider's prices are known, US dollars.

    >>> (Usage(1, 10, 5) + Usage(1, 20, 7)).total_tokens
    42
    """

    requests: int = 0
    input_tokens: int = 0
    """Cached and cache-written ones included."""
    output_tokens: int = 0
    """Reasoning included."""
    cost: float | None = None
    """The sum of what is known; None where nothing is."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    unpriced: int = 0
    """Requests without a price: where there are some, `cost` is the least that was spent."""

    @property
    def total_tokens(self) -> int:
        """Tokens in and out together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        if self is NO_USAGE:
            return other
        cost = self.cost if other.cost is None else (self.cost or 0.0) + other.cost
        if other is ONE_REQUEST:
            return replace(self, requests=self.requests + 1)
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            cost,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.unpriced + other.unpriced,
        )

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
            self.cached_tokens - earlier.cached_tokens,
            self.cache_write_tokens - earlier.cache_write_tokens,
            self.reasoning_tokens - earlier.reasoning_tokens,
            self.unpriced - earlier.unpriced,
        )


NO_USAGE = Usage()
ONE_REQUEST = Usage(1)
