"""RULER's averages: over tasks at a length, and over lengths with weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("average", "average_increasing", "average_decreasing")
"""Measures: the plain mean of all lengths, and those weighted by 1, 2, 3, ... towards the longest and towards the shortest."""


def weights_of(count: int) -> dict[str, np.ndarray]:
    """Weights of so many lengths, shortest first, shape (count,) each; they sum to 1."""
    rising = np.arange(1, count + 1, dtype=float)
    return dict(zip(NAMES, (w / w.sum() for w in (np.ones(count), rising, rising[::-1])), strict=True))


def weighted_averages(by_length: Sequence[float]) -> dict[str, float]:
    """RULER's Avg., wAvg. (inc) and wAvg. (dec) of a model's scores, the shortest length first."""
    return {name: float(weights @ np.asarray(by_length, float)) for name, weights in weights_of(len(by_length)).items()}


def task_averages(metrics: pd.DataFrame) -> pd.DataFrame:
    """Rows of metrics for `task_average` (by length: the mean of the tasks' means) and the three averages over lengths.

    Intervals are normal ones of independent means, whose widths come from the tasks' own; lengths at which a task has no answer that
    counts have no average, so that no length is easier than another.

    Args:
        metrics: of `score`, with the grouping task, length.
    """
    import pandas as pd

    cells = metrics[(metrics["measure"] == "score") & (metrics["grouping"] == "task,length")]
    rows, means, variances, n = [], [], [], 0
    lengths = sorted(cells["length"].unique())
    for length in lengths:
        at = cells[cells["length"] == length]
        variance = float(np.nansum((((at["high"] - at["low"]) / 3.92) ** 2).to_numpy(float))) / max(1, len(at)) ** 2
        complete = len(at) and at["value"].notna().all()
        mean = float(at["value"].mean()) if complete else None
        rows.append(_row("task_average", "length", mean, variance, int(at["n"].sum()), at, length=length))
        means.append(np.nan if mean is None else mean)
        variances.append(variance)
        n += int(at["n"].sum())
    for name, weights in weights_of(len(lengths)).items():
        mean = float(weights @ np.array(means)) if lengths else np.nan
        rows.append(_row(name, "", None if np.isnan(mean) else mean, float(weights**2 @ np.array(variances)), n, cells))
    return pd.DataFrame(rows).reindex(columns=metrics.columns)


def _row(
    measure: str, grouping: str, mean: float | None, variance: float, n: int, cells: pd.DataFrame, **columns: float
) -> dict[str, object]:
    from contextrot.records import OUTCOMES

    half = 1.96 * variance**0.5
    return {
        "grouping": grouping,
        "measure": measure,
        **columns,
        "value": mean,
        "low": None if mean is None else max(0.0, mean - half),
        "high": None if mean is None else min(1.0, mean + half),
        "n": n,
        **{outcome: int(cells[outcome].sum()) for outcome in OUTCOMES},
        "unjudged": int(cells["unjudged"].sum()),
    }
