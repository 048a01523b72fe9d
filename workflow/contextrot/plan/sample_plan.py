"""`snakemake plan_samples`: how many answers, tokens, USD and hours a difference or an interval needs, before anything is spent.

Nothing is built or asked: lengths and needles are config's, what answers will be like is assumed (`sample_plan` in config).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from contextrot.errors import ContextRotError
from contextrot.plan.effective_length import UNUSED_TOKENS, criterion_of, lengths_of, needles_of, settings_of
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.records import write_text
from contextrot.responses.cost import Call, estimate_calls
from contextrot.scores.adaptive import Search
from contextrot.scores.rehearsal import rehearsed_grid, rehearsed_search
from contextrot.scores.sample_size import Assumed, answers_for, interval_width, needles_for, smallest_difference
from contextrot.settings import ModelSettings
from contextrot.task import Task


@dataclass(frozen=True)
class PlanRow:
    """What one aim needs.

    Attributes:
        aim: in words; way: grid or adaptive.
        needles: that are asked; each: answers about one at one length, None where it differs between lengths.
        answers, tokens, usd, hours: of all lengths; None where no number of answers is enough, or price or limits are unknown.
        note: what is said beside it.
    """

    model: str
    experiment: str
    aim: str
    way: str
    needles: int
    each: int | None = None
    answers: int | None = None
    tokens: int | None = None
    usd: float | None = None
    hours: float | None = None
    note: str = ""


def grid_of(task: Task, model: ModelSettings) -> tuple[list[int], int]:
    """The lengths of an experiment's own grid that fit the window, and its answers about each needle at each of them."""
    p = task.parameters
    lengths = sorted(getattr(p, task.length_parameter or "lengths"))
    if task.length_parameter == "lengths":
        lengths = [length for length in lengths if length <= model.window]
    each = getattr(p, "repeats", 1)
    for name in ("depths", "distractors", "order", "topic"):
        value = getattr(p, name, None)
        each *= len(value) if isinstance(value, list) and value else 1
    return lengths, each


