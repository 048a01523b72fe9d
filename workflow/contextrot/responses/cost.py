"""What a run will cost before it is paid: calls, tokens, USD and hours, per model and experiment, judges included.

Prompt tokens are those of the samples as they were built, by the model's own tokenizer. Answers are not known beforehand: at most
they have their limit; what is expected is the mean of an earlier tier's answers of the same model and experiment, where
there are some. A price that is not known stays unknown, and so does every sum that it enters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from contextrot.project import Project
from contextrot.records import Sample, read_samples, write_text
from contextrot.responses.client import rate_limits_of
from contextrot.responses.prices import pricing_of
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings

JUDGE_OUTPUT_TOKENS = 16


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


@dataclass
class _Call:
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
    calls: list[_Call] = []
    tokenizer: Tokenizer | None = None
    for sample in samples:
        if not sample.fits_window:
            continue
        limit = sample.max_output_tokens + model.reasoning_tokens
        prompt = sample.prompt_tokens or 0
        calls.append(_Call(prompt, limit))
        for text in sample.later_prompts:
            tokenizer = tokenizer or tokenizer_of(model)
            answer = sample.max_output_tokens if earlier_mean is None else round(earlier_mean)
            prompt = min(prompt + answer + len(tokenizer.encode(text)), model.window - sample.max_output_tokens)
            calls.append(_Call(prompt, limit))
    return _estimate(model_name, experiment, None, model, calls, earlier_mean)


def estimate_judge(
    judge: str, rubric: str | None, model_name: str, experiment: str, model: ModelSettings, samples: Sequence[Sample]
) -> CostEstimate:
    """The estimate for a judge that asks a model: one call for each turn and reference, as if each answer were the gold one."""
    from contextrot.judging.rubrics import judge_prompt

    tokenizer, calls = tokenizer_of(model), []
    for sample in samples:
        for reference in (sample.references or [""]) if sample.fits_window else []:  # one request rates by all criteria
            prompt = judge_prompt(rubric, sample.condition, reference, reference)
            tokens = tokenizer.count_chat([{"role": "user", "content": prompt}])
            calls += [_Call(tokens, JUDGE_OUTPUT_TOKENS + model.reasoning_tokens)] * (1 + len(sample.later_prompts))
    return _estimate(model_name, experiment, judge, model, calls, None)


def _estimate(
    model_name: str, experiment: str, judge: str | None, model: ModelSettings, calls: Sequence[_Call], mean: float | None
) -> CostEstimate:
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


def estimate_cost(project: Project, tier: str, samples_paths: Sequence[str], output_json: Path, output_md: Path) -> None:
    """Writes the estimates of all the samples files of one tier, as JSON and as a table.

    Args:
        samples_paths: `.../{tier}/{model}/{experiment}/samples.parquet` each.
    """
    estimates = []
    for path in map(Path, samples_paths):
        model_name, experiment = path.parts[-3:-1]
        samples = read_samples(path, columns=["later_prompts"])
        mean = earlier_mean_output(path.parents[3], model_name, experiment)
        estimates.append(estimate_experiment(model_name, experiment, project.models[model_name], samples, mean))
        for name in project.judges_of(experiment):
            judge = project.settings.judges[name]
            if judge.model is not None:
                model = project.models[judge.model]
                estimates.append(estimate_judge(name, judge.rubric, judge.model, experiment, model, samples))
    content = {
        "tier": tier,
        "budget_usd_per_model_and_experiment": project.settings.budget_usd,
        "estimates": [asdict(estimate) for estimate in estimates],
        "total": _total(estimates),
    }
    write_text(output_json, json.dumps(content, indent=2) + "\n")
    write_text(output_md, cost_table(tier, estimates))


def earlier_mean_output(results: Path, model: str, experiment: str) -> float | None:
    """Mean completion tokens of what any tier has already answered for the same model and experiment."""
    calls = tokens = 0
    for path in sorted(results.glob(f"*/{model}/{experiment}/token_summary.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))["models"][model]
            calls, tokens = calls + summary["calls"], tokens + summary["output_tokens"]
        except (ValueError, KeyError, TypeError):
            continue
    return tokens / calls if calls else None


def _total(estimates: Sequence[CostEstimate]) -> dict[str, int | float | None]:
    def total(values: list[float | None]) -> float | None:
        return None if None in values else sum(values)

    return {
        "calls": sum(e.calls for e in estimates),
        "prompt_tokens": sum(e.prompt_tokens for e in estimates),
        "output_tokens": sum(e.output_tokens for e in estimates),
        "output_tokens_at_most": sum(e.output_tokens_at_most for e in estimates),
        "usd": total([e.usd for e in estimates]),
        "usd_at_most": total([e.usd_at_most for e in estimates]),
        "usd_of_known_prices": sum(e.usd for e in estimates if e.usd is not None),
    }


def cost_table(tier: str, estimates: Sequence[CostEstimate]) -> str:
    """The estimates as a Markdown table."""
    header = ["model", "experiment", "calls", "prompt tokens", "output tokens", "at most", "USD", "at most", "hours"]
    rows = [
        [
            e.model,
            e.experiment + (f", judge {e.judge}" if e.judge else ""),
            f"{e.calls:,}",
            f"{e.prompt_tokens:,}",
            f"{e.output_tokens:,}",
            f"{e.output_tokens_at_most:,}",
            _usd(e.usd),
            _usd(e.usd_at_most),
            "no limit" if e.hours is None else f"{e.hours:.1f}",
        ]
        for e in estimates
    ]
    total = _total(estimates)
    counts = [f"{total[name]:,}" for name in ("calls", "prompt_tokens", "output_tokens", "output_tokens_at_most")]
    rows.append(["all", "", *counts, _usd(total["usd"]), _usd(total["usd_at_most"]), ""])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    rule = "-|-".join("-" * width for width in widths)
    table = "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
    notes = (
        "Answers from the request store cost nothing again. Hours: what the rate limits allow at best, one model after the other."
    )
    if total["usd"] is None:
        known = total["usd_of_known_prices"]
        notes += f" The price of some models is unknown (set `price` in the models file); the known part is {known:.2f} USD."
    return f"# Cost estimate, tier {tier}\n\n{table}\n\n{notes}\n"


def _usd(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
