"""What calls will cost before they are paid: tokens, USD and hours.

Prompt tokens are those of the samples as they were built, by the model's own tokenizer. Answers are not known beforehand: at most
they have their limit; what is expected is what was measured before (see `expected_output`), with an interval. A price that is not known
stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contextrot.responses.expected_output import ExpectedOutput
from contextrot.responses.limits import rate_limits_of
from contextrot.responses.prices import batch_pricing, pricing_of
from contextrot.responses.provider_batches import has_batches
from contextrot.settings import ModelSettings


@dataclass(frozen=True)
class Call:
    """One request as it is expected: its prompt, and the most that its answer can be, thoughts included.

    Attributes:
        read_tokens, written_tokens: of the prompt's, those that a prompt cache gives and takes.
    """

    prompt_tokens: int
    output_limit: int
    read_tokens: int = 0
    written_tokens: int = 0


@dataclass
class CostEstimate:
    """The estimate for one model and experiment, or for its judge.

    Attributes:
        model, experiment: names in config; for a judge its own model.
        judge: the judge's name, None for the experiment itself.
        calls: requests, without retries.
        prompt_tokens: counted.
        output_tokens, output_tokens_at_most: expected, and if every answer reaches its limit.
        usd, usd_at_most: None if the price is unknown.
        output_tokens_low, output_tokens_high, usd_low, usd_high: 95 % interval of what is expected; None where nothing tells it.
        usd_in_batches: what the same would cost by `ask: batch`; None where there are no batches, or no price.
        usd_saved_by_cache: of the expected USD, what a prompt cache saves that works as its provider says; None where none is counted on.
        basis: what the expected output rests on.
        hours: what the model's rate limits allow at best, for the expected output; None without limits.
    """

    model: str
    experiment: str
    judge: str | None
    calls: int
    prompt_tokens: int
    output_tokens: int
    output_tokens_at_most: int
    usd: float | None
    usd_at_most: float | None
    hours: float | None
    output_tokens_low: int | None = None
    output_tokens_high: int | None = None
    usd_low: float | None = None
    usd_high: float | None = None
    usd_in_batches: float | None = None
    usd_saved_by_cache: float | None = None
    basis: str = "the limits of the answers"


def estimate_calls(
    model_name: str,
    experiment: str,
    judge: str | None,
    model: ModelSettings,
    calls: Sequence[Call],
    expected: ExpectedOutput | None = None,
    by_batch: bool = False,
    longest: Sequence[Call] | None = None,
) -> CostEstimate:
    """The estimate for some calls, answers of which are as long as `expected`, else as their limits.

    Args:
        longest: what may be asked at most, where the calls depend on earlier answers; else the calls themselves.
    """
    longest = calls if longest is None else longest
    single = pricing_of(model)
    halved = batch_pricing(single)
    pricing = halved if by_batch else single
    prompt, most = sum(c.prompt_tokens for c in calls), sum(c.output_limit for c in longest)
    outputs = [expected.of(c.output_limit) if expected else c.output_limit for c in calls]
    output = round(sum(outputs))
    interval = expected.interval([c.output_limit for c in calls]) if expected and calls else None
    usd = at_most = in_batches = saved = low = high = None
    if pricing:
        pairs = list(zip(calls, outputs, strict=True))
        caches = not by_batch and any(c.read_tokens or c.written_tokens for c in calls)
        whole = sum(pricing.cost(c.prompt_tokens, n) for c, n in pairs)
        usd = sum(pricing.cost(c.prompt_tokens, n, c.read_tokens, c.written_tokens) for c, n in pairs) if caches else whole
        saved = whole - usd if caches else None
        at_most = sum(pricing.at_most(c.prompt_tokens, c.output_limit) for c in longest)
        if model.hosted and has_batches(model.provider):
            in_batches = sum(halved.cost(c.prompt_tokens, n) for c, n in pairs)
        if interval and output:
            of_output = usd - sum(pricing.cost(c.prompt_tokens, 0, *(c.read_tokens, c.written_tokens) * caches) for c, _ in pairs)
            low, high = (usd + of_output * (end / sum(outputs) - 1) for end in interval)
    tokens_per_minute, requests_per_minute = rate_limits_of(model)
    minutes = [
        amount / limit for amount, limit in ((prompt + output, tokens_per_minute), (len(calls), requests_per_minute)) if limit
    ]
    hours = max(minutes) / 60 if minutes else None
    basis = expected.basis if expected else CostEstimate.basis
    return CostEstimate(
        model_name,
        experiment,
        judge,
        len(calls),
        prompt,
        output,
        most,
        usd,
        at_most,
        hours,
        output_tokens_low=round(interval[0]) if interval else None,
        output_tokens_high=round(interval[1]) if interval else None,
        usd_low=low,
        usd_high=high,
        usd_in_batches=in_batches,
        usd_saved_by_cache=saved,
        basis=basis,
    )
