"""Averages of averages: the mean of the groups' means, whatever the size of each group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def macro_averages(metrics: pd.DataFrame, over: str, by: Sequence[str], name: str, measure: str = "score") -> pd.DataFrame:
    """Rows of metrics: for each value of `by` the mean of a measure's means over `over`, with a 95 % interval.

    The interval is a normal one of independent means, whose widths come from the groups' own. A value of `by` at which a group has no
    answer that counts has no average, so that none is easier than another; one at which a group has no interval has none either.

    Args:
        metrics: of score.averages, with the grouping of `by` and `over`.
        name: written as the rows' measure.
    """
    import numpy as np
    import pandas as pd

    from contextrot.records import OUTCOMES
    from contextrot.scores.score import select

    cells = select(metrics, measure, over, *by)
    cells = cells[cells[over].notna()]
    rows = []
    for key, group in cells.groupby(list(by), dropna=False, sort=True) if by else [((), cells)]:
        complete = len(group) and group["value"].notna().all()
        mean = float(group["value"].mean()) if complete else None
        widths = ((group["high"] - group["low"]) / 3.92).to_numpy(float)
        half = 1.96 * float(np.sqrt((widths**2).sum())) / max(1, len(group))
        rows.append(
            {
                "grouping": ",".join(by),
                "measure": name,
                **dict(zip(by, key, strict=True)),
                "value": mean,
                "low": None if mean is None or np.isnan(half) else max(0.0, mean - half),
                "high": None if mean is None or np.isnan(half) else min(1.0, mean + half),
                "n": int(group["n"].sum()),
                **{outcome: int(group[outcome].sum()) for outcome in OUTCOMES},
                "unjudged": int(group["unjudged"].sum()),
            }
        )
    return pd.DataFrame(rows).reindex(columns=metrics.columns)
