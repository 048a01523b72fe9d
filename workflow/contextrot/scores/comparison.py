"""Several models on one experiment, several experiments of one task on one model, or all tiers side by side.

What is compared are *entries*: each has a title and the scores of one (tier, model, experiment). Everything paired is over the answers
that all (or both) entries have: the same sample and turn, with an outcome that counts in each. Experiments of one task have other
samples each; they are paired by the task's `pair_columns` (the same needle, length and depth), several rows of one being averaged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import SCORED_OUTCOMES, write_table
from contextrot.scores.rot_curves import DEFINITIONS, effective_length, length_slope, relative_curve
from contextrot.scores.stats import Rank, holm, mean_interval, paired_difference, ranks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from contextrot.project import Project

COMPARISON_FIGURES = ("rot_curves", "effective_length", "paired_differences", "rank")
POSITION_COLUMNS = ("depth", "position_percent")
"""Columns of a position in percent, which then is a term of the slope."""
COMPARISON = re.compile(r"(?:(?P<tier>[^/]+)/)?comparison/(?:conditions/(?P<model>[^/]+)/(?P<task>[^/]+)|(?P<experiment>[^/]+))")


@dataclass(frozen=True)
class Entry:
    """One thing compared: title for people, and where its scores come from."""

    title: str
    tier: str
    model: str
    experiment: str

    @property
    def scores_path(self) -> str:
        return f"results/{self.tier}/{self.model}/{self.experiment}/scores.parquet"


def entries_of(project: Project, comparison: str) -> list[Entry]:
    """What a comparison compares, from its folder's name below results.

    Args:
        comparison: `{tier}/comparison/{experiment}`: the selected models;
            `{tier}/comparison/conditions/{model}/{task}`: the selected experiments of a task;
            `comparison/{experiment}`: the selected models in each tier.

    Raises:
        ConfigError: if the name is none of these.
    """
    found = COMPARISON.fullmatch(comparison)
    if not found:
        raise ConfigError(
            f"results/{comparison} is no comparison: use results/TIER/comparison/EXPERIMENT or one of its other forms."
        )
    tier, model, task, experiment = found["tier"], found["model"], found["task"], found["experiment"]
    if model and tier:
        names = conditions(project, task)
        return [Entry(project.title(name), tier, model, name) for name in names]
    if tier:
        return [Entry(project.title(name), tier, name, experiment) for name in project.selected_models]
    return [
        Entry(f"{project.title(name)}, {tier}", tier, name, experiment)
        for name in project.selected_models
        for tier in project.settings.tiers
    ]


def conditions(project: Project, task: str) -> list[str]:
    """The selected experiments of a task."""
    return [name for name in project.selected_experiments if project.experiments[name].task == task]


def comparisons(project: Project, tier: str) -> list[str]:
    """All comparisons of a tier: one of each selected experiment with lengths, and one of each task that has several of them."""
    tasks = {name: project.task_class(name) for name in project.selected_experiments}
    compared = [name for name, task in tasks.items() if task.length_column and "score" in task.measures]
    found = [f"{tier}/comparison/{name}" for name in compared]
    found += [
        f"{tier}/comparison/conditions/{model}/{task}"
        for model in project.selected_models
        for task in dict.fromkeys(project.experiments[name].task for name in compared)
        if len(conditions(project, task)) > 1
    ]
    return found


def length_column(project: Project, comparison: str) -> str | None:
    """The column of the lengths of what is compared."""
    entry = entries_of(project, comparison)[0]
    return project.task_class(entry.experiment).length_column


def _parts(comparison: str) -> re.Match[str]:
    """The parts of a comparison's name."""
    found = COMPARISON.fullmatch(comparison)
    if found is None:
        raise ValueError(f"{comparison!r} is no comparison's name")
    return found


