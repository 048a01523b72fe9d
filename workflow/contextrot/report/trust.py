"""How long a context can be trusted, and at what price: quality, times, thought, cache and cost of every length, and the limits.

A limit is the longest context that still keeps a share of the quality, or stays under some seconds or cents. Each has an interval
by the scheme of `rot_curves`: an end is a length that was tested, and None where it lies beyond them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.plan.shown import ShownExperiment
from contextrot.randomness import generator_for
from contextrot.records import SCORED_OUTCOMES, write_table
from contextrot.scores.rot_curves import Curve, EffectiveLength, effective_length, non_increasing
from contextrot.scores.score import aggregate, clusters_of, on_target, select
from contextrot.scores.stats import mean_interval
from contextrot.scores.tails import quantile_interval
from contextrot.settings import TrustSettings

if TYPE_CHECKING:
    import pandas as pd

LIMITS = ("quality", "seconds", "usd")
COLUMNS = (
    "model", "experiment", "model_title", "experiment_title", "length_column", "length", "prompt_tokens", "score", "low", "high",
    "n", "answers", "first_token_seconds", "first_token_seconds_low", "first_token_seconds_high", "total_seconds", "total_seconds_low",
    "total_seconds_high", "reasoning_tokens", "cached_share", "usd_per_request", "usd_per_request_low", "usd_per_request_high", "hosted",
)  # fmt: skip
LIMIT_COLUMNS = (
    "model", "experiment", "model_title", "experiment_title", "length_column", "limit", "allowed", "status", "length", "low", "high",
    "shortest", "longest", "n", "reason", "hosted",
)  # fmt: skip
_EPSILON = 1e-9


def length_axis(task: Any) -> str | None:
    """The column over whose values a task's trust is told: its length, or for a task without one its first condition."""
    return task.length_column or next((grouping[0] for grouping in task.groupings if len(grouping) == 1), None)


def bounds_of(measure: str) -> tuple[str, str]:
    """The columns of the table of lengths that hold a measure's interval."""
    return ("low", "high") if measure == "score" else (f"{measure}_low", f"{measure}_high")


def trust_rows(scores: pd.DataFrame, metrics: pd.DataFrame | None, axis: str | None) -> list[dict[str, Any]]:
    """One row a length; what is not known is None.

    Quality is the mean score with its 95 % interval, as metrics.csv has it. Times are medians, because one request that had to wait
    says nothing of the others; tokens of thought and USD are means, because they add up to a bill; the cached share is that of all
    prompt tokens. All are of the answers that count (records.SCORED_OUTCOMES). A median's interval is that of order statistics, the mean
    USD's Student's, cut at 0; where so few requests cannot tell, it is None.

    Args:
        scores: scores.parquet.
        metrics: metrics.csv; the quality is averaged from the scores where it has no such grouping.
        axis: column of the lengths; None gives one row over everything.
    """
    if not len(scores) or "score" not in scores:
        return []
    scores = on_target(scores)
    groups = [(None, scores)] if axis is None else list(scores.groupby(axis, sort=True))
    rows = []
    for length, group in groups:
        counted = group[group["outcome"].isin(SCORED_OUTCOMES)]
        prompts, cached = _column(counted, "server_prompt_tokens"), _column(counted, "cached_tokens")
        both = ~(np.isnan(prompts) | np.isnan(cached))
        rows.append(
            {
                "length": length,
                "prompt_tokens": _median(_column(group, "prompt_tokens")),
                **_quality(metrics, group, axis, length),
                "answers": len(group),
                **_median_between("first_token_seconds", _column(counted, "first_token_seconds")),
                **_median_between("total_seconds", _column(counted, "total_seconds")),
                "reasoning_tokens": _mean(_column(counted, "reasoning_tokens")),
                "cached_share": float(cached[both].sum() / prompts[both].sum()) if prompts[both].sum() else None,
                **_mean_between("usd_per_request", _column(counted, "cost_usd")),
            }
        )
    return rows


