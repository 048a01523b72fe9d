"""The adaptive search for an effective length, in rounds that are files: choose -> build -> ask -> judge -> score, and choose again.

`rounds/{n}/choice.json` holds the fit of all earlier rounds and what round n asks, or why the search stopped; it depends on the earlier
rounds' scores alone, so that a run that was killed goes on where it was. With it, `{experiment}/effective_length.json` and `.md` say the end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.records import SCORED_OUTCOMES, read_samples, write_samples, write_text
from contextrot.responses.prices import pricing_of
from contextrot.samples.rounds import blocks_of, refuse_repeats
from contextrot.samples.tokenizers import tokenizer_of
from contextrot.scores.adaptive import Search, candidate_lengths, next_step, summary
from contextrot.scores.clusters import FEW_CLUSTERS
from contextrot.scores.length_curve import Counts, Criterion
from contextrot.scores.score import read_scores
from contextrot.settings import EffectiveLengthSettings
from contextrot.task import SampleContext, Task

if TYPE_CHECKING:
    import pandas as pd

CRITERIA = {"nolima": Criterion(0.85, True), "ruler": Criterion(0.856, False)}
"""NoLiMa (arXiv 2502.05167): a share of the score at the shortest length; RULER (arXiv 2404.06654): a score."""
UNUSED_TOKENS = 64
"""Room that the prompt's frame and the answer are taken to need, where a round has not been asked yet."""


def settings_of(project: Project, experiment: str) -> EffectiveLengthSettings:
    """The search's settings for an experiment; the defaults where config names none.

    Raises:
        ConfigError: for an experiment whose task has no length that can be chosen.
    """
    task = project.task_class(experiment)
    if task.length_parameter is None:
        raise ConfigError(
            f"effective_length: experiment {experiment!r} (task {project.experiments[experiment].task!r}) has no lengths."
        )
    return project.settings.effective_length.get(experiment, EffectiveLengthSettings())


def criterion_of(settings: EffectiveLengthSettings) -> Criterion:
    """The criterion by its name, or the level that config gives."""
    if settings.criterion in CRITERIA:
        return CRITERIA[settings.criterion]
    return Criterion(settings.level or 0.0, settings.criterion == "share")


def lengths_of(project: Project, tier: str, model: str, experiment: str) -> list[int]:
    """The lengths that may be asked, ascending.

    Raises:
        ConfigError: if fewer than two fit, or the task has no prompts so short or long.
    """
    settings, task = settings_of(project, experiment), project.task(tier, model, experiment)
    given = getattr(task.parameters, task.length_parameter or "lengths")
    shortest = min(given) if settings.shortest is None else settings.shortest
    longest = max(given) if settings.longest is None else settings.longest
    if task.length_parameter == "lengths":
        answer = getattr(task.parameters, "answer_tokens", 0)
        longest = min(longest, project.models[model].window - min(answer, project.models[model].max_output_tokens))
    if longest <= shortest:
        raise ConfigError(
            f"effective_length of {experiment!r} for {model!r}: the longest length, {longest}, must be above the shortest, {shortest}; "
            "set `shortest` and `longest` of `effective_length`."
        )
    lengths = candidate_lengths(shortest, longest)
    parameters = {**task.parameters.model_dump(), task.length_parameter or "lengths": lengths}
    validate(
        type(task.parameters), parameters, f"`shortest` ({shortest}) and `longest` ({longest}) of effective_length.{experiment}"
    )
    return lengths


def search_facts(project: Project, tier: str, model: str, experiment: str) -> str:
    """All of config that the choice depends on, as text."""
    lengths = lengths_of(project, tier, model, experiment)
    price = project.models[model].price
    facts = [settings_of(project, experiment).model_dump(), lengths, project.settings.population, price and price.model_dump()]
    return json.dumps(facts)


def goes_on(choice_path: str | Path) -> bool:
    """Whether a choice asks for another round."""
    return not json.loads(Path(choice_path).read_text(encoding="utf-8"))["verdict"]


def read_rounds(paths: Sequence[Path], task: Task) -> tuple[pd.DataFrame | None, float]:
    """The scores of all rounds, and their tokens: the server's count where it gives one.

    Args:
        paths: scores.parquet of each round.
    """
    import pandas as pd

    if not paths:
        return None, 0.0
    rows = pd.concat([read_scores(path) for path in paths], ignore_index=True)
    prompts = rows["server_prompt_tokens"].fillna(rows["prompt_tokens"]).fillna(0)
    return rows, float((prompts + rows["completion_tokens"].fillna(0)).sum())


