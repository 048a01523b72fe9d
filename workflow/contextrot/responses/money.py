"""Money as whole numbers: a sum of what was set aside and given back is exactly zero again, which binary fractions are not.

The unit is the pico-USD (1e-12): the cheapest cached token costs some ten thousand of them, and all the money in the world fits.
What a server does not tell, or tells wrongly, is charged by the own count or the worst case, never as nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from contextrot.records import Response
from contextrot.responses.prices import Pricing

PICOS_A_USD = 10**12
MOST_TOKENS = 10**9
"""A count above it is no count."""
CHARACTERS_A_TOKEN = 3
"""For texts that nobody counted: a cautious mean."""
LONGEST_TOKEN_CHARACTERS = 100
_SMALLEST_SHARE = 0.05
"""A server that counts less than this share of a prompt that was counted exactly is not believed when it bills."""


def picos(usd: float) -> int:
    """USD in pico-USD, rounded up."""
    return math.ceil(round(usd * PICOS_A_USD, 3))


def usd(amount: int) -> float:
    """Pico-USD in USD."""
    return amount / PICOS_A_USD


def bills(pricing: Pricing | None) -> bool:
    """Whether anything is known to cost something."""
    return pricing is not None and any(rate.prompt or rate.cached or rate.completion for _, rate in pricing.tiers)


def worst_case(pricing: Pricing, prompt_tokens: int, output_limit: int) -> int:
    """What a request may cost at most, pico-USD: the whole prompt at its dearest rate, and an answer up to the limit."""
    return picos(pricing.at_most(max(prompt_tokens, 1), output_limit))


@dataclass(frozen=True)
class Bill:
    """What an answer costs.

    Attributes:
        usd: the price.
        at_most: whether a count was missing or impossible, so that this is the worst case and not the price.
    """

    usd: float
    at_most: bool


def bill(
    pricing: Pricing,
    *,
    prompt_tokens: int | None,
    completion_tokens: int | None,
    cached_tokens: int | None = None,
    written_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    own_prompt_tokens: int,
    counted: bool,
    characters: int,
    output_limit: int,
) -> Bill:
    """The price of an answer, by the server's counts where they are possible.

    Args:
        prompt_tokens, completion_tokens, cached_tokens, written_tokens, reasoning_tokens: as the server gave them.
        own_prompt_tokens: the prompt by the own count.
        counted: whether that was counted by the model's tokenizer and not guessed from the prompt's length.
        characters: of the answer and its reasoning.
        output_limit: the limit that was asked for.
    """
    own, at_most = max(own_prompt_tokens, 1), False
    prompt = _count(prompt_tokens)
    if not prompt or (counted and prompt < own * _SMALLEST_SHARE):
        prompt, at_most = max(own, prompt or 0), True
    completion = _count(completion_tokens)
    if completion is None or completion * LONGEST_TOKEN_CHARACTERS < characters:
        completion, at_most = max(output_limit, -(-characters // CHARACTERS_A_TOKEN)), True
    reasoning = _count(reasoning_tokens) or 0
    if reasoning > completion:  # counted beside the answer, not within it
        completion += reasoning
    cached, written = _count(cached_tokens) or 0, _count(written_tokens) or 0
    if cached + written > prompt:
        return Bill(pricing.at_most(prompt, completion), True)
    return Bill(pricing.cost(prompt, completion, cached, written), at_most)


def _count(value: int | None) -> int | None:
    """A count that a server may have given; None if it is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def charge(response: Response, pricing: Pricing | None, prompt_tokens: int, counted: bool, limit: int, bills: bool) -> int:
    """Sets the cost of an answer, and gives it in pico-USD.

    Args:
        prompt_tokens: the prompt by the own count; `counted` whether that is a tokenizer's, not an estimate.
        limit: of the answer, tokens.
        bills: whether somebody is billed for it.
    """
    if pricing is None:
        return 0
    result = bill(
        pricing,
        prompt_tokens=response.prompt_tokens,
        completion_tokens=response.completion_tokens,
        cached_tokens=response.cached_tokens,
        written_tokens=response.cache_written_tokens,
        reasoning_tokens=response.reasoning_tokens,
        own_prompt_tokens=prompt_tokens,
        counted=counted,
        characters=len(response.text or "") + len(response.reasoning or ""),
        output_limit=limit,
    )
    response.cost_usd = result.usd
    response.cost_at_most = True if result.at_most and bills else None
    return picos(result.usd)