def comparison_facts(project: Project, comparison: str) -> dict[str, str]:
    """What figures and captions say about a comparison: its title, what is compared, by which engines and judges, and notes."""
    from contextrot.report.summary import note_of

    entries = entries_of(project, comparison)
    found = _parts(comparison)
    tier = f"tier {found['tier']}" if found["tier"] else "all tiers"
    subject = (
        f"{project.title(found['model'])}: conditions of {found['task']}"
        if found["model"]
        else project.title(found["experiment"])
    )
    judges = dict.fromkeys(", ".join(project.judges_of(entry.experiment)) for entry in entries)
    return {
        "title": f"{subject}, {tier}",
        "entries": "; ".join(entry.title for entry in entries),
        "engines": ", ".join(dict.fromkeys(project.models[entry.model].engine for entry in entries)),
        "judges": "; ".join(filter(None, judges)) or "none: the task scores by itself",
        "notes": "; ".join(dict.fromkeys(filter(None, (note_of(project, entry.model) for entry in entries)))),
    }


def curve_summary(scores: pd.DataFrame, column: str | None, rng: np.random.Generator) -> dict[str, Any]:
    """Mean score, effective length by each definition and slope of one entry; what is not known is None.

    Args:
        scores: rows of scores.parquet.
        column: of the length; None for a task without lengths.
    """
    counted = counting(scores)
    score, low, high = mean_interval(counted["score"].to_numpy(float), (0, 1))
    row: dict[str, Any] = {"n": len(counted), "score": score, "score_low": low, "score_high": high}
    if column is None:
        return row
    lengths, values = counted[column].to_numpy(float), counted["score"].to_numpy(float)
    names = counted["sample_id"].to_numpy(str)
    for definition in DEFINITIONS:
        found = effective_length(lengths, values, rng, names, definition)
        row |= {"shortest": found.shortest, "longest": found.longest, "shortest_score": found.base}
        for part in ("longest_passing", "crossing", "low", "high", "status", "reason"):
            row[f"{definition}_{part}"] = getattr(found, part)
    position = next((name for name in POSITION_COLUMNS if name in counted), None)
    slope = length_slope(values, lengths, counted[position].to_numpy(float) / 100 if position else None, names)
    for part in ("slope", "low", "high", "p_value", "reason"):
        row["slope" if part == "slope" else f"slope_{part}"] = getattr(slope, part)
    return row