def trust_limits(
    scores: pd.DataFrame, length_column: str | None, wanted: TrustSettings, seed: int, *names: str
) -> dict[str, EffectiveLength]:
    """The longest context within each limit of LIMITS, with its interval.

    Args:
        scores: scores.parquet.
        length_column: column of the lengths; without one (or with lengths that are no numbers) nothing is known.
        wanted: the limits.
        seed, names: seed the resampling.
    """
    unknown = {limit: EffectiveLength(limit, reason="the experiment has no lengths") for limit in LIMITS}
    if not length_column or length_column not in scores or "score" not in scores:
        return unknown
    scores = on_target(scores)
    scores = scores[scores["outcome"].isin(SCORED_OUTCOMES)]
    if not len(scores):
        return {limit: EffectiveLength(limit, reason="no answer counts") for limit in LIMITS}
    lengths, clusters = scores[length_column].astype(float).tolist(), scores["sample_id"].tolist()
    rngs = {limit: generator_for(seed, "trust", *names, limit) for limit in LIMITS}
    quality = EffectiveLength("quality", reason="one length only")
    if len(np.unique(lengths)) > 1:
        measured = _column(scores, "score").tolist()
        needles = clusters_of(scores)
        quality = effective_length(
            lengths, measured, rngs["quality"], clusters, "nolima", share=wanted.quality_share, needles=needles
        )
    allowed = {"seconds": ("total_seconds", wanted.seconds), "usd": ("cost_usd", wanted.cents / 100)}
    return {"quality": replace(quality, definition="quality")} | {
        limit: longest_within(
            lengths, _column(scores, column).tolist(), most, rngs[limit], clusters, wanted.share_of_requests, limit
        )
        for limit, (column, most) in allowed.items()
    }


def longest_within(
    lengths: Sequence[float],
    values: Sequence[float],
    most: float,
    rng: np.random.Generator,
    clusters: Sequence[object] | None = None,
    share: float = 0.5,
    definition: str = "within",
) -> EffectiveLength:
    """The longest context at which a share of the requests takes no more than `most`.

    A request within the limit counts as a right answer counts for the effective length, so that the interval is found the same way. The
    length itself lies on the line between that share's quantiles at the last length that stays within and at the next: times and
    prices grow nearly in proportion to the tokens.

    Args:
        lengths, values, clusters: shape (rows,): length, what is limited (missing values are left out), sample.
        share: of the requests of a length.
    """
    x, y = np.asarray(lengths, float), np.asarray(values, float)
    known = ~(np.isnan(x) | np.isnan(y))
    if not known.any():
        return EffectiveLength(definition, reason="not measured")
    x, y = x[known], y[known]
    names = None if clusters is None else np.asarray(clusters)[known]
    within = (y <= most).astype(float)
    found = replace(
        effective_length(x, within, rng, names, "ruler", share=share - _EPSILON), definition=definition, threshold=most
    )
    if found.status != "within":
        return found
    curve = Curve(x, within, names)
    passed = int((non_increasing(curve.means[None], curve.n)[0] >= share - _EPSILON).sum())
    ends = curve.lengths[passed - 1 : passed + 1]
    below, above = (float(np.quantile(y[x == end], share, method="inverted_cdf")) for end in ends)
    part = (most - below) / (above - below) if above > below else 0.5
    return replace(found, crossing=float(ends[0] + (ends[1] - ends[0]) * min(max(part, 0.0), 1.0)))