def clusters_of(rows: pd.DataFrame, task: Task, population: str) -> tuple[list[str], str]:
    """The cluster of each row, and the population that intervals speak for: these prompts, where there is a single needle."""
    column = task.cluster_column
    if population == "kind" and column in rows and rows[column].nunique() > 1:
        return rows[column].astype(str).tolist(), "kind"
    return rows["sample_id"].astype(str).tolist(), "these"


def choose_round(
    project: Project, tier: str, model: str, experiment: str, number: int, score_paths: Sequence[Path], output: Path
) -> None:
    """Writes choice.json of round `number`: the fit of the rounds before it, and what is asked or why the search stops."""
    task, settings = project.task(tier, model, experiment), settings_of(project, experiment)
    lengths = np.array(lengths_of(project, tier, model, experiment), float)
    rows, spent = read_rounds(score_paths, task)
    block, population, counts = needles_of(task), project.settings.population, None
    used: dict[int, int] = {}
    tokens_a_unit, frame = 1.0, float(UNUSED_TOKENS)
    warning = ""
    if rows is not None:
        asked = rows[rows[task.length_column].isin(lengths)]
        counted = asked[asked["outcome"].isin(SCORED_OUTCOMES) & asked["score"].notna()]
        names, population = clusters_of(counted, task, project.settings.population)
        counts = Counts.of(counted[task.length_column], counted["score"], names)
        if population == "kind":
            block = len(counts.totals)
            if block < FEW_CLUSTERS:
                warning = (
                    f"{block} needles (or items) only: an interval for their kind needs at least {FEW_CLUSTERS} to be narrow."
                )
        elif project.settings.population == "kind":
            warning = (
                "A single needle (or item) was asked: the interval speaks for these prompts alone, not for others of the kind."
            )
        with_tokens = asked[asked["prompt_tokens"].notna() & (asked[task.length_column] > 0)]
        if len(with_tokens):
            tokens_a_unit = float(with_tokens["prompt_tokens"].sum() / with_tokens[task.length_column].sum())
        frame = float(asked["completion_tokens"].fillna(0).mean()) if len(asked) else frame
    costs = tokens_a_unit * lengths + frame + (UNUSED_TOKENS if lengths[0] == 0 else 0)
    search = Search(criterion_of(settings), lengths, costs, max(block, 1), settings.width, math.inf, settings.max_rounds)
    search = replace(search, max_cost=_cap(project, model, settings, costs))
    earlier = [json.loads((Path(path).parent / "choice.json").read_text(encoding="utf-8")) for path in score_paths]
    for choice in earlier:
        for length, (_, last) in choice["blocks"].items():
            used[int(length)] = max(used.get(int(length), 0), last)
    if rows is not None:
        search = _without_exhausted(search, task, rows, used)
    step = next_step(search, counts, number - 1, spent)
    if not step.verdict and rows is not None and earlier and _nothing_new(rows, earlier[-1], task):
        step = replace(step, blocks={}, verdict="rounds", reason="No further prompts of these lengths are left to ask.")
    blocks = {}
    for j, count in step.blocks.items():
        first = used.get(int(lengths[j]), 0)
        blocks[str(int(lengths[j]))] = [first, first + count]
    content = {
        **summary(step, number - 1, spent),
        "criterion": settings.criterion,
        "level": search.criterion.level,
        "width": settings.width,
        "population": population,
        "warning": warning,
        "blocks": blocks,
    }
    write_text(output, json.dumps(content, indent=2) + "\n")