def counting(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows that count: an outcome that is scored, and a score."""
    from contextrot.scores.score import on_target

    scores = on_target(scores)
    return scores[scores["outcome"].isin(SCORED_OUTCOMES) & scores["score"].notna()]


@dataclass(frozen=True)
class Comparison:
    """Tables of a comparison.

    Attributes:
        table: a row for each entry: curve_summary, then `rank` with interval and `share_best` over the `common` answers.
        curves: a row for each entry and length: score with its interval, and relative to the shortest length.
        differences: a row for each pair of entries: mean score of the first minus the second over their common answers.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    differences: pd.DataFrame


def compare(
    scores: dict[str, pd.DataFrame], column: str | None, seed: int, name: str = "", pair_columns: Sequence[str] = ()
) -> Comparison:
    """Compares entries.

    Args:
        scores: scores.parquet of each entry, by title.
        column: of the length; None for a task without lengths.
        seed, name: seed all resampling.
        pair_columns: what is paired; the samples by their ids if empty.
    """
    import pandas as pd

    table, curves = [], []
    for title, rows in scores.items():
        table.append({"title": title, **curve_summary(rows, column, generator_for(seed, name, "effective length", title))})
        if column is not None:
            curves += _curve(title, rows, column, generator_for(seed, name, "curve", title))
    wide = pd.DataFrame({title: _by_pair(rows, pair_columns) for title, rows in scores.items()})
    for row, rank in zip(table, _ranks(wide, generator_for(seed, name, "ranks")), strict=True):
        row["common"] = len(wide.dropna())
        row |= {part: getattr(rank, attribute) if rank else None for part, attribute in _RANK_COLUMNS.items()}
    differences = []
    for first, second in combinations(scores, 2):
        both = wide[[first, second]].dropna()
        rng = generator_for(seed, name, "difference", first, second)
        found = paired_difference(both[first], both[second], both.index.get_level_values("pair"), rng)
        differences.append({"first": first, "second": second, **vars(found)})
    for row, corrected in zip(differences, holm([row["p_value"] for row in differences]), strict=True):
        row["p_holm"] = corrected
    columns = ["first", "second", "n", "clusters", "difference", "low", "high", "p_value", "p_holm", "test"]
    return Comparison(
        pd.DataFrame(table),
        pd.DataFrame(curves, columns=CURVE_COLUMNS),
        pd.DataFrame(differences).reindex(columns=columns),
    )


_RANK_COLUMNS = {"common_score": "score", "rank": "rank", "rank_low": "low", "rank_high": "high", "share_best": "share_best"}
CURVE_COLUMNS = ["title", "length", "n", "score", "low", "high", "relative", "relative_low", "relative_high"]


def _curve(title: str, rows: pd.DataFrame, column: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    counted = counting(rows)
    rows_of_curve = []
    for row in relative_curve(counted[column], counted["score"], rng, counted["sample_id"]):
        at = counted.loc[counted[column] == row["length"], "score"]
        _, low, high = mean_interval(at.to_numpy(float), (0, 1))
        rows_of_curve.append({**row, "title": title, "low": low, "high": high})
    return rows_of_curve


def _by_pair(rows: pd.DataFrame, pair_columns: Sequence[str]) -> pd.Series:
    """Mean score by what is paired and turn."""
    import pandas as pd

    counted = counting(rows)
    named = counted[list(pair_columns) or ["sample_id"]].itertuples(index=False)
    # 500 and 500.0 are the same length: one file may hold whole numbers, another floats.
    pairs = [" | ".join(f"{part:g}" if isinstance(part, int | float) else str(part) for part in parts) for parts in named]
    return (
        counted["score"].astype(float).groupby([pd.Series(pairs, counted.index, dtype=str, name="pair"), counted["turn"]]).mean()
    )


def _ranks(wide: pd.DataFrame, rng: np.random.Generator) -> list[Rank | None]:
    """Ranks over the answers that all have, resampled by sample; None for each if there are none."""
    common = wide.dropna()
    if common.empty:
        return [None] * wide.shape[1]
    by_sample = common.groupby(level="pair", sort=True).mean()
    return list(ranks(by_sample.to_numpy(), rng))


def write_comparison(project: Project, comparison: str, score_paths: Sequence[str | Path], output: Path) -> None:
    """Writes table.csv, curves.csv and differences.csv of a comparison to a folder.

    Args:
        comparison: see entries_of.
        score_paths: scores.parquet of each of its entries, in their order.
        output: the folder.
    """
    import pandas as pd

    from contextrot.report.summary import note_of

    entries = entries_of(project, comparison)
    # Titles that two models share are told apart by the names in config.
    titles = [entry.title for entry in entries]
    entries = [replace(e, title=f"{e.title} ({e.model}, {e.experiment})") if titles.count(e.title) > 1 else e for e in entries]
    scores = {entry.title: pd.read_parquet(path) for entry, path in zip(entries, score_paths, strict=True)}
    of_conditions = _parts(comparison)["task"] is not None
    pair_columns = project.task_class(entries[0].experiment).pair_columns if of_conditions else ()
    found = compare(scores, length_column(project, comparison), project.settings.seed, comparison, pair_columns)
    facts = pd.DataFrame(
        {
            "title": [entry.title for entry in entries],
            **{name: [getattr(entry, name) for entry in entries] for name in ("tier", "model", "experiment")},
            "engine": [project.models[entry.model].engine for entry in entries],
            "note": [note_of(project, entry.model) for entry in entries],
        }
    )
    write_table(output / "table.csv", facts.merge(found.table, on="title"))
    write_table(output / "curves.csv", found.curves)
    write_table(output / "differences.csv", found.differences)