def trust_tables(shown: Iterable[ShownExperiment], wanted: TrustSettings, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table of lengths (COLUMNS) and that of limits (LIMIT_COLUMNS), from the experiments' files."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    limits: list[dict[str, Any]] = []
    allowed = {"quality": wanted.quality_share, "seconds": wanted.seconds, "usd": wanted.cents / 100}
    for one in shown:
        scores = pd.read_parquet(one.files["scores.parquet"])
        metrics = pd.read_csv(one.files["metrics.csv"]) if "metrics.csv" in one.files else None
        axis = length_axis(one.task)
        axis = axis if axis in scores else None
        about = {name: getattr(one, name) for name in ("model", "experiment", "model_title", "experiment_title", "hosted")}
        about["length_column"] = axis
        found = trust_rows(scores, metrics, axis)
        rows += [about | row for row in found]
        for limit, length in trust_limits(scores, one.task.length_column, wanted, seed, one.model, one.experiment).items():
            if not found:
                continue
            limits.append(
                about
                | {"limit": limit, "allowed": allowed[limit], "length": length.crossing}
                | {name: getattr(length, name) for name in ("status", "low", "high", "shortest", "longest", "n", "reason")}
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(limits, columns=list(LIMIT_COLUMNS))


def write_trust(
    shown: Iterable[ShownExperiment], wanted: TrustSettings, seed: int, lengths: str | Path, limits: str | Path
) -> None:
    """Writes both tables as CSV."""
    for table, path in zip(trust_tables(shown, wanted, seed), (lengths, limits), strict=True):
        write_table(path, table)


def limit_in_words(row: dict[str, Any]) -> str:
    """A limit with its interval: `5,000 [4,000, 8,000]`, `> 8,000 [4,000, …]`; empty if unknown."""
    if row["status"] == "unknown":
        return ""
    shortest, longest = f"{row['shortest']:,.0f}", f"{row['longest']:,.0f}"
    before = f"<\u00a0{shortest}" if row["shortest"] > 0 else "none"
    text = {"beyond_longest": f">\u00a0{longest}", "below_shortest": before}.get(row["status"]) or f"{row['length']:,.0f}"
    low = before if _missing(row["low"]) else f"{row['low']:,.0f}"
    high = f">\u00a0{longest}" if _missing(row["high"]) else f"{row['high']:,.0f}"
    return f"{text} [{low}, {high}]"


def _quality(metrics: pd.DataFrame | None, group: pd.DataFrame, axis: str | None, length: Any) -> dict[str, Any]:
    """Mean score, interval and n of one length."""
    found = None
    if metrics is not None:
        found = select(metrics, "score") if axis is None else select(metrics, "score", axis)
        if axis is not None and len(found):
            found = found[[_same(value, length) for value in found[axis]]]
    if found is None or len(found) != 1:
        if "unjudged" not in group:
            group = group.assign(unjudged=False)
        found = aggregate(group, [()], ["score"])
    row = found.iloc[0]
    value, low, high = (None if _missing(row[name]) else float(row[name]) for name in ("value", "low", "high"))
    return {"score": value, "low": low, "high": high, "n": int(row["n"])}


def _same(value: Any, length: Any) -> bool:
    """Whether a value of a CSV file is that of a parquet file."""
    return str(value) == str(length) or (not isinstance(value, str) and not isinstance(length, str) and value == length)


def _column(rows: pd.DataFrame, name: str) -> np.ndarray:
    """A column as numbers; missing throughout where older scores have none."""
    import pandas as pd

    return pd.to_numeric(rows[name], errors="coerce").to_numpy(float) if name in rows else np.full(len(rows), np.nan)


def _median(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _median_between(name: str, values: np.ndarray) -> dict[str, float | None]:
    """A median and its interval, by this name; the requests are taken for independent."""
    known = values[~np.isnan(values)]
    value, low, high = quantile_interval(known, np.arange(len(known)), 0.5)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _mean_between(name: str, values: np.ndarray) -> dict[str, float | None]:
    """A mean and its interval, not below 0, by this name."""
    value, low, high = mean_interval(values[~np.isnan(values)])
    return {name: value, f"{name}_low": None if low is None else max(low, 0.0), f"{name}_high": high}


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.mean(known)) if len(known) else None


def _missing(value: Any) -> bool:
    return value is None or value != value
