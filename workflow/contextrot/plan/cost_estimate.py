"""What a run will cost before it is paid: per model and experiment, its judges included.

A price that is not known stays unknown, and so does every sum that it enters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from contextrot.judging import judges
from contextrot.judging.contract import JudgingContext
from contextrot.judging.cost import estimate_judge
from contextrot.project import Project
from contextrot.records import Sample, read_samples, write_text
from contextrot.responses.asking_by_batch import asks_by_batch
from contextrot.responses.cost import CostEstimate
from contextrot.responses.expected_output import ExpectedOutput, gold_output, measured_output, thinks
from contextrot.responses.prefix_sharing import caching_of, shared_tokens
from contextrot.responses.rehearsal import estimate_experiment, holds_conversations
from contextrot.samples.sample_table import SampleTable
from contextrot.samples.tokenizers import tokenizer_of


def estimate_cost(project: Project, tier: str, samples_paths: Sequence[str], output_json: Path, output_md: Path) -> None:
    """Writes the estimates of all the samples files of one tier, as JSON and as a table.

    Args:
        samples_paths: `.../{tier}/{model}/{experiment}/samples.parquet` each.
    """
    estimates = []
    for path in map(Path, samples_paths):
        model_name, experiment = path.parts[-3:-1]
        samples, model = read_samples(path, columns=["later_prompts"]), project.models[model_name]
        task = project.task(tier, model_name, experiment)
        expected = expected_output(project, path, model_name, experiment, samples)
        by_batch = asks_by_batch(model, project.settings)
        cached = not by_batch and caching_of(model) != "off"
        asked = SampleTable.read(path) if cached or holds_conversations(task, samples) else samples
        shared = shared_tokens(asked, model) if cached else {}
        about = model_name, experiment, task, model
        estimates.append(estimate_experiment(*about, asked, expected=expected, shared=shared, by_batch=by_batch))
        limits = [sample.max_output_tokens for sample in samples]
        mean = sum(map(expected.of, limits)) / len(limits) if expected and limits else None
        for name in project.judges_of(experiment):
            block = project.settings.judges[name]
            questions = judges.load(block.kind).asks
            if questions is not None and block.model is not None:
                context = JudgingContext(name, block, task, project.data, project.models[block.model])
                tokenizer = tokenizer_of(project.models[model_name])
                estimates.append(estimate_judge(questions, context, experiment, samples, tokenizer, mean))
    content = {
        "tier": tier,
        "budget_usd_per_model_and_experiment": project.settings.budget_usd,
        "estimates": [asdict(estimate) for estimate in estimates],
        "total": _total(estimates),
    }
    write_text(output_json, json.dumps(content, indent=2) + "\n")
    write_text(output_md, cost_table(tier, estimates))


def expected_output(
    project: Project, path: Path, model_name: str, experiment: str, samples: Sequence[Sample]
) -> ExpectedOutput | None:
    """How long the answers to a samples file are expected to be; None where not even a gold answer tells it."""
    model, task = project.models[model_name], project.experiments[experiment].task
    same_task = [name for name, block in project.experiments.items() if block.task == task]
    alone = thinks(model)
    measured = measured_output(path.parents[3], model_name, experiment, same_task, model.reasoning_tokens, others=not alone)
    if measured or alone:
        return measured  # nothing but its own answers tells how long a model will think
    return gold_output(samples, tokenizer_of(model))


def _total(estimates: Sequence[CostEstimate]) -> dict[str, int | float | None]:
    def total(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    return {
        "calls": sum(e.calls for e in estimates),
        "prompt_tokens": sum(e.prompt_tokens for e in estimates),
        "output_tokens": sum(e.output_tokens for e in estimates),
        "output_tokens_at_most": sum(e.output_tokens_at_most for e in estimates),
        "usd": total([e.usd for e in estimates]),
        "usd_at_most": total([e.usd_at_most for e in estimates]),
        "usd_in_batches": total([e.usd_in_batches for e in estimates]),
        "usd_saved_by_cache": sum(e.usd_saved_by_cache or 0.0 for e in estimates),
        "usd_of_known_prices": sum(e.usd for e in estimates if e.usd is not None),
    }


def cost_table(tier: str, estimates: Sequence[CostEstimate]) -> str:
    """The estimates as a Markdown table."""
    header = [
        "model",
        "experiment",
        "calls",
        "prompt tokens",
        "output tokens",
        "at most",
        "USD",
        "at most",
        "in batches",
        "saved by cache",
        "hours",
        "output expected from",
    ]
    rows = [
        [
            e.model,
            e.experiment + (f", judge {e.judge}" if e.judge else ""),
            f"{e.calls:,}",
            f"{e.prompt_tokens:,}",
            f"{e.output_tokens:,}"
            + ("" if e.output_tokens_low is None else f" [{e.output_tokens_low:,}, {e.output_tokens_high:,}]"),
            f"{e.output_tokens_at_most:,}",
            _usd(e.usd) + (f" [{_usd(e.usd_low)}, {_usd(e.usd_high)}]" if e.usd and e.usd_low is not None else ""),
            _usd(e.usd_at_most),
            "" if e.usd_in_batches is None else _usd(e.usd_in_batches),
            "" if e.usd_saved_by_cache is None else _usd(e.usd_saved_by_cache),
            "no limit" if e.hours is None else f"{e.hours:.1f}",
            e.basis,
        ]
        for e in estimates
    ]
    total = _total(estimates)
    counts = [f"{total[name]:,}" for name in ("calls", "prompt_tokens", "output_tokens", "output_tokens_at_most")]
    rows.append(["all", "", *counts, _usd(total["usd"]), _usd(total["usd_at_most"]), "", "", "", ""])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    rule = "-|-".join("-" * width for width in widths)
    table = "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
    notes = (
        "Answers from the request store cost nothing again. In brackets: 95 % intervals. In batches: the same by `ask: batch`. Saved by cache: "
        "what the provider's prompt cache takes off the USD beside it, if it works as the provider says. Hours: what the rate limits allow at best, one model after the other."
    )
    if total["usd"] is None:
        known = total["usd_of_known_prices"]
        notes += f" The price of some models is unknown (set `price` in the models file); the known part is {known:.2f} USD."
    return f"# Cost estimate, tier {tier}\n\n{table}\n\n{notes}\n"


def _usd(value: float | None) -> str:
    """Cents from one USD on, two digits below."""
    if value is None:
        return "unknown"
    return f"{value:.2f}" if value >= 1 or not value else f"{value:.2g}"