def needles_of(task: Task) -> int:
    """Answers of a block before any was asked: as many as the task lists needles or pairs, where it does."""
    for name in ("needles", "pairs"):
        if isinstance(getattr(task.parameters, name, None), list):
            return max(1, len(getattr(task.parameters, name)) // getattr(task.parameters, "needles_at_once", 1))
    return FEW_CLUSTERS


def _cap(project: Project, model: str, settings: EffectiveLengthSettings, costs: np.ndarray) -> float:
    """Tokens at most: the cap in tokens, and that in USD at the dearest length's price of a token."""
    caps = [math.inf if settings.max_tokens is None else float(settings.max_tokens)]
    if settings.max_usd is not None:
        pricing = pricing_of(project.models[model])
        if pricing is None:
            raise ConfigError(
                f"effective_length: max_usd = {settings.max_usd:g}, but the price of model {model!r} is unknown; set `price`."
            )
        answer = project.models[model].max_output_tokens
        dearest = max(pricing.cost(int(c), answer) / c for c in costs)
        caps.append(settings.max_usd / dearest if dearest > 0 else math.inf)
    return min(caps)


def _without_exhausted(search: Search, task: Task, rows: pd.DataFrame, used: dict[int, int]) -> Search:
    """Lengths whose prompts are used up, or that do not fit the window, cost more than there is."""
    got = rows.groupby(task.length_column)["sample_id"].nunique()
    fit = rows[rows["outcome"] != "over_window"][task.length_column].unique()
    costs = search.costs.copy()
    for j, length in enumerate(search.lengths):
        if length in got.index and (got[length] < used.get(int(length), 0) or length not in fit):
            costs[j] = math.inf
    return replace(search, costs=costs)


def _nothing_new(rows: pd.DataFrame, last: dict[str, Any], task: Task) -> bool:
    asked = {float(length) for length in last["blocks"]}
    return not rows[task.length_column].astype(float).isin(asked).any()


def build_round(
    project: Project, tier: str, model: str, experiment: str, choice_path: Path, earlier: Sequence[Path], output: Path
) -> None:
    """Writes samples.parquet of the round that a choice asks for.

    Args:
        earlier: samples.parquet of the rounds before it, none of which is asked again.
    """
    settings = project.models[model]
    context = SampleContext(
        tokenizer_of(settings),
        settings.window,
        settings.max_output_tokens,
        project.data,
        partial(generator_for, project.settings.seed),
    )
    chosen = json.loads(Path(choice_path).read_text(encoding="utf-8"))["blocks"]
    wanted = {int(length): range(*ends) for length, ends in chosen.items()}
    samples = blocks_of(project.task(tier, model, experiment), context, wanted)
    refuse_repeats(samples, (sample.sample_id for path in earlier for sample in read_samples(path, columns=[])))
    for sample in samples:
        if not sample.later_prompts:
            sample.messages = context.tokenizer.as_sent(sample.messages)
    write_samples(output, samples)


def write_effective_length(
    project: Project, tier: str, model: str, experiment: str, choices: Sequence[Path], json_path: Path, md_path: Path
) -> None:
    """Writes the end of the search: what the last choice found, with the rounds before it, and the share of the grid's tokens."""
    found = [json.loads(Path(path).read_text(encoding="utf-8")) for path in choices]
    last = found[-1]
    task = project.task(tier, model, experiment)
    grid = grid_tokens(project, tier, model, experiment)
    share = last["tokens"] / grid if grid else None
    content = {
        "model": model,
        "experiment": experiment,
        **last,
        "grid_tokens": grid,
        "share_of_grid": share,
        "history": found[:-1],
    }
    write_text(json_path, json.dumps(content, indent=2) + "\n")
    unit = "tokens" if task.length_column == "length" else (task.length_column or "").replace("_", " ")
    lines = [
        f"# Effective length: {project.title(model)}, {project.title(experiment)}",
        f"**{in_words(last, unit)}** ({last['criterion']}, threshold {_number(last['threshold'])}; 95 % interval for "
        + ("needles or items of the kind" if last["population"] == "kind" else "these prompts alone")
        + f", {last['clusters']} clusters, n = {last['n']}).",
        f"Why it stopped: {last['reason']}",
        f"{last['rounds']} rounds, {last['tokens']:,.0f} tokens"
        + (f": {100 * share:.1f} % of the {grid:,.0f} of the experiment's own grid." if share else "."),
    ]
    lines += [f"Warning: {last['warning']}"] if last["warning"] else []
    write_text(md_path, "\n\n".join(lines) + "\n")


def in_words(found: dict[str, Any], unit: str = "tokens") -> str:
    """The length with its interval, open where it is."""
    if found["verdict"] in ("dead", "never_passes"):
        return "no length is effective"
    if found["verdict"] == "not_monotone":
        return "there is no one effective length"
    if found["status"] == "unknown":
        return "unknown: " + (found["why_unknown"] or "nothing was asked")
    low, high = found["low"], found["high"]
    ends = f"[{'open' if low is None else f'{low:,.0f}'}, {'open' if high is None else f'{high:,.0f}'}]"
    middle = (
        f"{found['length']:,.0f} {unit}" if found["length"] is not None else f"{found['status'].replace('_', ' the ')} length"
    )
    return f"{middle} {ends}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def grid_tokens(project: Project, tier: str, model: str, experiment: str) -> float | None:
    """Prompt tokens of the experiment's own grid; None where lengths are no tokens."""
    p = project.task(tier, model, experiment).parameters
    if not hasattr(p, "depths") or not hasattr(p, "lengths"):
        return None
    window = project.models[model].window
    asked = sum(length for length in p.lengths if length + p.answer_tokens <= window)
    return float(
        asked
        * len(p.depths)
        * (len(p.needles) // p.needles_at_once)
        * len(p.distractors)
        * p.repeats
        * len(p.order)
        * len(p.topic)
    )
