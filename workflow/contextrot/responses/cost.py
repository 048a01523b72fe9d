"""What the answers to an experiment's samples will cost before they are paid: calls, tokens, USD and hours.

Prompt tokens are those of the samples as they were built, by the model's own tokenizer. Answers are not known beforehand: at most
they have their limit; what is expected is the mean of an earlier tier's answers of the same model and experiment, where
there are some. A price that is not known stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contextrot.records import Sample
from contextrot.responses.limits import rate_limits_of
from contextrot.responses.prices import pricing_of
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings


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


@dataclass(frozen=True)
class Call:
    """One request as it is expected: its prompt, and the most that its answer can be, thoughts included."""

    prompt_tokens: int
    output_limit: int


def estimate_experiment(
    model_name: str, experiment: str, model: ModelSettings, samples: Sequence[Sample], earlier_mean: float | None = None
) -> CostEstimate:
    """The estimate for the answers themselves.

    Args:
        samples: with their later prompts; those that do not fit the window cost nothing.
        earlier_mean: mean completion tokens of earlier answers; None if there are none.
    """
    calls: list[Call] = []
    tokenizer: Tokenizer | None = None
    for sample in samples:
        if not sample.fits_window:
            continue
        limit = sample.max_output_tokens + model.reasoning_tokens
        prompt = sample.prompt_tokens or 0
        calls.append(Call(prompt, limit))
        for text in sample.later_prompts:
            tokenizer = tokenizer or tokenizer_of(model)
            answer = sample.max_output_tokens if earlier_mean is None else round(earlier_mean)
            prompt = min(prompt + answer + len(tokenizer.encode(text)), model.window - sample.max_output_tokens)
            calls.append(Call(prompt, limit))
    return estimate_calls(model_name, experiment, None, model, calls, earlier_mean)


def estimate_calls(
    model_name: str, experiment: str, judge: str | None, model: ModelSettings, calls: Sequence[Call], mean: float | None
) -> CostEstimate:
    """The estimate for some calls, answers of which are expected to have `mean` tokens, or their limit if that is None."""
    pricing = pricing_of(model)
    prompt, most = sum(c.prompt_tokens for c in calls), sum(c.output_limit for c in calls)
    outputs = [c.output_limit if mean is None else min(mean, c.output_limit) for c in calls]
    output = round(sum(outputs))
    usd = at_most = None
    if pricing:
        usd = sum(pricing.cost(c.prompt_tokens, n) for c, n in zip(calls, outputs, strict=True))
        at_most = sum(pricing.cost(c.prompt_tokens, c.output_limit) for c in calls)
    tokens_per_minute, requests_per_minute = rate_limits_of(model)
    minutes = [
        amount / limit for amount, limit in ((prompt + output, tokens_per_minute), (len(calls), requests_per_minute)) if limit
    ]
    hours = max(minutes) / 60 if minutes else None
    return CostEstimate(model_name, experiment, judge, len(calls), prompt, output, most, usd, at_most, hours)