def plan_rows(project: Project, tier: str, model_name: str, experiment: str) -> list[PlanRow]:
    """All aims of config for one model's experiment.

    Raises:
        ConfigError: for an experiment without lengths, or with fewer than two that fit.
    """
    task, model, settings = (
        project.task(tier, model_name, experiment),
        project.models[model_name],
        settings_of(project, experiment),
    )
    wanted = project.settings.sample_plan
    assumed = Assumed(wanted.score, wanted.spread, wanted.interaction, wanted.power)
    lengths, each = grid_of(task, model)
    needles = task.cluster_count(project.data) or needles_of(task)
    each *= max(1, needles_of(task) // needles)  # several needles may answer one question
    about = model_name, experiment

    def priced(aim: str, way: str, counts: Sequence[float], at: Sequence[float], note: str = "") -> PlanRow:
        calls = [
            Call(round(length) + (UNUSED_TOKENS if length == 0 else 0), UNUSED_TOKENS)
            for length, count in zip(at, counts, strict=True)
            for _ in range(round(count) * needles)
        ]
        cost = estimate_calls(*about, None, model, calls)
        same = {round(count) for count in counts}
        tokens = cost.prompt_tokens + cost.output_tokens
        return PlanRow(
            *about, aim, way, needles, same.pop() if len(same) == 1 else None, len(calls), tokens, cost.usd, cost.hours, note
        )

    rows = [
        priced(
            "the grid as it is",
            "grid",
            [each] * len(lengths),
            lengths,
            f"expected: intervals of a length {interval_width(assumed, needles, each):.2f} wide, differences seen from "
            f"{_number(smallest_difference(assumed, needles, each))} on",
        )
    ]
    for aim, reached, goal in (
        (f"a difference of {wanted.difference:g} at each length", smallest_difference, wanted.difference),
        (f"an interval {wanted.width:g} wide at each length", interval_width, wanted.width),
    ):
        count = answers_for(partial(reached, assumed, needles), goal)
        if count is not None:
            rows.append(priced(aim, "grid", [count] * len(lengths), lengths))
        else:
            enough = needles_for(partial(reached, assumed, each=each), goal)
            note = (
                f"not by more answers about {needles} needles; {enough or 'over 1,000'} needles with {each} answers each would do"
            )
            rows.append(PlanRow(*about, aim, "grid", needles, note=note))
    rng = generator_for(project.settings.seed, "sample_plan", *about)
    aim, criterion = f"effective length within a factor of {settings.width:g}", criterion_of(settings)
    if len(lengths) > 1 and needles > 1:
        grid = rehearsed_grid(
            np.array(lengths, float), needles, each, criterion, settings.width, assumed.score, assumed.spread, rng
        )
        if grid.blocks is None:
            note = f"not by more answers at these lengths: {_factor(grid.factor)}; nothing is measured between them"
            rows.append(PlanRow(*about, aim, "grid", needles, note=note))
        else:
            rows.append(priced(aim, "grid", grid.blocks.tolist(), lengths, f"expected: {_factor(grid.factor)}"))
    candidates = np.array(lengths_of(project, tier, model_name, experiment), float)
    if needles > 1:
        costs = candidates + UNUSED_TOKENS
        search = Search(criterion, candidates, costs, needles, settings.width, math.inf, settings.max_rounds)
        found = rehearsed_search(search, assumed.score, assumed.spread, rng)
        note = f"expected: {_factor(found.factor)} after {found.rounds} rounds"
        blocks = np.zeros(len(candidates)) if found.blocks is None else found.blocks
        rows.append(priced(aim, "adaptive", blocks.tolist(), candidates.tolist(), note))
    return rows


def _factor(factor: float) -> str:
    return f"a factor of {factor:.2f}" if math.isfinite(factor) else "an open interval"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "none"


def write_sample_plan(project: Project, tier: str, json_path: Path, md_path: Path) -> None:
    """Writes the plan of all selected models' experiments that have lengths."""
    rows: list[PlanRow] = []
    left_out = []
    for model in project.selected_models:
        for experiment in project.selected_experiments:
            try:
                rows += plan_rows(project, tier, model, experiment)
            except ContextRotError as error:
                left_out.append(f"{model}, {experiment}: {error}")
    wanted = project.settings.sample_plan
    content: dict[str, Any] = {"assumed": wanted.model_dump(), "rows": [asdict(row) for row in rows], "left_out": left_out}
    write_text(json_path, json.dumps(content, indent=2) + "\n")
    write_text(md_path, plan_table(tier, rows, left_out, wanted.model_dump()))


def plan_table(tier: str, rows: Sequence[PlanRow], left_out: Sequence[str], assumed: dict[str, Any]) -> str:
    """The plan for people, as Markdown."""
    header = ["model", "experiment", "aim", "way", "needles", "answers each", "answers", "tokens", "USD", "hours", "note"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        each = "" if row.answers is None else "differs" if row.each is None else f"{row.each:,}"
        counts = ["" if value is None else f"{value:,}" for value in (row.answers, row.tokens)]
        price = "" if row.answers is None else "unknown" if row.usd is None else f"{row.usd:.2f}"
        hours = "" if row.answers is None else "no limit" if row.hours is None else f"{row.hours:.1f}"
        cells = [row.model, row.experiment, row.aim, row.way, str(row.needles), each, *counts, price, hours, row.note]
        lines.append("| " + " | ".join(cells) + " |")
    about = (
        f"Assumed (`sample_plan` in config): a score of {assumed['score']:g}; needles that differ by {assumed['spread']:g} logits, and by "
        f"{assumed['interaction']:g} from model to model; differences found in {100 * assumed['power']:.0f} % of the runs at 5 %. Answers each: about one "
        "needle (or item) at one length. Tokens, USD and hours: of one model, all lengths, prompts and answers. Hours: what the rate limits allow."
    )
    notes = "".join(f"\n\nLeft out: {text}" for text in left_out)
    return f"# Sample plan, tier {tier}\n\n" + "\n".join(lines) + f"\n\n{about}{notes}\n"
