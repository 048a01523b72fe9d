"""Several models on one experiment, several experiments of one task on one model, or all tiers side by side.

What is compared are *entries*: each has a title and the scores of one (tier, model, experiment). Everything paired is over the answers
that all (or both) entries have: the same sample and turn, with an outcome that counts in each. Experiments of one task have other
samples each; they are paired by the task's `pair_columns` (the same needle, length and depth), several rows of one being averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.randomness import generator_for
from contextrot.records import SCORED_OUTCOMES, write_table
from contextrot.scores.clusters import clustered_difference, clustered_ranks
from contextrot.scores.rot_curves import DEFINITIONS, effective_length, length_slope, relative_curve
from contextrot.scores.score import CLUSTER, clusters_of, mean_with_interval, read_scores
from contextrot.scores.stats import Rank, holm, paired_difference, ranks

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

POSITION_COLUMNS = ("depth", "position_percent")
"""Columns of a position in percent, which then is a term of the slope."""


def curve_summary(scores: pd.DataFrame, column: str | None, rng: np.random.Generator) -> dict[str, Any]:
    """Mean score, effective length by each definition and slope of one entry; what is not known is None.

    Args:
        scores: rows of scores.parquet.
        column: of the length; None for a task without lengths.
    """
    counted = counting(scores)
    score, low, high, _ = mean_with_interval(counted["score"].astype(float), counted, (0, 1))
    row: dict[str, Any] = {"n": len(counted), "score": score, "score_low": low, "score_high": high}
    if column is None:
        return row
    lengths, values = counted[column].to_numpy(float), counted["score"].to_numpy(float)
    names = counted["sample_id"].to_numpy(str)
    for definition in DEFINITIONS:
        found = effective_length(lengths, values, rng, names, definition, needles=clusters_of(counted))
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
    clusters = _cluster_of_pair(scores, pair_columns)
    for row, rank in zip(table, _ranks(wide, generator_for(seed, name, "ranks"), clusters), strict=True):
        row["common"] = len(wide.dropna())
        row |= {part: getattr(rank, attribute) if rank else None for part, attribute in _RANK_COLUMNS.items()}
    differences = []
    for first, second in combinations(scores, 2):
        both = wide[[first, second]].dropna()
        pairs = both.index.get_level_values("pair")
        if clusters is not None and pairs.map(clusters).nunique() > 1:
            found = clustered_difference(both[first], both[second], pairs.map(clusters))
        else:
            rng = generator_for(seed, name, "difference", first, second)
            found = paired_difference(both[first], both[second], pairs, rng)
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
        _, low, high, _ = mean_with_interval(at.astype(float), counted.loc[at.index], (0, 1))
        rows_of_curve.append({**row, "title": title, "low": low, "high": high})
    return rows_of_curve


def _by_pair(rows: pd.DataFrame, pair_columns: Sequence[str]) -> pd.Series:
    """Mean score by what is paired and turn."""
    import pandas as pd

    counted = counting(rows)
    pairs = _pairs(counted, pair_columns)
    return (
        counted["score"].astype(float).groupby([pd.Series(pairs, counted.index, dtype=str, name="pair"), counted["turn"]]).mean()
    )


def _pairs(counted: pd.DataFrame, pair_columns: Sequence[str]) -> list[str]:
    """What each row is paired by. 500 and 500.0 are the same length: one file may hold whole numbers, another floats."""
    named = counted[list(pair_columns) or ["sample_id"]].itertuples(index=False)
    return [" | ".join(f"{part:g}" if isinstance(part, int | float) else str(part) for part in parts) for parts in named]


def _cluster_of_pair(scores: dict[str, pd.DataFrame], pair_columns: Sequence[str]) -> dict[str, str] | None:
    """Pair -> its cluster; None unless every entry's scores say it."""
    if not all(CLUSTER in rows for rows in scores.values()):
        return None
    return {
        pair: str(cluster)
        for counted in map(counting, scores.values())
        for pair, cluster in zip(_pairs(counted, pair_columns), counted[CLUSTER], strict=True)
    }


def _ranks(wide: pd.DataFrame, rng: np.random.Generator, clusters: dict[str, str] | None) -> list[Rank | None]:
    """Ranks over the answers that all have, by cluster, else resampled by sample; None for each if there are none."""
    common = wide.dropna()
    if common.empty:
        return [None] * wide.shape[1]
    by_sample = common.groupby(level="pair", sort=True).mean()
    names = by_sample.index.map(clusters) if clusters is not None else by_sample.index
    if clusters is not None and names.nunique() > 1:
        return list(clustered_ranks(by_sample.to_numpy(), names, rng))
    return list(ranks(by_sample.to_numpy(), rng))


def write_comparison(
    entries: Sequence[Mapping[str, str]],
    score_paths: Sequence[str | Path],
    output: Path,
    *,
    column: str | None,
    pair_columns: Sequence[str],
    seed: int,
    name: str,
) -> None:
    """Writes table.csv, curves.csv and differences.csv of a comparison to a folder.

    Args:
        entries: what is compared: columns of the table, of which `title` tells all apart.
        score_paths: scores.parquet of each, in their order.
        output: the folder.
        column, pair_columns, seed, name: see compare.
    """
    import pandas as pd

    facts = pd.DataFrame(entries)
    scores = {entry["title"]: read_scores(path) for entry, path in zip(entries, score_paths, strict=True)}
    found = compare(scores, column, seed, name, pair_columns)
    write_table(output / "table.csv", facts.merge(found.table, on="title"))
    write_table(output / "curves.csv", found.curves)
    write_table(output / "differences.csv", found.differences)
