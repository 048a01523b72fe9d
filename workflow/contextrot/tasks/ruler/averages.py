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
    """Rows of metrics for `task_average` (by length: the mean of the tasks' means; see scores.macro) and the three averages over lengths.

    Args:
        metrics: of `score`, with the grouping task, length.
    """
    import pandas as pd

    from contextrot.records import OUTCOMES
    from contextrot.scores.macro import macro_averages

    by_length = macro_averages(metrics, "task", ["length"], "task_average").sort_values("length")
    ends = by_length[["low", "value", "high"]].to_numpy(float)
    means = ends[:, 1]
    halves = np.diff(ends, axis=1).max(axis=1, initial=0)  # one end may be cut at 0 or 1
    rows = []
    for name, weights in weights_of(len(means)).items():
        mean = float(weights @ means) if len(means) else np.nan
        half = float(weights**2 @ halves**2) ** 0.5
        known = not np.isnan(mean)
        bounded = known and np.isfinite(half)
        rows.append(
            {
                "grouping": "",
                "measure": name,
                "value": mean if known else None,
                "low": max(0.0, mean - half) if bounded else None,
                "high": min(1.0, mean + half) if bounded else None,
                **{count: int(by_length[count].sum()) for count in ("n", *OUTCOMES, "unjudged")},
            }
        )
    return pd.concat([by_length, pd.DataFrame(rows)], ignore_index=True).reindex(columns=metrics.columns)
